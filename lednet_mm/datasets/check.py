"""Check that a dataset's images and labels are readable, paired, of one size and with ids in range."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS

from lednet_mm.datasets.base import SettingsError
from lednet_mm.datasets.listing import paired_files
from lednet_mm.datasets.loading import IGNORE, LoadImage, LoadLabels
from lednet_mm.errors import InputError, describe_error
from lednet_mm.files import file_sha256
from lednet_mm.terminal import tracked

LONGEST_REASON = 200  # characters of a dataset's exception that are shown
QUICK_SAMPLE = 8  # pairs that the quick check decodes
LISTED_SIZES = 3
"""Up to this many sizes are listed one by one."""
MUCH_IGNORED = 0.5
"""The share of ignored pixels above which a warning is given."""


@dataclass
class DatasetSummary:
    """The result of the check of one split.

    Attributes:
        images: number of images that the split lists.
        decoded: number of pairs that were decoded without a fault.
        classes: names of the classes.
        class_pixels: (C,) int64, pixels of each class in the decoded pairs.
        class_images: (C,) int64, decoded pairs with at least one pixel of each class.
        pixels_with_class: (C,) int64, for each class the labelled pixels of the pairs that it occurs in.
        ignored_pixels: number of pixels labelled 255 in the decoded pairs.
        image_sizes: number of decoded images of each (height, width).
        fingerprint: fingerprint of the split, as :func:`fingerprint` returns it.
        content: ``content:<sha256>`` of all names and file contents; None in a quick check.
        problems: one line per problem, with the path.
    """

    images: int
    decoded: int
    classes: tuple[str, ...]
    class_pixels: np.ndarray
    class_images: np.ndarray
    pixels_with_class: np.ndarray
    ignored_pixels: int
    image_sizes: dict[tuple[int, int], int]
    fingerprint: str
    content: str | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def absent_classes(self) -> list[str]:
        """The names of the classes that have no pixel in the decoded pairs."""
        return [name for name, pixels in zip(self.classes, self.class_pixels, strict=True) if pixels == 0]

    @property
    def ignored_share(self) -> float:
        """The share of ignored pixels in the decoded pairs, 0 to 1; 0 where no pair was decoded."""
        return self.ignored_pixels / max(1, self.ignored_pixels + int(self.class_pixels.sum()))

    @property
    def class_shares(self) -> dict[str, float]:
        """The share of each class in the labelled pixels of the decoded pairs, 0 to 1."""
        shares = self.class_pixels / max(1, int(self.class_pixels.sum()))
        return dict(zip(self.classes, shares.tolist(), strict=True))

    @property
    def sizes(self) -> str:
        """The sizes of the decoded images in words, width x height: each one, or the range of many."""
        sizes = sorted(self.image_sizes)
        if len(sizes) <= LISTED_SIZES:
            return ", ".join(f"{width}x{height}" for height, width in sizes)
        heights, widths = (sorted(side) for side in zip(*sizes, strict=True))
        common, images = max(self.image_sizes.items(), key=lambda item: item[1])
        return (
            f"{len(sizes)} sizes, {widths[0]} to {widths[-1]} wide and {heights[0]} to {heights[-1]} high; "
            f"{images} of {self.decoded} are {common[1]}x{common[0]}"
        )

    @property
    def warnings(self) -> list[str]:
        """Suspicious properties of the dataset that are not faults of a file, one line each with figures."""
        looked_at = f"in the {self.decoded} labels looked at"
        present = [name for name in self.classes if name not in self.absent_classes]
        found = []
        if self.decoded and not present:
            found.append(f"no pixel has a class {looked_at}: all are {IGNORE}, which is ignored")
        elif self.decoded and self.ignored_share > MUCH_IGNORED:
            found.append(
                f"{self.ignored_share:.0%} of the pixels are {IGNORE}, which is ignored, {looked_at}"
            )
        if len(present) == 1 < len(self.classes):
            found.append(
                f"{present[0]!r} is the only one of {len(self.classes)} classes {looked_at}: nothing can be "
                "learned from it (masks of 0 and 255 are one class and what is ignored; write 0 and 1)"
            )
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values for JSON."""
        return {
            "images": self.images,
            "decoded": self.decoded,
            "class_pixels": dict(zip(self.classes, self.class_pixels.tolist(), strict=True)),
            "class_images": dict(zip(self.classes, self.class_images.tolist(), strict=True)),
            "class_shares": self.class_shares,
            "ignored_pixels": self.ignored_pixels,
            "ignored_share": self.ignored_share,
            "image_sizes": [
                {"height": height, "width": width, "images": images}
                for (height, width), images in sorted(self.image_sizes.items())
            ],
            "fingerprint": self.fingerprint,
            "content": self.content,
            "warnings": self.warnings,
            "problems": self.problems,
        }


def check_dataset(dataset: Any, quick: bool = False) -> DatasetSummary:
    """Check one split and collect everything that is wrong with it.

    Args:
        dataset: an mmseg dataset or its config. In a wrapper (``ConcatDataset``, ``RepeatDataset``,
            ``MultiImageMixDataset``, ...) the datasets inside are checked, and each image once.
        quick: whether to compare all names but decode only a sample of 8 pairs (less than a second for
            CamVid). The full check decodes and hashes every file and shows a progress bar on stderr.

    Returns:
        Counts, class histogram, sizes, fingerprint, warnings and problems.

    Raises:
        InputError: a folder of the dataset is missing or empty, its images have no labels, its classes have
            no names, or it cannot be built from its config.
    """
    members = members_of(dataset)
    classes = tuple(members[0].metainfo.get("classes") or ())
    if not classes:
        raise InputError(
            f"{type(members[0]).__name__}: this dataset names no classes: give it "
            "metainfo=dict(classes=(...), palette=[...])"
        )
    listed = _listed(members)
    samples = [sample for _, theirs in listed for sample in theirs]
    if any(sample.get("seg_map_path") is None for sample in samples):
        raise InputError(f"{type(members[0]).__name__}: this dataset lists images without labels")
    problems = [line for member, theirs in listed for line in _unpaired(member, theirs)]
    paired = [s for s in samples if Path(s["img_path"]).is_file() and Path(s["seg_map_path"]).is_file()]
    if quick:
        chosen = np.unique(np.linspace(0, len(paired) - 1, min(QUICK_SAMPLE, len(paired))).astype(int))
        selected = [paired[i] for i in chosen]
    else:
        selected = paired

    load_image, load_labels = LoadImage(), LoadLabels()
    pixels = np.zeros(256, np.int64)
    class_images, pixels_with_class = np.zeros((2, len(classes)), np.int64)
    sizes: dict[tuple[int, int], int] = {}
    decoded = 0
    for sample in selected if quick else tracked(selected, "checking", len(selected)):
        try:
            loaded = load_labels(load_image({"num_classes": len(classes), **sample, "seg_fields": []}))
        except InputError as error:
            problems.append(str(error))
            continue
        counts = np.bincount(loaded["gt_seg_map"].ravel(), minlength=256)
        pixels += counts
        there = counts[: len(classes)] > 0
        class_images += there
        pixels_with_class += there * counts[: len(classes)].sum()
        sizes[loaded["ori_shape"]] = sizes.get(loaded["ori_shape"], 0) + 1
        decoded += 1
    return DatasetSummary(
        images=len(samples),
        decoded=decoded,
        classes=classes,
        class_pixels=pixels[: len(classes)],
        class_images=class_images,
        pixels_with_class=pixels_with_class,
        ignored_pixels=int(pixels[IGNORE]),
        image_sizes=sizes,
        fingerprint=_digest("sizes", listed, lambda path: str(path.stat().st_size)),
        content=None if quick else _digest("content", listed, file_sha256),
        problems=problems,
    )


def fingerprint(dataset: Any) -> str:
    """Return the fingerprint that identifies the data of one split in every record and check.

    It is ``sizes:<sha256>`` of the sorted lines "name size" of all images and labels that the split lists.
    Names are relative to the dataset's folder, so that copies of a dataset have the same fingerprint.

    Args:
        dataset: dataset or config as in :func:`check_dataset`.

    Raises:
        InputError: a folder of the dataset is missing or empty.
    """
    return _digest("sizes", _listed(members_of(dataset)), lambda path: str(path.stat().st_size))


def members_of(dataset: Any) -> list[Any]:
    """Return the datasets inside a wrapper, or the dataset itself if it is not a wrapper.

    Args:
        dataset: an mmseg dataset, a wrapper of datasets, or the config of one.

    Raises:
        InputError: a folder of a dataset is missing or empty, or its config does not fit its class.
    """
    if isinstance(dataset, dict):
        dataset = _built(dataset)
    if hasattr(dataset, "datasets"):
        return [member for part in dataset.datasets for member in members_of(part)]
    if hasattr(dataset, "dataset"):
        return members_of(dataset.dataset)
    dataset.full_init()
    return [dataset]


def _built(settings: dict[str, Any]) -> Any:
    """Build a dataset.

    Raises:
        SettingsError: building it raised something else than an InputError or an error of the operating
            system; that exception is the cause. MMSegmentation uses many assertions and puts all of a
            dataset's metainfo into a message, so a long message is cut.
    """
    try:
        with DefaultScope.overwrite_default_scope("mmseg"):
            return DATASETS.build(settings)
    except (InputError, OSError, MemoryError):
        raise
    except Exception as error:
        kind = settings.get("type")
        name = kind if isinstance(kind, str) else getattr(kind, "__name__", "dataset")
        raise SettingsError(
            f"{name}: this dataset cannot be built ({describe_error(error)[:LONGEST_REASON]}): "
            "correct its settings in the config"
        ) from error


def class_weights(class_pixels: Sequence[int] | np.ndarray) -> list[float]:
    """Return class weights 1 / ln(1.02 + p), where p is a class's share of the labelled pixels.

    This is ENet's rule (Paszke et al., 2016, https://arxiv.org/abs/1606.02147), which gives weights between
    1.4 and 50.5.

    Args:
        class_pixels: (C,) pixels of each class in the training split.

    Returns:
        C weights, rounded to four decimals.
    """
    pixels = np.asarray(class_pixels, np.float64)
    return [round(float(weight), 4) for weight in 1 / np.log(1.02 + pixels / pixels.sum())]


def median_frequency_weights(
    class_pixels: Sequence[int] | np.ndarray, pixels_with_class: Sequence[int] | np.ndarray
) -> list[float]:
    """Return class weights by median frequency: the median of all class frequencies divided by a class's own.

    This is the rule of Eigen and Fergus (2015, https://arxiv.org/abs/1411.4734): a class's frequency is its
    share of the labelled pixels in the images where it occurs. A class without pixels is left out of the
    median and gets weight 1.

    Args:
        class_pixels: (C,) pixels of each class in the training split.
        pixels_with_class: (C,) labelled pixels of the images in which each class occurs.

    Returns:
        C weights, rounded to four digits.
    """
    pixels = np.asarray(class_pixels, np.float64)
    frequencies = pixels / np.maximum(1, np.asarray(pixels_with_class, np.float64))
    there = frequencies > 0
    weights = np.ones_like(frequencies)
    weights[there] = np.median(frequencies[there]) / frequencies[there]
    return [float(f"{weight:.4g}") for weight in weights]


def _listed(members: Sequence[Any]) -> list[tuple[Any, list[dict[str, Any]]]]:
    """Return each dataset with the samples that it lists."""
    return [(member, [member.get_data_info(index) for index in range(len(member))]) for member in members]


def _unpaired(dataset: Any, samples: Sequence[dict[str, Any]]) -> list[str]:
    """Return one line for each listed image that is missing or has no label, and each label without an image.

    Where a list selects the images, labels may be unused; otherwise every label needs an image, whether or
    not the split uses it.
    """
    problems = [
        f"image {s['img_path']} is missing: restore it" for s in samples if not Path(s["img_path"]).is_file()
    ]
    problems += [
        f"image {s['img_path']} has no label: restore {s['seg_map_path']}"
        for s in samples
        if not Path(s["seg_map_path"]).is_file()
    ]
    if dataset.ann_file:
        return problems
    images, labels = dataset.data_prefix["img_path"], dataset.data_prefix["seg_map_path"]
    image_of, label_of = paired_files(images, dataset.img_suffix, labels, dataset.seg_map_suffix)
    return problems + [
        f"label {path} has no image in {images}: restore or remove one of the two"
        for name, path in label_of.items()
        if name not in image_of
    ]


def _digest(
    kind: str, listed: Sequence[tuple[Any, list[dict[str, Any]]]], state_of: Callable[[Path], str]
) -> str:
    """Hash the sorted names of all files, each with its size or content hash."""
    lines = []
    for dataset, samples in listed:
        for sample in samples:
            for path in (Path(sample[key]) for key in ("img_path", "seg_map_path") if sample.get(key)):
                name = Path(os.path.relpath(path, dataset.data_root or dataset.data_prefix["img_path"]))
                lines.append(f"{name.as_posix()} {state_of(path) if path.is_file() else 'missing'}\n")
    # File names are bytes, which need not be valid UTF-8.
    return f"{kind}:{hashlib.sha256(os.fsencode(''.join(sorted(lines)))).hexdigest()}"
