"""Videos and cameras as sequences of frames, and videos that are written, both by OpenCV."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np

from lednet_mm.errors import InputError
from lednet_mm.files import PART, permissions

CODECS = {
    ".mp4": "mp4v",
    ".m4v": "mp4v",
    ".mov": "mp4v",
    ".mkv": "mp4v",
    ".avi": "MJPG",
}
"""Ending of a video's name, in lower case -> the codec (FourCC) that OpenCV's own FFmpeg writes for it."""

USUAL_RATE = 25.0
"""Frames per second of a video that states none."""

ATTEMPTS = 100
"""Number of frames in a row that may be unreadable in the middle of a video."""


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep OpenCV and its FFmpeg from writing to stderr; what is wrong is said in one line of our own."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    logging = cv2.utils.logging
    before = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(before)


def is_camera(source: str) -> bool:
    """Return whether a source is a camera: ``camera:N``."""
    return source.startswith("camera:")


class VideoReader:
    """The frames of a video file or a camera, in order; it is iterated once.

    Args:
        source: path of a video, or ``camera:N`` for the camera with number N.

    Attributes:
        live: whether it is a camera, whose frames come in real time and never end.
        rate: frames per second.
        count: number of frames that the file states; None if it states none.
        read: number of frames that were read, so far.
        broken: number of frames before the last of them that could not be read.

    Raises:
        InputError: the video is unreadable, or there is no such camera.
    """

    def __init__(self, source: str) -> None:
        self.live = is_camera(source)
        number = source.partition(":")[2]
        if self.live and not (number.isascii() and number.isdecimal() and len(number) < 4):
            raise InputError(f"{source}: name a camera by its number, as in camera:0")
        if not self.live and not Path(source).is_file():
            raise InputError(f"{source}: no such video")
        with _quiet():
            self._capture = (
                cv2.VideoCapture(int(number)) if self.live else cv2.VideoCapture(source, cv2.CAP_FFMPEG)
            )
        if not self._capture.isOpened():
            raise InputError(
                f"{source}: there is no such camera, or another program uses it"
                if self.live
                else f"{source}: not a video that OpenCV can read (damaged, or a codec that it lacks): "
                "convert it (`ffmpeg -i VIDEO OTHER.mp4`)"
            )
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if 0.1 <= rate <= 1000 else USUAL_RATE
        stated = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.count = int(stated) if not self.live and 0 < stated < 2**31 else None
        self.read = self.broken = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the frames, (H, W, 3) uint8 BGR; those that cannot be decoded are left out and counted."""
        place = failed = 0
        while failed <= ATTEMPTS:
            frame = self._read()
            place += 1
            if frame is not None:
                self.broken += failed
                failed = 0
                self.read += 1
                yield frame
            elif self.count is None or place > self.count:
                return
            else:
                failed += 1

    def _read(self) -> np.ndarray | None:
        try:
            with _quiet():
                readable, frame = self._capture.read()
        except cv2.error:
            return None
        return frame if readable and frame is not None and frame.size else None

    def close(self) -> None:
        """Release the file or the camera."""
        self._capture.release()


def require_codec(path: Path) -> None:
    """Check that a video can be written under a name, by writing a small one that is removed again.

    Raises:
        InputError: no codec writes files with this ending.
    """
    with tempfile.TemporaryDirectory() as folder:
        probe = VideoWriter(path, USUAL_RATE)
        try:
            probe.open(64, 64, Path(folder))
        finally:
            probe.discard()


class VideoWriter:
    """A video that appears under its name when it is complete.

    Until then it is a hidden file beside its place, which is removed if the video is not finished.

    Args:
        path: path of the video; its ending decides the codec.
        rate: frames per second.
        live: whether frames come in real time. If they come more slowly than the rate, each is repeated until
            the next, so that the video is as fast as what it shows.

    Attributes:
        written: number of frames of the video.
        size: (height, width) of the video, which is that of its first frame; None before it.
        scaled: number of frames that had another size and were resized.
    """

    def __init__(self, path: Path, rate: float, *, live: bool = False) -> None:
        self.path, self.rate, self.live = path, rate, live
        self.written = self.scaled = 0
        self.size: tuple[int, int] | None = None
        self._part: Path | None = None
        self._writer: cv2.VideoWriter | None = None
        self._begin = 0.0

    def write(self, picture: np.ndarray) -> None:
        """Append a frame, (H, W, 3) uint8 RGB.

        Raises:
            InputError: no codec writes files with this ending.
        """
        height, width = picture.shape[:2]
        if self._writer is None or self.size is None:
            self.size = (height, width)
            self._writer = self.open(width, height, self.path.parent)
            self._begin = perf_counter()
        if self.size != (height, width):
            picture = cv2.resize(picture, self.size[::-1], interpolation=cv2.INTER_AREA)
            self.scaled += 1
        due = round((perf_counter() - self._begin) * self.rate) + 1 if self.live else self.written + 1
        with _quiet():
            for _ in range(self.written, due):
                self._writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        self.written = max(self.written, due)

    def skip(self) -> None:
        """Leave out a frame."""

    def open(self, width: int, height: int, folder: Path) -> cv2.VideoWriter:
        """Begin a video of a size as a hidden file.

        Args:
            width: width of the frames.
            height: height of the frames.
            folder: folder of the hidden file.

        Raises:
            InputError: no codec writes such a video.
        """
        ending = self.path.suffix.lower()
        if codec := CODECS.get(ending):
            folder.mkdir(parents=True, exist_ok=True)
            number, part = tempfile.mkstemp(dir=folder, prefix=".", suffix=PART + ending)
            os.close(number)
            self._part = Path(part)
            with _quiet():
                fourcc = cv2.VideoWriter.fourcc(*codec)
                writer = cv2.VideoWriter(part, cv2.CAP_FFMPEG, fourcc, self.rate, (width, height))
            if writer.isOpened():
                return writer
            self.discard()
        raise InputError(
            f"{self.path}: no codec here writes a video {f'*{ending}' if ending else 'without an ending'} of "
            f"{width}x{height}: choose one of {', '.join(CODECS)}"
        )

    def close(self) -> None:
        """Finish the video and give it its name.

        Raises:
            InputError: the file is not complete, as on a full disk; nothing is left behind.
        """
        if self._writer is None or self._part is None:
            return
        with _quiet():
            self._writer.release()
            readable = cv2.VideoCapture(str(self._part), cv2.CAP_FFMPEG)
            complete = readable.isOpened() and readable.get(cv2.CAP_PROP_FRAME_COUNT) >= self.written - 1
            readable.release()
        if not complete:
            self.discard()
            raise InputError(
                f"{self.path}: the video could not be written completely (is the disk full?), and is removed"
            )
        self._part.chmod(permissions(self.path))
        self._part.replace(self.path)
        self._part = self._writer = None

    def discard(self) -> None:
        """Remove what has been written, if the video is not finished."""
        if self._writer is not None:
            with _quiet():
                self._writer.release()
        if self._part is not None:
            with suppress(FileNotFoundError):
                self._part.unlink()
        self._part = self._writer = None
