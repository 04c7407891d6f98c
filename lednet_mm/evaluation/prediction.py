"""Predict images that have no labels."""

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
from lednet_mm.datasets.registered import class_meant
from lednet_mm.errors import InputError, is_out_of_memory
from lednet_mm.files import find_files

MULTIPLES = (1, 2, 4, 8, 16, 32, 64, 128)
"""The multiples to which the sides of an image are padded, tried in order until the network accepts it."""

SMALL = 32
"""Images with a side shorter than this may be too small for a network."""


def find_images(path: str | Path, leave_out: Iterable[str | Path] = ()) -> tuple[list[Path], list[Path]]:
    """Return one image, or all images below a folder, sorted, and the list of other files there.

    Args:
        path: an image or a folder; hidden files and folders below it are left out.
        leave_out: folders that are not entered.

    Raises:
        InputError: the path does not exist, or there is no image.
    """
    path = Path(path)
    if path.is_file():
        return [path], []
    if not path.is_dir():
        raise InputError(f"{path}: no such image or folder")
    files = find_files(path, leave_out=leave_out)
    images = [file for file in files if file.suffix.lower() in IMAGE_ENDINGS]
    if not images:
        raise InputError(f"{path}: there is no image in this folder (looked for {', '.join(IMAGE_ENDINGS)})")
    return images, [file for file in files if file.suffix.lower() not in IMAGE_ENDINGS]


def plan_pictures(images: Sequence[Path], root: Path, out: Path) -> list[Path]:
    """Return the output path of each image's picture: its path below ``root``, in ``out``, as PNG.

    Images that differ only in their ending keep it in the name: ``a.jpg`` and ``a.png`` become ``a.jpg.png``
    and ``a.png.png``.
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
    """A network's prediction for one image.

    Attributes:
        ids: (H, W) uint8 class ids.
        image: (H, W, 3) uint8 RGB, the image that was predicted, before any resize.
    """

    ids: np.ndarray
    image: np.ndarray


class Predictor:
    """A trained network with the preprocessing of its config.

    Images of a size that the network does not accept are padded with zeros at the bottom and right to a
    multiple that it accepts, as with MMSegmentation's ``size_divisor``, and their predictions are cropped.

    Args:
        config: config of the network, ours or one of MMSegmentation's own; its test pipeline, without the
            loading of labels, prepares the images.
        checkpoint: path of the checkpoint, which is loaded strictly.
        device: device that the network runs on.

    Attributes:
        classes: names of the classes, in the order of their ids.
        palette: (C, 3) RGB colours of the classes.
        multiple: number to whose multiples the sides of images are padded; 1 until an image needs padding.

    Raises:
        InputError: the checkpoint is unreadable or belongs to another network, or the config has no test
            pipeline.
    """

    def __init__(self, config: Config, checkpoint: str | Path, device: torch.device) -> None:
        with DefaultScope.overwrite_default_scope("mmseg"):
            self.model: Any = MODELS.build(config.model)
            load_model(self.model, checkpoint, config)
            self.model.to(device).eval()
            dataset = _dataset_settings(config)
            self.pipeline = Compose(without_labels(dataset["pipeline"]))
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
            path: path of the image.
            upright: whether to turn the image as its EXIF orientation says; use False to compare with labels,
                which are drawn on the pixels as they are stored.

        Raises:
            InputError: the image is unreadable, or too small for the network.
        """
        # ``LoadImage`` reads a sample with a label as it is stored; the label itself is not read.
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
                break  # there would be more padding than image
            if multiple > 1:
                self.model.data_preprocessor.test_cfg = {"size_divisor": multiple}
            try:
                # The model changes the sample, so every attempt needs a copy.
                (found,) = self.model.test_step(pseudo_collate([copy.deepcopy(sample)]))
            except (RuntimeError, ValueError, AssertionError) as error:
                if is_out_of_memory(error):
                    raise
                failure = failure or error
                continue
            self.multiple = multiple
            return found.pred_sem_seg.data
        if failure is not None and min(height, width) >= SMALL:
            raise failure  # the size is not the reason
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
    """Return the settings of the config's test dataset; for a wrapper, those of its first dataset."""
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


def _metainfo(dataset: dict[str, Any], num_classes: int) -> dict[str, Any]:
    """Return a dataset's class names and colours without reading its files."""
    settings = {key: value for key, value in dataset.items() if key != "cache_dir"}
    try:
        known = DATASETS.build({**settings, "pipeline": [], "lazy_init": True}).metainfo
    except (AssertionError, OSError, KeyError, TypeError, ValueError):
        # There is no type, the colours are for other classes, or the dataset reads its files on creation.
        known = getattr(class_meant(DATASETS, settings), "METAINFO", {})
        known = {**known, **(settings.get("metainfo") or {})}
    if len(known.get("classes") or ()) == 0:
        known = {"classes": tuple(f"class {i}" for i in range(num_classes))}
    if len(known.get("palette") or ()) != len(known["classes"]):
        rng = np.random.default_rng(0)
        known = {**known, "palette": rng.integers(0, 256, (len(known["classes"]), 3)).tolist()}
    return known
