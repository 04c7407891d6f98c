"""Pictures of the images on which two groups differ most: image, truth, both predictions, and who is right.

They are made only on request and stay where the user puts them, because most datasets' images must not be
published by others.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)

# isort: split
import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS

from lednet_mm.environment import choose_threads, resolve_device
from lednet_mm.errors import InputError, describe_error
from lednet_mm.evaluation.prediction import Predictor
from lednet_mm.evaluation.rendering import IGNORE, colorize, picture_grid
from lednet_mm.files import file_sha256
from lednet_mm.records import Record
from lednet_mm.reports.recorded_config import config_of_record
from lednet_mm.reports.runs import record_name
from lednet_mm.reports.two_groups import Group, ImageDifference, pairs_of

RIGHT = {
    "A alone is right": (230, 97, 0),
    "B alone is right": (93, 58, 155),
    "both are wrong": (190, 190, 190),
}
"""What the last column shows, in colours that colour-blind people can distinguish; white: both are right."""


def draw_images(
    ours: Group, theirs: Group, images: Sequence[ImageDifference]
) -> tuple[bytes | None, list[str]]:
    """Draw images with the predictions of both groups' first pair of runs.

    Args:
        ours: group A.
        theirs: group B.
        images: images to be drawn.

    Returns:
        A PNG with the images of the first dataset that can be drawn, or None; and one line for each dataset
        that cannot be drawn, with the reason.
    """
    choose_threads()
    device = resolve_device("auto")
    notes: list[str] = []
    for dataset, split, pairs in pairs_of(ours, theirs):
        wanted = [image for image in images if (image.dataset, image.split) == (dataset, split)]
        if not wanted or not pairs:
            continue
        try:
            return _draw((ours, theirs), pairs[0], wanted, device), notes
        except (InputError, OSError) as error:
            notes.append(f"{dataset}, {split}: {error}")
        except Exception as error:  # networks from other configs may fail in any way
            notes.append(f"{dataset}, {split}: {describe_error(error)}")
    return None, notes


def _draw(
    groups: tuple[Group, Group],
    pair: tuple[Record, Record],
    images: Sequence[ImageDifference],
    device: torch.device,
) -> bytes:
    predictors = []
    configs = []
    for group, record in zip(groups, pair, strict=True):
        configs.append(config_of_record(record, record.details["split"]))
        predictors.append(Predictor(configs[-1], _checkpoint(group, record), device))
    samples, metainfo = _samples(configs[0], pair[0].details["split"], [image.name for image in images])
    rows = []
    for path, truth in samples:
        ours, theirs = (predictor.predict(path, upright=False) for predictor in predictors)
        ids = [truth, ours.ids, theirs.ids]
        painted = [colorize(i, metainfo["palette"]) for i in ids]
        rows.append([ours.image, *painted, _who_is_right(*ids)])
    named = [f"{letter}: {group.name}" for letter, group in zip("AB", groups, strict=True)]
    grid = picture_grid(
        rows,
        ("image", "truth", *named, "who is right (white: both)"),
        [*metainfo["classes"], *RIGHT],
        [*metainfo["palette"], *RIGHT.values()],
    )
    _, data = cv2.imencode(".png", cv2.cvtColor(grid, cv2.COLOR_RGB2BGR))
    return data.tobytes()


def _checkpoint(group: Group, record: Record) -> Path:
    """Return the checkpoint whose accuracy a record has.

    Raises:
        InputError: the checkpoint is not beside its records, or another one is there.
    """
    folder = group.evidence.paths[record_name(record)].parent.parent
    file = record.details.get("checkpoint")
    checkpoint = folder / str(file)
    if not file or not checkpoint.is_file():
        raise InputError(f"the checkpoint of {group.name} is not beside its records ({checkpoint})")
    if not checkpoint.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{checkpoint} leads out of the run's folder")
    if file_sha256(checkpoint) != record.provenance.checkpoint_sha256:
        raise InputError(f"{checkpoint} is not the checkpoint that the record of {group.name} is of")
    return checkpoint


def _samples(
    config: Config, split: str, names: Sequence[str]
) -> tuple[list[tuple[Path, np.ndarray]], dict[str, Any]]:
    """Return images with their labels, by their file names, and the dataset's classes and colours.

    Raises:
        InputError: an image is not in the dataset, or the dataset has no colours for its classes.
    """
    settings = dict(config[f"{split}_dataloader"].dataset)
    settings["pipeline"] = [{"type": "LoadImage"}, {"type": "LoadLabels"}]
    with DefaultScope.overwrite_default_scope("mmseg"):
        dataset: Any = DATASETS.build(settings)
    places = {Path(dataset.get_data_info(index)["img_path"]).name: index for index in range(len(dataset))}
    if missing := [name for name in names if name not in places]:
        raise InputError(f"the dataset has no image {missing[0]}")
    if not dataset.metainfo.get("palette"):
        raise InputError("the dataset has no colours of its classes")
    samples = [dataset[places[name]] for name in names]
    return [(Path(s["img_path"]), s["gt_seg_map"]) for s in samples], dataset.metainfo


def _who_is_right(truth: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Paint the pixels in which only one of two predictions is right, or none: (H, W) -> (H, W, 3) uint8."""
    a, b, labelled = ours == truth, theirs == truth, truth != IGNORE
    picture = np.full((*truth.shape, 3), 255, np.uint8)
    for where, color in zip((a & ~b, b & ~a, ~a & ~b), RIGHT.values(), strict=True):
        picture[where & labelled] = color
    picture[~labelled] = 0
    return picture
