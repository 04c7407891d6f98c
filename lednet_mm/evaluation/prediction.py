"""Predicting images that have no labels."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmcv.transforms import Compose, LoadAnnotations, LoadImageFromFile
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS, MODELS, TRANSFORMS

from lednet_mm.checkpoints.files import load_model
from lednet_mm.datasets.file_kinds import IMAGE_ENDINGS
from lednet_mm.errors import InputError, is_out_of_memory
from lednet_mm.evaluation.registered import class_meant
from lednet_mm.files import find_files

MULTIPLES = (1, 2, 4, 8, 16, 32, 64, 128)
"""What the sides of an image are padded to multiples of, until the network takes it."""

SMALL = 32
"""An image with a side shorter than this may be too small for a network."""


def find_images(path: str | Path, leave_out: Iterable[str | Path] = ()) -> tuple[list[Path], list[Path]]:
    """Return one image, or all images below a folder, sorted; and the other files there.

    Args:
        path: an image or a folder; of a folder, hidden files and folders are left out.
        leave_out: folders that are not entered.

    Raises:
        InputError: no such path, or no image there.
    """
    path = Path(path)
    if path.is_file():
        return [path], []
    if not path.is_dir():
        raise InputError(f"{path}: no such image or folder")
    files = find_files(path, leave_out=leave_out)
    images = [file for file in files if file.suffix.lower() in IMAGE_ENDINGS]
    if not images:
        raise InputError(f"{path}: no image in this folder (looked for {', '.join(IMAGE_ENDINGS)})")
    return images, [file for file in files if file.suffix.lower() not in IMAGE_ENDINGS]


def plan_pictures(images: Sequence[Path], root: Path, out: Path) -> list[Path]:
    """Return where the picture of each image goes: its path below ``root``, in ``out``, as PNG.

    Images that differ in their ending alone keep it in the name: ``a.jpg`` and ``a.png`` become
    ``a.jpg.png`` and ``a.png.png``.
    """
    names = [image.relative_to(root) for image in images]
    stems = Counter(name.with_suffix("") for name in names)
    return [
        out
        / (
            name.with_suffix(".png")
            if stems[name.with_suffix("")] == 1
            else name.with_name(f"{name.name}.png")
        )
        for name in names
    ]


@dataclass(frozen=True)
class Prediction:
    """What a network says about one image.

    Attributes:
        ids: (H, W) uint8 class ids.
        image: (H, W, 3) uint8 RGB, the picture that the network was given, before any resize.
    """

    ids: np.ndarray
    image: np.ndarray


class Predictor:
    """A trained network with the preprocessing of its config.

    Images of a size that the network cannot take are padded with zeros at the bottom and right to a multiple
    that it takes, as by MMSegmentation's ``size_divisor``, and their predictions cropped.

    Args:
        config: of the network, ours or MMSegmentation's own; its test pipeline, less the labels, prepares
            the images.
        checkpoint: loaded strictly.
        device: where the network runs.

    Attributes:
        classes: names of the ids.
        palette: (C, 3) RGB of the ids.
        multiple: what sides are padded to multiples of; 1 until an image needed it.

    Raises:
        InputError: the checkpoint is unreadable or of another network, or the config has no test pipeline.
    """

    def __init__(self, config: Config, checkpoint: str | Path, device: torch.device) -> None:
        with DefaultScope.overwrite_default_scope("mmseg"):
            self.model: Any = MODELS.build(config.model)
            load_model(self.model, checkpoint, config)
            self.model.to(device).eval()
            dataset = _dataset_settings(config)
            self.pipeline = Compose(_without_labels(dataset["pipeline"]))
            self.metainfo = _metainfo(dataset, self.model.num_classes)
        self.classes: Sequence[str] = self.metainfo["classes"]
        self.palette: Sequence[Sequence[int]] = self.metainfo["palette"]
        self.multiple = 1

    def __call__(self, path: str | Path) -> np.ndarray:
        """Return the class ids of one image, (H, W) uint8 at the image's own size."""
        return self.predict(path).ids

    @torch.inference_mode()
    def predict(self, path: str | Path, *, upright: bool = True) -> Prediction:
        """Predict one image.

        Args:
            path: of the image.
            upright: turn the image as its EXIF orientation says; False to compare with labels, which are
                drawn on the pixels as they are stored.

        Raises:
            InputError: the image is unreadable, or too small for the network.
        """
        # A sample with a label is read as stored; the label itself is not read.
        results: Any = {"img_path": str(path), "seg_map_path": None if upright else ""}
        picture = None
        for transform in self.pipeline.transforms:
            results = transform(results)
            if picture is None and "img" in results:
                picture = _as_rgb(results["img"])
        if picture is None:
            raise InputError(f"the test pipeline loads no image: {self.pipeline}")
        ids = self._ids(results, path).squeeze(0).cpu().numpy().astype(np.uint8)
        return Prediction(ids, picture)

    def _ids(self, sample: dict[str, Any], path: str | Path) -> torch.Tensor:
        """Return the class ids (1, H, W) of a packed sample."""
        height, width = sample["inputs"].shape[-2:]
        failure: Exception | None = None
        for multiple in (m for m in MULTIPLES if m >= self.multiple):
            if 2 * min(height, width) <= multiple:
                break  # more padding than image
            if multiple > 1:
                self.model.data_preprocessor.test_cfg = {"size_divisor": multiple}
            try:
                # The model keeps what it finds in the sample, so that every attempt needs its own.
                (found,) = self.model.test_step(pseudo_collate([copy.deepcopy(sample)]))
            except (RuntimeError, ValueError, AssertionError) as error:
                if is_out_of_memory(error):
                    raise
                failure = failure or error
                continue
            self.multiple = multiple
            return found.pred_sem_seg.data
        if failure is not None and min(height, width) >= SMALL:
            raise failure  # no matter of size
        raise InputError(f"image {path} is {width}x{height}: too small for this network")


def _as_rgb(image: np.ndarray) -> np.ndarray:
    """Return a loaded image, BGR or grey, as (H, W, 3) uint8 RGB."""
    if image.dtype == np.uint16:
        image = image >> 8
    picture = np.clip(image, 0, 255).astype(np.uint8)
    if picture.ndim == 2 or picture.shape[2] == 1:
        return cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)
    return np.ascontiguousarray(picture[:, :, 2::-1])


def _dataset_settings(config: Config) -> dict[str, Any]:
    """Return the settings of the dataset that the config tests on; of a wrapper, those of the first in it."""
    for split in ("test", "val"):
        settings: Any = (config.get(f"{split}_dataloader") or {}).get("dataset")
        while settings and "pipeline" not in settings and ("dataset" in settings or "datasets" in settings):
            settings = settings["dataset"] if "dataset" in settings else settings["datasets"][0]
        if settings and "pipeline" in settings:
            return settings
    if "test_pipeline" in config:
        return {"type": None, "pipeline": config["test_pipeline"]}
    raise InputError(f"{config.filename}: no test_dataloader and no test_pipeline in this config")


def _without_labels(pipeline: Sequence[dict]) -> list[dict]:
    """Return a test pipeline for images without labels, which reads them as all of this project does."""
    kept = []
    for step in pipeline:
        kind = class_meant(TRANSFORMS, step)
        if not (isinstance(kind, type) and issubclass(kind, LoadAnnotations)):
            kept.append({**step, "type": "LoadImage"} if kind is LoadImageFromFile else dict(step))
    return kept


def _metainfo(dataset: dict[str, Any], num_classes: int) -> dict[str, Any]:
    """Return a dataset's class names and colours without looking at its files."""
    settings = {key: value for key, value in dataset.items() if key != "cache_dir"}
    try:
        known = DATASETS.build({**settings, "pipeline": [], "lazy_init": True}).metainfo
    except (AssertionError, OSError, KeyError, TypeError, ValueError):
        # No type; colours for other classes; or it looks at its files at once.
        known = getattr(class_meant(DATASETS, settings), "METAINFO", {})
        known = {**known, **(settings.get("metainfo") or {})}
    if len(known.get("classes") or ()) == 0:
        known = {"classes": tuple(f"class {i}" for i in range(num_classes))}
    if len(known.get("palette") or ()) != len(known["classes"]):
        rng = np.random.default_rng(0)
        known = {**known, "palette": rng.integers(0, 256, (len(known["classes"]), 3)).tolist()}
    return known
