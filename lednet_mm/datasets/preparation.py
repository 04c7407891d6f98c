"""The test pipeline of a config: how an image is prepared for the network, and what its classes are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmcv.transforms import LoadAnnotations, LoadImageFromFile
from mmcv.transforms import Resize as PlainResize
from mmengine.config import Config
from mmseg.datasets.transforms import PackSegInputs, Resize
from mmseg.registry import DATASETS, TRANSFORMS
from torch import Tensor

from lednet_mm.datasets.base import SegDataset
from lednet_mm.datasets.cityscapes import Cityscapes
from lednet_mm.datasets.cityscapes_ids import LABEL_ID_OF_TRAIN_ID
from lednet_mm.datasets.registered import class_meant
from lednet_mm.errors import InputError


@dataclass(frozen=True)
class Classes:
    """The classes of a dataset.

    Attributes:
        names: name of each class, in the order of the class ids.
        palette: (C, 3) RGB colours.
        own_ids: id that the dataset's own label files have for each class; None if these are the class ids.
    """

    names: Sequence[str]
    palette: Sequence[Sequence[int]]
    own_ids: tuple[int, ...] | None = None


def dataset_settings(config: Config) -> dict[str, Any]:
    """Return the settings of a config's test dataset; for a wrapper, those of its first dataset.

    Raises:
        InputError: the config has neither a test dataset nor a test pipeline.
    """
    for split in ("test", "val"):
        settings: Any = (config.get(f"{split}_dataloader") or {}).get("dataset")
        while settings and "pipeline" not in settings and ("dataset" in settings or "datasets" in settings):
            settings = settings["dataset"] if "dataset" in settings else settings["datasets"][0]
        if settings and "pipeline" in settings:
            return settings
    if "test_pipeline" in config:
        return {"type": None, "pipeline": config["test_pipeline"]}
    raise InputError(f"{config.filename}: no test_dataloader and no test_pipeline in this config")


def without_labels(pipeline: Sequence[dict]) -> list[dict]:
    """Return a test pipeline without labels, in which this project's ``LoadImage`` reads the images."""
    kept = []
    for step in pipeline:
        kind = class_meant(TRANSFORMS, step)
        if not (isinstance(kind, type) and issubclass(kind, LoadAnnotations)):
            kept.append({**step, "type": "LoadImage"} if kind is LoadImageFromFile else dict(step))
    return kept


def classes_of(dataset: dict[str, Any], num_classes: int) -> Classes:
    """Return a dataset's classes without reading its files; what it does not state is made up.

    Args:
        dataset: settings of the dataset.
        num_classes: number of classes if the dataset does not name them.
    """
    settings = {key: value for key, value in dataset.items() if key != "cache_dir"}
    built: Any = None
    try:
        built = DATASETS.build({**settings, "pipeline": [], "lazy_init": True})
        known = built.metainfo
    except (AssertionError, OSError, KeyError, TypeError, ValueError):
        # There is no type, the colours are for other classes, or the dataset reads its files on creation.
        known = getattr(class_meant(DATASETS, settings), "METAINFO", {})
        known = {**known, **(settings.get("metainfo") or {})}
    names = tuple(known.get("classes") or ()) or tuple(f"class {i}" for i in range(num_classes))
    palette = known.get("palette") or ()
    if len(palette) != len(names):
        palette = np.random.default_rng(0).integers(0, 256, (len(names), 3)).tolist()
    return Classes(names, palette, _own_ids(built, names))


def _own_ids(dataset: Any, names: tuple[str, ...]) -> tuple[int, ...] | None:
    if isinstance(dataset, SegDataset):
        return dataset.ids_in_files()
    if names == Cityscapes.METAINFO["classes"]:  # of MMSegmentation's datasets
        return LABEL_ID_OF_TRAIN_ID
    if getattr(dataset, "reduce_zero_label", False):
        return tuple(range(1, len(names) + 1))
    return None


@dataclass(frozen=True)
class Resizing:
    """How a test pipeline changes the size of an image: mmcv's ``Resize``, bilinear.

    Attributes:
        scale: (width, height) of the result; with ``keep_ratio`` the box into which it fits, whatever side is
            the longer one. None if there are factors.
        factors: factors of width and height.
        keep_ratio: whether the ratio of the sides is kept.
    """

    scale: tuple[int, int] | None
    factors: tuple[float, float] = (1.0, 1.0)
    keep_ratio: bool = False

    def size(self, height: Any, width: Any) -> tuple[Any, Any]:
        """Return the height and width of the result.

        Args:
            height: height of the image, a number or, where a network is traced, a tensor.
            width: width of the image.
        """
        if self.scale is not None and not self.keep_ratio:
            return self.scale[1], self.scale[0]
        traced = isinstance(height, Tensor) or isinstance(width, Tensor)
        h, w = (torch.as_tensor(side).double() if traced else side for side in (height, width))
        of_width: Any = self.factors[0]
        of_height: Any = self.factors[1]
        if self.scale is not None and traced:
            longer, shorter = torch.maximum(h, w), torch.minimum(h, w)
            of_width = of_height = torch.minimum(max(self.scale) / longer, min(self.scale) / shorter)
        elif self.scale is not None:
            of_width = of_height = min(max(self.scale) / max(h, w), min(self.scale) / min(h, w))
        rows, columns = (side + 0.5 for side in (h * of_height, w * of_width))
        return (rows.floor().long(), columns.floor().long()) if traced else (int(rows), int(columns))

    def __str__(self) -> str:
        if self.scale is None:
            return f"height x {self.factors[1]:g}, width x {self.factors[0]:g}"
        width, height = self.scale
        if self.keep_ratio:
            return f"the largest that fits into {max(width, height)}x{min(width, height)}, same ratio"
        return f"{height}x{width}"


def resizing_of(config: Config) -> Resizing | None:
    """Return how a config's test pipeline resizes images; None if it leaves their size.

    Raises:
        InputError: the pipeline does something else to an image, which it names.
    """
    found = None
    for step in without_labels(dataset_settings(config)["pipeline"]):
        kind = class_meant(TRANSFORMS, step)
        if isinstance(kind, type) and issubclass(kind, (LoadImageFromFile, PackSegInputs)):
            continue
        made = TRANSFORMS.build(step) if kind in (PlainResize, Resize) else None
        if made is None or found or (made.interpolation, made.backend) != ("bilinear", "cv2"):
            raise InputError(
                f"{config.filename}: step {step.get('type')} of the test pipeline works only there: images "
                "can be loaded, resized once (bilinear, cv2) and packed"
            )
        factors = made.scale_factor or (1.0, 1.0)
        found = Resizing(None if made.scale is None else tuple(made.scale), factors, made.keep_ratio)
    return found
