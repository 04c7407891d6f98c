"""Testing a checkpoint: measure its accuracy on one split and write a record."""

from __future__ import annotations

import copy
import hashlib
import os
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.hooks import Hook
from mmseg.evaluation import IoUMetric
from mmseg.registry import DATASETS, METRICS

from lednet_mm.checkpoints.binding import compare_with_config, seed_of
from lednet_mm.checkpoints.files import load_model
from lednet_mm.config import config_text, innermost
from lednet_mm.datasets.check import check_dataset
from lednet_mm.datasets.frames import recorded_frames
from lednet_mm.datasets.registered import class_meant
from lednet_mm.deployment.onnx_file import OnnxFile
from lednet_mm.errors import InputError, describe_error, is_out_of_memory
from lednet_mm.evaluation.corruptions import CorruptImages, Corruption
from lednet_mm.evaluation.measures import check_measures
from lednet_mm.evaluation.metric import Accuracy, ConfusionMatrixMetric
from lednet_mm.evaluation.rendering import overlay
from lednet_mm.evaluation.tiling import Tiles
from lednet_mm.files import check_outputs, file_sha256, require_writable, write_atomically
from lednet_mm.records import collect_provenance, now
from lednet_mm.timing.engines import with_library
from lednet_mm.training.augmentation import augment
from lednet_mm.training.corrupted import (
    describe_corruption,
    insert_corrupting,
    measure_each,
    recorded_corruptions,
)
from lednet_mm.training.deployed import Form, run_on
from lednet_mm.training.hooks import write_accuracy_record
from lednet_mm.training.pictures import as_rgb
from lednet_mm.training.precision import precision_now
from lednet_mm.training.runner import ReproducibleRunner
from lednet_mm.training.splits import data_split

TRACEBACK = "test_failure.txt"
"""The file in a test's work folder that keeps the traceback of an error that is reported in one line."""

UNUSED = (
    *("train_dataloader", "train_cfg", "optim_wrapper", "param_scheduler"),
    *("val_dataloader", "val_cfg", "val_evaluator"),
)
"""Keys of a config that serve training only; with them the runner would also build the training data."""


@dataclass(frozen=True)
class Tested:
    """The result of a test.

    Attributes:
        accuracy: accuracy on the clean images.
        record: path of the accuracy record.
        corrupted: mIoU in percent with each corruption that was asked for, measured now or earlier.
    """

    accuracy: Accuracy
    record: Path
    corrupted: Mapping[Corruption, float | None] = field(default_factory=dict)


def evaluate_checkpoint(
    config: Config,
    checkpoint: str | Path | OnnxFile,
    *,
    form: Form | None = None,
    split: str = "test",
    images: int | None = None,
    work_dir: str | Path,
    tta: bool = False,
    show_dir: str | Path | None = None,
    overwrite: bool = False,
    measures: Sequence[str] = (),
    corruptions: Sequence[Corruption] = (),
    tiles: Tiles | None = None,
    announce: Callable[[Accuracy, str], None] = lambda accuracy, split: None,
) -> Tested | None:
    """Evaluate a checkpoint on one split and write an accuracy record, and one for each corruption.

    The record belongs to the seed that the checkpoint was trained with; weights from elsewhere have no seed.
    The record names the split to which the data belong (:func:`~lednet_mm.training.splits.data_split`).

    Args:
        config: config of the checkpoint's network and of the data.
        checkpoint: path of the checkpoint, which is loaded strictly; or a file exported from it, which is
            tested in its place.
        form: form in which the network is tested; None is plain PyTorch.
        split: ``val`` or ``test``, the split whose loader is used; or ``train``, whose images are then read
            like those of ``val``.
        images: number of images to test, spread evenly over the split; None tests all.
        work_dir: work folder; records are written to its folder ``records``.
        tta: whether predictions at several scales and flips are averaged
            (:func:`~lednet_mm.training.augmentation.augment`).
        show_dir: folder for pictures of each image beside its prediction; None writes none.
        overwrite: whether existing pictures in ``show_dir`` may be replaced.
        measures: measures of the clean images beside the confusion matrices, keys of
            :data:`~lednet_mm.evaluation.measures.MEASURES`.
        corruptions: corruptions to test, see :func:`~lednet_mm.evaluation.corruptions.choose_corruptions`. A
            corruption that already has a record in ``work_dir`` for the same weights, config and data is not
            measured again.
        tiles: tiles in which images are predicted, by MMSegmentation's slide mode; None leaves that to the
            config.
        announce: function that is called with the accuracy and the split's name once the record is written,
            and also if it cannot be written.

    Returns:
        The result of the test; None on every process of a distributed test except the first.

    Raises:
        InputError: the config lacks the split, the data, checkpoint or an output path is invalid, a file is
            of another network, an engine is not available, or the test fails; in that case the work folder
            keeps the traceback.
    """
    if not config.get(f"{split}_dataloader"):
        raise InputError(f"{config.filename}: no {split}_dataloader in this config")
    if isinstance(checkpoint, OnnxFile):
        checkpoint.require_fitting(config)
        checkpoint.require_logits()
    loader = loader_of(config, split, images)
    if tiles is not None:
        config = config.copy()
        config.model = {**config.model, "test_cfg": tiles.slide_mode()}
    if tta and "calibration" in check_measures(measures):
        raise InputError(
            "calibration needs a single prediction of each image: measure it without test-time augmentation"
        )
    require_writable(work_dir)
    name = data_split(config, split)
    summary = check_dataset(loader["dataset"], quick=True)
    if summary.problems:
        raise InputError(f"{split} data: {summary.problems[0]}")
    with _told_in_one_line(f"{config.filename}: the test cannot be set up", work_dir):
        runner: Any = ReproducibleRunner.from_cfg(
            _for_testing(config, split, loader, work_dir, tta, bool(corruptions))
        )
        dataset = runner.test_loop.dataloader.dataset
        if tiles is not None and not tta:
            tiles.check_fits(*_size_of(dataset[0]), f"the first image of the {split} data")
        metric = next(m for m in runner.test_evaluator.metrics if isinstance(m, ConfusionMatrixMetric))
        model = _within_wrappers(runner.model)
        _compare_classes(config, model, dataset.metainfo["classes"], metric)
        metric.measures = check_measures(measures)
        corrupting = insert_corrupting(dataset, config) if corruptions else CorruptImages()
        if show_dir is not None:
            pictures = _plan_pictures(dataset, Path(show_dir))
            if runner.rank == 0:
                labels = [info["seg_map_path"] for info in _samples(dataset) if info.get("seg_map_path")]
                check_outputs(pictures.values(), [*pictures, *labels], overwrite=overwrite)
            runner.register_hook(PictureHook(pictures, dataset.metainfo["palette"]))

    weights = _load(model, checkpoint, config)
    details = {**weights.details, "tta": tta}
    if tiles is not None:
        details |= {"tile": [tiles.height, tiles.width], "tile_overlap": tiles.overlap}
    seed = weights.seed
    device = next(model.parameters()).device
    if form is not None:
        file = checkpoint if isinstance(checkpoint, OnnxFile) else None
        device = run_on(model, form, runner.threads.count, file)
        details |= form.details
    config = config.copy()
    if seed is not None:
        config.randomness = {**config.get("randomness", {}), "seed": seed}
    runner.config_text = config_text(config)
    several = loader.get("batch_size", 1) > 1
    advice = f" ({split}_dataloader.batch_size=1 takes images of several sizes)" if several else ""
    failed = f"{config.filename}: the test failed{advice}"
    with _told_in_one_line(failed, work_dir):
        runner.test()
    accuracy = metric.last
    if accuracy is not None:
        details |= recorded_frames(dataset, accuracy.images)
    path = None
    if form is not None:
        precision = form.backend.precision
    else:
        precision = precision_now(device, getattr(runner.test_loop, "fp16", False))
    provenance = collect_provenance(
        str(device),
        precision,
        threads=runner.threads.count,
        dataset_fingerprint=summary.fingerprint,
        checkpoint_sha256=weights.sha256,
    )
    if form is not None:
        provenance = with_library(provenance, form.backend.engine)
    if runner.rank == 0 and accuracy is not None:
        try:
            path = write_accuracy_record(runner, accuracy, name, provenance, work_dir, seed, **details)
        finally:  # a closed output must not prevent the record, nor a full disk the output
            announce(accuracy, name)

    def measure(corruption: Corruption) -> float | None:
        """Test with a corruption, and write the record."""
        corrupting.corruption = corruption
        with _told_in_one_line(failed, work_dir):
            runner.test_loop.run()
        if runner.rank != 0 or metric.last is None:
            return None
        dated = provenance.model_copy(update={"date": now()})
        write_accuracy_record(
            runner,
            metric.last,
            name,
            dated,
            work_dir,
            seed,
            kind="corruption",
            **details,
            **describe_corruption(corruption),
        )
        return metric.last.values["miou_percent"]

    corrupted = {}
    if corruptions:
        metric.measures = ()
        runner.hooks[:] = [hook for hook in runner.hooks if not isinstance(hook, PictureHook)]
        done = recorded_corruptions(work_dir, runner.config_text, provenance, {"split": name, **details})
        corrupted = measure_each(corruptions, done, measure, runner.logger.info)
    return Tested(accuracy, path, corrupted) if accuracy is not None and path is not None else None


@dataclass(frozen=True)
class _Weights:
    """The weights that are tested.

    Attributes:
        sha256: sha256 of the checkpoint; None if an exported file does not say it.
        seed: seed with which they were trained; None if it is not known.
        details: what a record says of them.
    """

    sha256: str | None
    seed: int | None
    details: dict[str, Any]


def _load(model: Any, checkpoint: str | Path | OnnxFile, config: Config) -> _Weights:
    """Load a checkpoint into its model; an exported file has its weights in itself.

    Raises:
        InputError: the checkpoint does not fit, or was changed while it was read.
    """
    if isinstance(checkpoint, OnnxFile):
        content = checkpoint.content
        details: dict[str, Any] = {
            "file": checkpoint.path.name,
            "file_sha256": hashlib.sha256(content).hexdigest(),
            "file_bytes": len(content),
        }
        return _Weights(checkpoint.checkpoint_sha256, checkpoint.seed, details)
    sha256 = file_sha256(checkpoint)
    state = load_model(model, checkpoint, config)
    if file_sha256(checkpoint) != sha256:
        raise InputError(f"{checkpoint} was changed while it was read: test it again once it is complete")
    details = {"checkpoint": Path(checkpoint).name}
    if differs := compare_with_config(state, config, checkpoint):
        details["differs"] = differs
    return _Weights(sha256, seed_of(state, checkpoint), details)


@contextmanager
def _told_in_one_line(what: str, work_dir: str | Path) -> Iterator[None]:
    """Turn any exception of a library into one line; the traceback goes to a file.

    Raises:
        InputError: any exception was raised that is not an ``InputError`` already.
    """
    try:
        yield
    except (InputError, OSError):
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        kept = Path(work_dir) / TRACEBACK
        write_atomically(kept, traceback.format_exc().encode())
        raise InputError(f"{what}: {describe_error(error)}; the traceback is in {kept}") from error


def loader_of(config: Config, split: str, images: int | None) -> Any:
    """Return the config of the loader with which a split, or some images of it, are tested.

    Raises:
        InputError: fewer than one image is asked for, or training images cannot be read like those of val.
    """
    loader = copy.deepcopy(config[f"{split}_dataloader"])
    if split == "train":
        plain = config.get("val_dataloader") or config.get("test_dataloader")
        pipeline = plain["dataset"].get("pipeline") if plain else None
        if pipeline is None:
            raise InputError(
                f"{config.filename}: training images are tested as those of val are, and this config has no "
                "val_dataloader with a pipeline"
            )
        dataset, loader = loader["dataset"], copy.deepcopy(plain)
        for part in innermost(dataset):
            part["pipeline"] = copy.deepcopy(pipeline)
        loader["dataset"] = dataset
    if images is not None:
        if images < 1:
            raise InputError(f"--images {images}: at least one image can be tested")
        parts = list(innermost(loader["dataset"]))
        sizes = [len(DATASETS.build(copy.deepcopy(part))) for part in parts]
        chosen = np.unique(np.linspace(0, sum(sizes) - 1, min(images, sum(sizes))).round().astype(int))
        for part, begin, size in zip(parts, np.cumsum([0, *sizes]), sizes, strict=False):
            part["indices"] = [int(i - begin) for i in chosen if begin <= i < begin + size]
    return loader


def _for_testing(
    config: Config,
    split: str,
    loader: Any,
    work_dir: str | Path,
    tta: bool,
    corrupted: bool = False,
) -> Config:
    """Return the config of a runner that tests one split and does nothing else.

    For corrupted images, the cache of decoded images is not used, and the loader's processes must start anew
    with each corruption.
    """
    evaluator = config.get(f"{split}_evaluator") or config.get("val_evaluator")
    config = copy.deepcopy(config)  # the runner changes its config
    config.test_dataloader = loader
    config.test_evaluator = _with_matrices(evaluator)
    config.test_cfg = config.get("test_cfg") or {"type": "TestLoop"}
    config.load_from, config.resume = None, False
    config.work_dir = str(work_dir)
    config.custom_hooks = []
    for key in UNUSED:
        config[key] = None
    if corrupted:
        config.test_dataloader.persistent_workers = False
        for dataset in innermost(config.test_dataloader.dataset):
            if "cache_dir" in dataset:
                dataset["cache_dir"] = None
    if tta:
        augment(config)
    return config


def _with_matrices(evaluator: Any) -> list[Any]:
    """Return the metrics with ours in the place of mmseg's, whose scores have the same names."""
    metrics = list(evaluator) if isinstance(evaluator, (list, tuple)) else [evaluator] if evaluator else []
    kinds = [class_meant(METRICS, metric) for metric in metrics]
    if ConfusionMatrixMetric in kinds:
        return metrics
    theirs = [metric for metric, kind in zip(metrics, kinds, strict=True) if kind is IoUMetric]
    ignored = theirs[0].get("ignore_index", 255) if theirs else 255
    ours = {"type": "ConfusionMatrixMetric", "ignore_index": ignored}
    return [ours, *(metric for metric in metrics if metric not in theirs)]


def _within_wrappers(model: Any) -> Any:
    """Return the segmentor inside a distributed or augmenting wrapper."""
    while hasattr(model, "module"):
        model = model.module
    return model


def _compare_classes(
    config: Config, model: Any, classes: Sequence[str], metric: ConfusionMatrixMetric
) -> None:
    """Compare the number of network outputs with the number that the metric counts.

    Raises:
        InputError: the numbers differ.
    """
    outputs = getattr(model, "out_channels", None)
    outputs = 2 if outputs == 1 else outputs  # one output stands for two classes
    counted = metric.num_outputs or len(classes)
    if outputs is not None and outputs != counted:
        raise InputError(
            f"{config.filename}: the network has {outputs} outputs, the dataset {len(classes)} classes: set "
            "model.num_classes, or num_outputs of ConfusionMatrixMetric where the network has more on purpose"
        )


def _size_of(sample: Any) -> tuple[int, int]:
    """Return the height and width at which the network gets a sample."""
    height, width = sample["inputs"].shape[-2:]
    return height, width


def _samples(dataset: Any) -> Iterator[Mapping[str, Any]]:
    return (dataset.get_data_info(index) for index in range(len(dataset)))


def _plan_pictures(dataset: Any, folder: Path) -> dict[str, Path]:
    """Return image -> picture; pictures keep the folders below the common folder of all images."""
    # Paths without "..", so that every picture lies below the folder; links keep the dataset's names.
    places = {
        info["img_path"]: Path(os.path.normpath(Path(info["img_path"]).absolute()))
        for info in _samples(dataset)
    }
    root = Path(os.path.commonpath([place.parent for place in places.values()]))
    return {image: folder / place.relative_to(root).with_suffix(".png") for image, place in places.items()}


class PictureHook(Hook):
    """Writes each image, as the pipeline loaded it, beside its prediction.

    Args:
        pictures: image -> file of its picture.
        palette: (classes, 3) RGB colours in [0, 255].
    """

    def __init__(self, pictures: Mapping[str, Path], palette: Sequence[Sequence[int]]) -> None:
        self.pictures = pictures
        self.palette = palette

    def after_test_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[Any] | None = None,
    ) -> None:
        """Write the pictures of a batch."""
        images = data_batch["inputs"]
        if isinstance(images[0], (list, tuple)):
            images = images[0]  # the first of the augmented versions
        for image, sample in zip(images, outputs or (), strict=True):
            ids = sample.pred_sem_seg.data.squeeze().cpu().numpy().astype(np.uint8)
            pixels = cv2.resize(as_rgb(image), ids.shape[::-1], interpolation=cv2.INTER_LINEAR)
            picture = np.concatenate([pixels, overlay(pixels, ids, self.palette)], axis=1)
            _, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
            write_atomically(self.pictures[sample.img_path], data.tobytes())
