"""The test pipeline of a config: how an image is prepared for the network, and what its classes are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmcv.transforms import LoadAnnotations, LoadImageFromFile
from mmengine.config import Config
from mmseg.registry import DATASETS, TRANSFORMS

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
