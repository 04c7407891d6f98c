"""Predicting images that have no labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmseg.registry import DATASETS, MODELS

from lednet_mm.checkpoints.files import load_model
from lednet_mm.errors import InputError

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
LABELS = ("LoadAnnotations", "LoadLabels")


def find_images(path: str | Path) -> list[Path]:
    """Return one image, or all images below a folder, sorted.

    Raises:
        InputError: no such path, or no image there.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InputError(f"{path}: no such image or folder")
    found = sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGES)
    if not found:
        raise InputError(f"{path}: no image in this folder (looked for {', '.join(IMAGES)})")
    return found


class Predictor:
    """A trained network with the preprocessing of its config.

    Args:
        config: of the network; its test pipeline, less the labels, prepares the images.
        checkpoint: loaded strictly.
        device: where the network runs.

    Raises:
        InputError: the checkpoint is unreadable or of another network.
    """

    def __init__(self, config: Config, checkpoint: str | Path, device: torch.device) -> None:
        self.model: Any = MODELS.build(config.model)
        load_model(self.model, checkpoint, config)
        self.model.to(device).eval()
        dataset = config.test_dataloader.dataset
        self.pipeline = Compose([step for step in dataset.pipeline if step["type"] not in LABELS])
        self.metainfo: dict = DATASETS.get(dataset.type).METAINFO

    @torch.inference_mode()
    def __call__(self, path: str | Path) -> np.ndarray:
        """Return the class ids of one image, (H, W) uint8 at the image's own size.

        Raises:
            InputError: the image is unreadable.
        """
        data = pseudo_collate([self.pipeline({"img_path": str(path)})])
        (sample,) = self.model.test_step(data)
        return sample.pred_sem_seg.data.squeeze(0).cpu().numpy().astype(np.uint8)
