"""Testing a checkpoint: the accuracy of one split, as a record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import RUNNERS

from lednet_mm.checkpoints.binding import seed_of
from lednet_mm.checkpoints.reading import read_checkpoint
from lednet_mm.config import config_text
from lednet_mm.datasets.check import check_dataset
from lednet_mm.errors import InputError
from lednet_mm.evaluation import Accuracy, ConfusionMatrixMetric
from lednet_mm.files import file_sha256
from lednet_mm.records import collect_provenance
from lednet_mm.training.hooks import write_accuracy_record


def evaluate_checkpoint(
    config: Config,
    checkpoint: str | Path,
    *,
    split: str = "test",
    work_dir: str | Path,
    tta: bool = False,
    show_dir: str | Path | None = None,
) -> tuple[Accuracy, Path] | None:
    """Evaluate a checkpoint on one split and write an accuracy record.

    The record belongs to the seed that the checkpoint was trained with, none for weights from elsewhere.

    Args:
        config: of the checkpoint's network and of the data.
        checkpoint: loaded strictly.
        split: ``val`` or ``test``.
        work_dir: the record goes to its folder ``records``.
        tta: several scales and flips, averaged, by the config's ``tta_model`` and ``tta_pipeline``.
        show_dir: where to write each image beside its prediction; None writes none.

    Returns:
        The accuracy and the record's path; None on all processes of a distributed test but the first.

    Raises:
        InputError: a split or test-time augmentation that the config lacks, data or checkpoint at fault.
    """
    loader = config.get(f"{split}_dataloader")
    if not loader:
        raise InputError(f"{config.filename}: no {split}_dataloader in this config")
    summary = check_dataset(loader["dataset"], quick=True)
    if summary.problems:
        raise InputError(f"{split} data: {summary.problems[0]}")
    seed = seed_of(read_checkpoint(checkpoint), checkpoint)
    config = config.copy()
    if seed is not None:
        config.randomness = {**config.get("randomness", {}), "seed": seed}
    text = config_text(config)
    config.test_dataloader = loader
    config.test_evaluator = config.get(f"{split}_evaluator", config.get("val_evaluator"))
    config.test_cfg = config.get("test_cfg") or {"type": "TestLoop"}
    config.load_from, config.resume = str(checkpoint), False
    config.work_dir = str(work_dir)
    if tta:
        if "tta_model" not in config or "tta_pipeline" not in config:
            raise InputError(f"{config.filename}: no tta_model and tta_pipeline in this config")
        config.test_dataloader.dataset.pipeline = config.tta_pipeline
        config.model = {**config.tta_model, "module": config.model}
    if show_dir is not None:
        config.default_hooks.visualization = {"type": "SegVisualizationHook", "draw": True, "interval": 1}
        config.visualizer.save_dir = str(show_dir)
    # Nothing is trained: without these the runner would build the training data and optimizer too.
    for key in (
        "train_dataloader",
        "train_cfg",
        "optim_wrapper",
        "val_dataloader",
        "val_cfg",
        "val_evaluator",
    ):
        config[key] = None
    config.param_scheduler, config.custom_hooks = None, []
    runner: Any = RUNNERS.build(config)
    runner.config_text = text
    runner.test()
    metric = next(m for m in runner.test_evaluator.metrics if isinstance(m, ConfusionMatrixMetric))
    if runner.rank != 0 or metric.last is None:
        return None
    provenance = collect_provenance(
        "cuda:0" if torch.cuda.is_available() else "cpu",
        threads=runner.threads.count,
        dataset_fingerprint=summary.fingerprint,
        checkpoint_sha256=file_sha256(checkpoint),
    )
    path = write_accuracy_record(
        runner, metric.last, split, provenance, work_dir, seed, checkpoint=Path(checkpoint).name, tta=tta
    )
    return metric.last, path
