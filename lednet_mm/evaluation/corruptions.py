"""Robustness: accuracy on images with the fifteen corruptions of Hendrycks and Dietterich.

Benchmarking Neural Network Robustness to Common Corruptions and Perturbations, ICLR 2019 (arXiv:1903.12261).
There are five severities of each corruption. The library ``imagecorruptions-imaug`` applies them to images of
any size from 32x32 on. Where the authors call ImageMagick (motion blur, snow), it has its own replacement.

The randomness of a corruption is seeded by the image's file name, the corruption and the severity, so that
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
"""The names of the corruptions in the library, in the paper's order."""

SEVERITIES = (1, 2, 3, 4, 5)
DISTRIBUTION = "imagecorruptions-imaug"
SEEDED = ("impulse_noise", "glass_blur")
"""Corruptions that take a seed; without one they differ each time, even if NumPy has been seeded."""


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
        names: names of corruptions, or ``all`` alone.
        severities: severities from 1 to 5.

    Raises:
        InputError: a corruption or severity does not exist, or the library is not installed.
    """
    wanted = NAMES if list(names) == ["all"] else tuple(dict.fromkeys(names))
    for name in wanted:
        if name not in NAMES:
            raise InputError(
                f"there is no corruption {name!r}, but all, {', '.join(NAMES)}{suggest(name, NAMES)}"
            )
    for severity in severities:
        if severity not in SEVERITIES:
            raise InputError(f"there is no severity {severity} of a corruption: severities are 1 to 5")
    if wanted:
        library()
    return tuple(Corruption(name, severity) for name in wanted for severity in sorted(set(severities)))


def library() -> str:
    """Return the name and version of the library that corrupts images.

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
    """Return a corrupted image.

    Args:
        image: (H, W, 3) uint8 RGB.
        corruption: corruption to apply.
        image_name: name of the image, which seeds the randomness of the corruption.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: the image has another type or shape, or a side below 32 pixels.
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
    with _seeded(seed), redirect_stdout(io.StringIO()):  # it prints a line when it adjusts an odd size
        return imagecorruptions.corrupt(
            image, corruption_name=corruption.name, severity=corruption.severity, **own
        )


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed NumPy's global generator, and restore its state on exit."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)


class CorruptImages:
    """A step of a pipeline that corrupts the image that an earlier step has loaded.

    Attributes:
        corruption: corruption to apply to images from now on; None leaves them unchanged.
    """

    def __init__(self) -> None:
        self.corruption: Corruption | None = None

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Corrupt ``img``, (H, W, 3) BGR in [0, 255].

        Raises:
            InputError: the image cannot be corrupted.
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
    """A network's accuracy on corrupted images.

    Attributes:
        mean_miou: mIoU in percent, averaged over the severities of each corruption, then over corruptions.
        retention: ``mean_miou`` in percent of the mIoU on clean images.
        by_corruption: name of a corruption -> mIoU in percent averaged over its severities.
    """

    mean_miou: float
    retention: float
    by_corruption: Mapping[str, float]


def summarise_robustness(clean: float, corrupted: Mapping[Corruption, float]) -> Robustness:
    """Summarise one network's accuracies on clean and corrupted images.

    Args:
        clean: mIoU in percent on the clean images.
        corrupted: mIoU in percent on the same images with each corruption; at least one.
    """
    by_name: dict[str, list[float]] = {}
    for corruption, miou in corrupted.items():
        by_name.setdefault(corruption.name, []).append(miou)
    means = {name: float(np.mean(values)) for name, values in by_name.items()}
    mean = float(np.mean(list(means.values())))
    return Robustness(mean, 100 * mean / clean if clean > 0 else float("nan"), means)
