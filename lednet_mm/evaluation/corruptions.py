"""Robustness: the accuracy on images with the fifteen corruptions of Hendrycks and Dietterich.

Benchmarking Neural Network Robustness to Common Corruptions and Perturbations, ICLR 2019 (arXiv:1903.12261);
five severities of each. The library ``imagecorruptions-imaug`` makes them, which takes images of any size
from 32x32 on. Where the authors call ImageMagick (motion blur, snow), it has a replacement of its own.

What is random in a corruption follows from the image's file name, the corruption and the severity, so that
all networks see the same images.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from lednet_mm.errors import InputError, suggest

NAMES = (
    *("gaussian_noise", "shot_noise", "impulse_noise"),
    *("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    *("snow", "frost", "fog", "brightness"),
    *("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
)
"""As the library calls them, in the paper's order."""

SEVERITIES = (1, 2, 3, 4, 5)
DISTRIBUTION = "imagecorruptions-imaug"
SEEDED = ("impulse_noise", "glass_blur")
"""Corruptions that take a seed; without one they differ each time, even where NumPy was seeded."""


@dataclass(frozen=True, order=True)
class Corruption:
    """A corruption and its severity, 1 to 5."""

    name: str
    severity: int

    def __str__(self) -> str:
        return f"{self.name.replace('_', ' ')} {self.severity}"


def choose_corruptions(
    names: Sequence[str], severities: Sequence[int] = SEVERITIES
) -> tuple[Corruption, ...]:
    """Return every corruption at every severity.

    Args:
        names: of corruptions, or ``all`` alone.
        severities: from 1 to 5.

    Raises:
        InputError: no such corruption or severity, or the library is not installed.
    """
    wanted = NAMES if list(names) == ["all"] else tuple(dict.fromkeys(names))
    for name in wanted:
        if name not in NAMES:
            raise InputError(
                f"no corruption {name!r}; there are all, {', '.join(NAMES)}{suggest(name, NAMES)}"
            )
    for severity in severities:
        if severity not in SEVERITIES:
            raise InputError(f"no severity {severity} of a corruption: severities are 1 to 5")
    if wanted:
        library()
    return tuple(Corruption(name, severity) for name in wanted for severity in sorted(set(severities)))


def library() -> str:
    """Return name and version of the library that makes the corruptions.

    Raises:
        InputError: it is not installed.
    """
    try:
        return f"{DISTRIBUTION} {metadata.version(DISTRIBUTION)}"
    except metadata.PackageNotFoundError:
        raise InputError(
            f"corruptions need the library {DISTRIBUTION}: pip install -e '.[corruptions]'"
        ) from None


def corrupt(image: np.ndarray, corruption: Corruption, image_name: str) -> np.ndarray:
    """Return an image with a corruption.

    Args:
        image: (H, W, 3) uint8 RGB.
        corruption: which one.
        image_name: what is random follows from it.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: no such image, or one with a side below 32 pixels.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or min(image.shape[:2]) < 32:
        raise ValueError(
            "a corruption needs a colour image of 8 bits with at least 32x32 pixels, and this one is "
            f"{image.shape} {image.dtype}"
        )
    import imagecorruptions

    drawn_from = f"{image_name}\0{corruption.name}\0{corruption.severity}"
    seed = zlib.crc32(drawn_from.encode(errors="surrogateescape"))
    own = {"seed": seed} if corruption.name in SEEDED else {}
    with _seeded(seed), redirect_stdout(io.StringIO()):  # it prints where it makes up for an odd size
        return imagecorruptions.corrupt(
            image, corruption_name=corruption.name, severity=corruption.severity, **own
        )


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed NumPy's global generator, and leave it as it was."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)


class CorruptImages:
    """A step of a pipeline that corrupts the image that was loaded before.

    Attributes:
        corruption: what is done to images from now on; None leaves them as they are.
    """

    def __init__(self) -> None:
        self.corruption: Corruption | None = None

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Corrupt ``img``, (H, W, 3) BGR in [0, 255].

        Raises:
            InputError: an image that cannot be corrupted.
        """
        if self.corruption is None:
            return results
        image = results["img"]
        try:
            pixels = corrupt(
                np.ascontiguousarray(image[..., ::-1]).astype(np.uint8, copy=False),
                self.corruption,
                Path(results["img_path"]).name,
            )
        except (ValueError, IndexError) as error:
            raise InputError(f"image {results['img_path']}: {self.corruption}: {error}") from None
        return {**results, "img": np.ascontiguousarray(pixels[..., ::-1]).astype(image.dtype, copy=False)}


@dataclass(frozen=True)
class Robustness:
    """How a network's accuracy stands up to corruptions.

    Attributes:
        mean_miou: mIoU in percent, averaged over the severities of each corruption, then over corruptions.
        retention: ``mean_miou`` in percent of the mIoU on clean images.
        by_corruption: name -> mIoU averaged over its severities.
    """

    mean_miou: float
    retention: float
    by_corruption: Mapping[str, float]


def summarise_robustness(clean: float, corrupted: Mapping[Corruption, float]) -> Robustness:
    """Summarise accuracies of one network.

    Args:
        clean: mIoU in percent on the images as they are.
        corrupted: mIoU in percent on the same images with each corruption; at least one.
    """
    by_name: dict[str, list[float]] = {}
    for corruption, miou in corrupted.items():
        by_name.setdefault(corruption.name, []).append(miou)
    means = {name: float(np.mean(values)) for name, values in by_name.items()}
    mean = float(np.mean(list(means.values())))
    return Robustness(mean, 100 * mean / clean if clean > 0 else float("nan"), means)
