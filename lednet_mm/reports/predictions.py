"""Predict the example pictures of a report with the checkpoints beside its records.

They are made on request only and stay in the report, as most datasets' images must not be published by
others.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)

# isort: split
import numpy as np
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS

from lednet_mm.environment import choose_threads, resolve_device
from lednet_mm.errors import InputError, describe_error, describe_os_error
from lednet_mm.evaluation.prediction import Prediction, Predictor
from lednet_mm.files import file_sha256
from lednet_mm.records import Record
from lednet_mm.reports.pictures import Example, PictureSet
from lednet_mm.reports.reading import Evidence
from lednet_mm.reports.recorded_config import config_of_record
from lednet_mm.reports.runs import ChosenRuns, record_name
from lednet_mm.reports.summary import network_name
from lednet_mm.text import for_file_name

MAX_NETWORKS = 12
"""The largest number of networks that are shown for a dataset."""


def predict_pictures(evidence: Evidence, runs: ChosenRuns, count: int) -> tuple[list[PictureSet], list[str]]:
    """Predict images with every network whose checkpoint is at the place that its records name.

    Args:
        evidence: the records; a checkpoint must have the sha256 that they state.
        runs: runs that the report shows.
        count: number of images of each dataset.

    Returns:
        One set for each dataset, and one line with the reason for each network that could not be shown.
    """
    choose_threads()
    device = resolve_device("auto")
    chosen, notes = _choose(evidence, runs)
    sets = []
    for (dataset, split), found in sorted(chosen.items()):
        if len(found) > MAX_NETWORKS:
            left = ", ".join(list(found)[MAX_NETWORKS:])
            notes.append(f"pictures of {dataset}: {MAX_NETWORKS} networks are shown, not {left}")
        columns: dict[str, list[Prediction]] = {}
        images: list[tuple[Path, np.ndarray]] = []
        metainfo: dict[str, Any] = {}
        for name in list(found)[:MAX_NETWORKS]:
            record, checkpoint = found[name]
            try:
                config = config_of_record(record, split)
                predictor = Predictor(config, checkpoint, device)
                if not images:
                    images, metainfo = _labelled_images(config, split, count)
                columns[name] = [predictor.predict(path, upright=False) for path, _ in images]
            except InputError as error:
                notes.append(f"no pictures of {name} on {dataset}: {error}")
            except OSError as error:
                notes.append(f"no pictures of {name} on {dataset}: {describe_os_error(error)}")
            except Exception as error:  # networks from other people's configs may fail in any way
                notes.append(f"no pictures of {name} on {dataset}: {describe_error(error)}")
        if columns:
            examples = [
                Example(path.name, predictions[0].image, truth, tuple(p.ids for p in predictions))
                for (path, truth), *predictions in zip(images, *columns.values(), strict=True)
            ]
            classes, palette = metainfo["classes"], metainfo["palette"]
            several = sum(place[0] == dataset for place in chosen) > 1
            stem = for_file_name(f"predictions_{dataset}_{split}" if several else f"predictions_{dataset}")
            sets.append(PictureSet(dataset, split, tuple(columns), classes, palette, tuple(examples), stem))
    return sets, notes


def _choose(
    evidence: Evidence, runs: ChosenRuns
) -> tuple[dict[tuple[str, str], dict[str, tuple[Record, Path]]], list[str]]:
    """Choose for each network and variant the first run with a checkpoint, by dataset and split."""
    chosen: dict[tuple[str, str], dict[str, tuple[Record, Path]]] = {}
    lacking: dict[tuple[str, str], str] = {}
    for key in sorted(runs.accuracies, key=lambda key: tuple(str(part) for part in key)):
        splits = runs.accuracies[key]
        split = "test" if "test" in splits else "val"
        record = splits.get(split)
        if record is None:
            continue
        name = network_name(record.run.model_dump())
        place = chosen.setdefault((record.run.dataset, split), {})
        if name in place:
            continue
        file = record.details.get("checkpoint") or (
            runs.trainings[key][-1].details.get("checkpoint") if key in runs.trainings else None
        )
        folder = evidence.paths[record_name(record)].parent.parent
        checkpoint = folder / str(file)
        where = (record.run.dataset, name)
        if not file or not checkpoint.is_file():
            lacking.setdefault(where, "its checkpoint is not beside its records")
        elif not checkpoint.resolve().is_relative_to(folder.resolve()):
            lacking[where] = f"{checkpoint} leads out of the run's folder"
        elif file_sha256(checkpoint) != record.provenance.checkpoint_sha256:
            lacking[where] = f"{checkpoint} is not the checkpoint of its records"
        else:
            place[name] = (record, checkpoint)
            lacking.pop(where, None)
    notes = [f"no pictures of {name} on {dataset}: {why}" for (dataset, name), why in lacking.items()]
    return {place: found for place, found in chosen.items() if found}, notes


def _labelled_images(
    config: Config, split: str, count: int
) -> tuple[list[tuple[Path, np.ndarray]], dict[str, Any]]:
    """Return images with labels, evenly spread over a split, and the dataset's classes and colours."""
    settings = dict(config[f"{split}_dataloader"].dataset)
    settings["pipeline"] = [{"type": "LoadImage"}, {"type": "LoadLabels"}]
    with DefaultScope.overwrite_default_scope("mmseg"):
        dataset: Any = DATASETS.build(settings)
    if not len(dataset) or not dataset.metainfo.get("palette"):
        raise InputError("the dataset of its config has no images, or no colours of its classes")
    numbers = np.unique(np.linspace(0, len(dataset) - 1, count + 2).round().astype(int)[1:-1])
    samples = [dataset[int(i)] for i in numbers]
    return [(Path(s["img_path"]), s["gt_seg_map"]) for s in samples], dataset.metainfo
