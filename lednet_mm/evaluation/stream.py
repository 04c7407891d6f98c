"""Images one after the other: read, predicted, drawn and written, with the time that each stage takes."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from lednet_mm.errors import InputError
from lednet_mm.evaluation.prediction import ImagePredictor, Loaded, Prediction
from lednet_mm.evaluation.video import USUAL_RATE, VideoReader
from lednet_mm.files import write_atomically
from lednet_mm.terminal import tracked
from lednet_mm.text import fps_text

RECENT = 30
"""Number of rounds over which the recent rate is taken."""


class StageClock:
    """How long each stage of a loop takes.

    Attributes:
        seconds: stage -> seconds in all rounds, in the order of the stages.
        rounds: number of rounds that were finished.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.rounds = 0
        self._ends = [time.perf_counter()]

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time within this context to a stage."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin

    def finish_round(self) -> None:
        """Note that one image has passed all stages."""
        self.rounds += 1
        self._ends = [*self._ends[-RECENT:], time.perf_counter()]

    def recent_rate(self) -> float:
        """Return the rounds per second over the last rounds; 0 before the first is finished."""
        passed = self._ends[-1] - self._ends[0]
        return (len(self._ends) - 1) / passed if passed > 0 else 0.0

    def summary(self) -> str:
        """Return the mean time of each stage and the rate of all together, in words."""
        each = ", ".join(f"{name} {1000 * s / self.rounds:.1f} ms" for name, s in self.seconds.items())
        rate = self.rounds / sum(self.seconds.values())
        return f"mean of {self.rounds} images: {each}; together {fps_text(rate)} images per second"


class Source(Protocol):
    """Where images come from.

    Attributes:
        count: number of images; None if it is unknown.
        rate: images per second if they are shown as a video.
        live: whether images come in real time, without an end.
    """

    count: int | None
    rate: float
    live: bool

    def load(self, predictor: ImagePredictor) -> Iterator[Loaded | InputError]:
        """Yield each image, or why it could not be read."""


class ImageFiles:
    """Image files.

    Args:
        paths: the images, in their order.
    """

    rate, live = USUAL_RATE, False

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths
        self.count: int | None = len(paths)

    def load(self, predictor: ImagePredictor) -> Iterator[Loaded | InputError]:
        """Yield each image, or why it could not be read."""
        for path in self.paths:
            try:
                yield predictor.read(path)
            except InputError as error:
                yield error


class Frames:
    """The frames of a video or a camera.

    Args:
        name: name of the video or camera, for messages.
        reader: the open video.
    """

    def __init__(self, name: str, reader: VideoReader) -> None:
        self.name, self.reader = name, reader
        self.rate, self.live, self.count = reader.rate, reader.live, reader.count

    def load(self, predictor: ImagePredictor) -> Iterator[Loaded | InputError]:
        """Yield each frame that can be decoded."""
        for number, frame in enumerate(self.reader, start=1):
            yield predictor.frame(frame, f"frame {number} of {self.name}")


class Sink(Protocol):
    """Where pictures go."""

    def write(self, picture: np.ndarray) -> None:
        """Take the next picture: (H, W, 3) uint8 RGB, or (H, W) ids."""

    def skip(self) -> None:
        """Leave out the place of an image that has no picture."""

    def close(self) -> None:
        """Finish what was written."""

    def discard(self) -> None:
        """Remove what is not finished."""


class PictureFiles:
    """PNG files in a folder, each of which is complete as soon as it is there.

    Args:
        targets: the file of each image; None names them by the number of the frame.
        folder: folder of numbered files.
        overwrite: whether an existing file may be replaced.
    """

    def __init__(self, targets: Sequence[Path] | None, folder: Path, overwrite: bool) -> None:
        self.targets, self.folder, self.overwrite = targets, folder, overwrite
        self._place = 0

    def write(self, picture: np.ndarray) -> None:
        """Write the picture of the next image.

        Raises:
            InputError: the file exists and may not be replaced.
        """
        target = self.targets[self._place] if self.targets else frame_file(self.folder, self._place + 1)
        if not self.overwrite and target.exists():
            raise InputError(f"{target} exists already: --overwrite replaces it, or choose another place")
        pixels = picture if picture.ndim == 2 else picture[:, :, ::-1]
        write_atomically(target, cv2.imencode(".png", pixels)[1].tobytes())
        self._place += 1

    def skip(self) -> None:
        """Leave out the next image."""
        self._place += 1

    def close(self) -> None:
        """Do nothing: all files are complete."""

    def discard(self) -> None:
        """Do nothing: all files are complete."""


def frame_file(folder: Path, number: int) -> Path:
    """Return the file of a frame; numbers have six digits, so that the names sort as the frames do."""
    return folder / f"{number:06d}.png"


def in_order(paths: Sequence[Path]) -> list[Path]:
    """Return the images of a folder in the order in which a video shows them: 2.png comes before 10.png."""

    def key(path: Path) -> tuple:
        parts = re.split(r"(\d+)", str(path))
        return tuple(int(part) if place % 2 else part for place, part in enumerate(parts)), str(path)

    return sorted(paths, key=key)


@dataclass
class Progress:
    """What has happened so far.

    Attributes:
        written: number of images whose picture was written.
        failed: why others have none, one line each.
    """

    written: int = 0
    failed: list[str] = field(default_factory=list)


def predict_stream(
    source: Source,
    predictor: ImagePredictor,
    draw: Callable[[Prediction], np.ndarray],
    sink: Sink,
    clock: StageClock,
    progress: Progress,
) -> None:
    """Predict all images of a source and write their pictures.

    An image of a folder that cannot be predicted is left out; a frame of a video that cannot be predicted
    ends the work, since all others are like it. Ctrl-C ends a live source as if it were at its end. If
    anything else ends the work, what is not finished is removed.

    Args:
        source: where the images come from.
        predictor: what predicts them.
        draw: function that makes the picture.
        sink: where the pictures go.
        clock: clock that takes the time of each stage.
        progress: what has happened; it is filled while the work goes on.

    Raises:
        InputError: a frame cannot be predicted, or a picture cannot be written.
        OSError: a picture cannot be written.
    """

    def timed() -> Iterator[Loaded | InputError]:
        images = source.load(predictor)
        while True:
            with clock.stage("read"):
                image = next(images, None)
            if image is None:
                return
            yield image

    try:
        try:
            for image in tracked(timed(), "predicting", source.count):
                if isinstance(image, InputError):
                    progress.failed.append(str(image))
                    sink.skip()
                    continue
                try:
                    with clock.stage("network"):
                        prediction = predictor.predict_loaded(image)
                except InputError as error:
                    if not isinstance(source, ImageFiles):
                        raise
                    progress.failed.append(str(error))
                    sink.skip()
                    continue
                with clock.stage("draw"):
                    picture = draw(prediction)
                with clock.stage("write"):
                    sink.write(picture)
                clock.finish_round()
                progress.written += 1
        except KeyboardInterrupt:
            if not source.live:
                raise
        with clock.stage("write"):
            sink.close()
    except BaseException:
        sink.discard()
        raise
