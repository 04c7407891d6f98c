"""Videos are read to their end whatever is damaged, and appear under their name only when complete."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest

from lednet_mm.errors import InputError
from lednet_mm.evaluation import video
from lednet_mm.evaluation.video import CODECS, VideoReader, VideoWriter, require_codec


def grey(level: int, height: int = 48, width: int = 80) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def write(path: Path, frames: list[np.ndarray], rate: float = 12.5) -> VideoWriter:
    writer = VideoWriter(path, rate)
    for frame in frames:
        writer.write(frame)
    writer.close()
    return writer


@pytest.mark.parametrize("ending", CODECS)
def test_what_is_written_can_be_read(ending, tmp_path):
    path = tmp_path / "folder" / f"a{ending}"
    red = grey(0)
    red[..., 0] = 200
    write(path, [red, *(grey(20 * i) for i in range(1, 9))])
    assert list(path.parent.iterdir()) == [path]
    reader = VideoReader(str(path))
    frames = list(reader)
    reader.close()
    assert (reader.count, reader.read, reader.broken, reader.live) == (9, 9, 0, False)
    assert reader.rate == pytest.approx(12.5)
    assert [abs(int(frame.mean()) - 20 * i) < 6 for i, frame in enumerate(frames)][1:] == [True] * 8
    assert frames[0][..., 2].mean() > 150 > 60 > frames[0][..., 0].mean()  # BGR


def test_frames_of_another_size_are_resized(tmp_path):
    writer = write(tmp_path / "a.mp4", [grey(50), grey(100, 30, 40), grey(150)])
    assert (writer.size, writer.scaled, writer.written) == ((48, 80), 1, 3)
    frames = list(VideoReader(str(tmp_path / "a.mp4")))
    assert [frame.shape for frame in frames] == [(48, 80, 3)] * 3
    assert abs(frames[1].mean() - 100) < 6


def test_nothing_is_left_of_a_video_that_is_not_finished(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"an earlier file")
    writer = VideoWriter(tmp_path / "a.mp4", 10)
    writer.write(grey(10))
    assert len(list(tmp_path.iterdir())) == 2
    writer.discard()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"an earlier file"]
    writer.close()  # there is nothing to finish
    assert (tmp_path / "a.mp4").read_bytes() == b"an earlier file"


def test_a_full_disk_is_named_and_nothing_is_left(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (20, 240, 320, 3), np.uint8)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(InputError, match="could not be written completely"):
            write(tmp_path / "a.mp4", list(noise))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert list(tmp_path.iterdir()) == []


def test_an_ending_that_no_codec_writes(tmp_path):
    for name in ("a.xyz", "a"):
        with pytest.raises(InputError, match=r"a.*: no codec here writes a video .*choose one of \.mp4, "):
            require_codec(tmp_path / name)
    require_codec(tmp_path / "a.MP4")
    assert list(tmp_path.iterdir()) == []


def test_damaged_bytes_in_the_middle_end_nothing(tmp_path, capfd):
    write(tmp_path / "a.avi", [grey(8 * i) for i in range(30)])
    data = bytearray((tmp_path / "a.avi").read_bytes())
    middle = len(data) // 2
    data[middle : middle + len(data) // 10] = bytes(len(data) // 10)
    (tmp_path / "b.avi").write_bytes(data)
    reader = VideoReader(str(tmp_path / "b.avi"))
    found = list(reader)
    assert 20 <= len(found) <= 30
    assert reader.read == len(found)
    assert abs(found[-1].mean() - 8 * 29) < 6  # the end was reached
    assert capfd.readouterr().err == ""


class Capture:
    """A capture of which some frames cannot be read."""

    def __init__(self, readable: list[bool], stated: float) -> None:
        self.readable, self.stated = list(readable), stated

    def isOpened(self) -> bool:  # noqa: N802  (OpenCV's name)
        return True

    def get(self, key: int) -> float:
        return {cv2.CAP_PROP_FRAME_COUNT: self.stated}.get(key, 0.0)

    def read(self) -> tuple[bool, np.ndarray | None]:
        good = bool(self.readable) and self.readable.pop(0)
        return (True, grey(0)) if good else (False, None)


@pytest.mark.parametrize(
    ("readable", "stated", "read", "broken"),
    [
        ([True] * 3 + [False] * 2 + [True] * 2, 7, 5, 2),
        ([True] * 3 + [False] * 500, 400, 3, 0),  # cut off
        ([True] * 3, 0, 3, 0),  # the number is not known
        ([True] * 5, 3, 5, 0),  # more than stated
    ],
)
def test_broken_frames_are_left_out_and_counted(readable, stated, read, broken, tmp_path, monkeypatch):
    (tmp_path / "a.mp4").write_bytes(b"")
    monkeypatch.setattr(video.cv2, "VideoCapture", lambda *_: Capture(readable, stated))
    reader = VideoReader(str(tmp_path / "a.mp4"))
    assert len(list(reader)) == read
    assert (reader.read, reader.broken, reader.rate) == (read, broken, video.USUAL_RATE)


def test_videos_and_cameras_that_cannot_be_opened(tmp_path, capfd):
    (tmp_path / "a.mp4").write_bytes(b"no video" * 100)
    for source, reason in [
        (str(tmp_path / "a.mp4"), "not a video that OpenCV can read"),
        (str(tmp_path / "b.mp4"), "no such video"),
        ("camera:front", "by its number"),
        ("camera:99", "there is no such camera"),
    ]:
        with pytest.raises(InputError, match=reason) as caught:
            VideoReader(source)
        assert str(caught.value).startswith(f"{source}: ")
    assert capfd.readouterr().err == ""


def test_a_live_video_is_as_fast_as_what_it_shows(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(video, "perf_counter", lambda: now[0])
    writer = VideoWriter(tmp_path / "a.mp4", 10, live=True)
    for seconds, written in [(0.0, 1), (0.3, 4), (0.31, 4), (1.0, 11)]:
        now[0] = seconds
        writer.write(grey(100))
        assert writer.written == written
    writer.close()
    assert VideoReader(str(tmp_path / "a.mp4")).count == 11
