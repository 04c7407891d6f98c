"""Make INT8 versions of a trained network: calibrate on images of train, compare the accuracy with fp32."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS
from torch import Tensor, nn

from lednet_mm.checkpoints.binding import seed_of
from lednet_mm.checkpoints.files import load_model
from lednet_mm.config import innermost
from lednet_mm.datasets.check import check_dataset
from lednet_mm.datasets.preparation import without_labels
from lednet_mm.deployment.deploy import deploy
from lednet_mm.deployment.export import Export, Normalised, annotate, describe, export_onnx
from lednet_mm.deployment.inference import REFUSALS, Inference, build_network, input_channels
from lednet_mm.deployment.onnx_file import OnnxFile, parse_onnx
from lednet_mm.deployment.precisions import INT8
from lednet_mm.deployment.quantisation import METHOD, Quantised, quantisable, quantise
from lednet_mm.errors import InputError, describe_error
from lednet_mm.record_format import Calibration
from lednet_mm.terminal import tracked
from lednet_mm.timing.backends import Backend
from lednet_mm.training.deployed import Form
from lednet_mm.training.testing import evaluate_checkpoint, loader_of

IMAGES = 64
"""The number of images for calibration. With 16, 32 and 64 of them, LEDNet's INT8 file loses 0.03, 0.19 and
0.04 points of mIoU on CamVid's val split."""

GATE_IMAGES = 32
"""The number of images on which INT8 and fp32 are compared before a file is kept."""

MAX_LOSS = 1.0
"""The largest accepted loss of mIoU on these images, in points."""


@dataclass(frozen=True)
class CalibrationImages:
    """Images of the train split, spread evenly over it, read like those of val and without their labels.

    Attributes:
        dataset: the images, as a dataset of MMSegmentation.
        names: names of their files.
        to_rgb: whether the pipeline's images are BGR, which exported files take as RGB.
    """

    dataset: Any
    names: tuple[str, ...]
    to_rgb: bool

    def __getitem__(self, index: int) -> Tensor:
        """Return an image as exported files take it, (1, C, H, W) float32 in 0 to 255."""
        image = self.dataset[index]["inputs"].float()[None]
        return image.flip(1).contiguous() if self.to_rgb else image

    def __iter__(self) -> Iterator[Tensor]:
        """Yield each image, with a progress bar."""
        for index in tracked(range(len(self.names)), "calibrating"):
            yield self[index]

    @property
    def facts(self) -> Calibration:
        """The description that a file and its records keep."""
        listed = hashlib.sha256("\n".join(self.names).encode(errors="backslashreplace")).hexdigest()
        return {"split": "train", "images": len(self.names), "names_sha256": listed, "method": METHOD}


def calibration_images(config: Config, count: int, channels: int) -> CalibrationImages:
    """Return images of a config's train split for calibration; val and test are never used for it.

    Args:
        config: config with a train split.
        count: number of images.
        channels: number of channels that the network takes.

    Raises:
        InputError: the config has no train split, its data are missing, or it has fewer images.
    """
    if not config.get("train_dataloader"):
        raise InputError(
            f"{config.filename}: INT8 is calibrated on the train split, and this config has none"
        )
    loader = loader_of(config, "train", count)
    for part in innermost(loader["dataset"]):
        part["pipeline"] = without_labels(part["pipeline"])
    with DefaultScope.overwrite_default_scope("mmseg"):
        dataset = DATASETS.build(loader["dataset"])
    if len(dataset) < count:
        raise InputError(
            f"{config.filename}: the train split has {len(dataset)} images: --calibration {count} is too many"
        )
    names = tuple(Path(dataset.get_data_info(i)["img_path"]).name for i in range(len(dataset)))
    return CalibrationImages(dataset, names, to_rgb=channels == 3)


@dataclass(frozen=True)
class Trained:
    """A trained network whose deployment form can be exported.

    Attributes:
        config: its config.
        checkpoint: path of its weights.
        network: the network, normalised images -> logits.
        seed: seed of the training; None if it is not known.
    """

    config: Config
    checkpoint: Path
    network: nn.Module
    seed: int | None

    @property
    def channels(self) -> int:
        """The number of channels that the network takes."""
        return input_channels(self.network)

    @property
    def align_corners(self) -> bool:
        """How its segmentor resizes logits."""
        segmentor: Any = self.network.model
        return bool(segmentor.align_corners)

    def form(self, deployed: bool) -> nn.Module:
        """Return the network, or its deployment form.

        Raises:
            InputError: there is no deployment form.
        """
        if not deployed:
            return self.network
        try:
            return deploy(self.network)
        except REFUSALS as error:
            raise InputError(
                f"{self.config.filename}: no deployment form: {describe_error(error)}"
            ) from error

    def int8_form(self) -> nn.Module:
        """Return the deployment form from which INT8 is made, see :func:`quantisable`.

        Raises:
            InputError: there is no deployment form.
        """
        return quantisable(self.form(deployed=True))

    def normalised(self, network: nn.Module) -> Normalised:
        """Return a network that takes decoded images in the place of normalised ones."""
        return Normalised(network, self.config.model.get("data_preprocessor") or {}, self.channels)

    def facts(self, deployed: bool) -> dict[str, str]:
        """Return the metadata of an fp32 export."""
        return describe(
            self.config, self.checkpoint, channels=self.channels, deployed=deployed, seed=self.seed
        )


def read_trained(config: Config, checkpoint: str | Path) -> Trained:
    """Build a config's network with the weights of a checkpoint.

    Raises:
        InputError: the network cannot be built, or the checkpoint does not belong to it.
    """
    model = build_network(config)
    content = load_model(model, checkpoint, config)
    return Trained(config, Path(checkpoint), Inference(model), seed_of(content, checkpoint))


def export_int8(trained: Trained, exported: Export, images: CalibrationImages, out: str | Path) -> OnnxFile:
    """Return the INT8 version of an exported deployment form, with its metadata; its accuracy is unchecked.

    Args:
        trained: the network.
        exported: fp32 export of ``trained.normalised(trained.int8_form())``.
        images: images for the calibration.
        out: name of the file in messages.

    Raises:
        InputError: the network cannot be quantised, or the export takes other sizes than those of the images.
    """
    fp32 = parse_onnx(out, exported.content)
    content = quantise(exported.content, _accepted(fp32, images))
    facts = {**fp32.facts, "precision": INT8, "calibration": json.dumps(images.facts)}
    return parse_onnx(out, annotate(content, facts))


def _accepted(file: OnnxFile, images: CalibrationImages) -> Iterator[Tensor]:
    for name, image in zip(images.names, images, strict=True):
        try:
            file.require_accepting(tuple(image.shape))
        except InputError as error:
            raise InputError(f"{error}: calibration image {name}: give this size by --shape") from error
        yield image


def quantised_for_timing(trained: Trained, images: CalibrationImages, shape: tuple[int, int]) -> Quantised:
    """Return the INT8 version for normalised images, which computes the same as the exported file.

    Args:
        trained: the network.
        images: images for the calibration.
        shape: (height, width) to which the file is fixed if the network allows no other.

    Raises:
        InputError: the network cannot be exported or quantised.
    """
    exported = export_onnx(trained.int8_form(), shape=shape)
    normalise = trained.normalised(nn.Identity()).normalise
    file = parse_onnx(trained.checkpoint, exported.content)
    with torch.no_grad():
        content = quantise(exported.content, (normalise(image) for image in _accepted(file, images)))
        first = images[0]
        return Quantised(content, images.facts, normalise(first), first.permute(0, 2, 3, 1).to(torch.uint8))


@dataclass(frozen=True)
class Compared:
    """The mIoU of fp32 and INT8 files on the same images, in percent."""

    fp32: float
    int8: float
    images: int
    split: str

    @property
    def loss(self) -> float:
        """The mIoU that INT8 loses, in points."""
        return self.fp32 - self.int8


def check_compared(config: Config) -> None:
    """Check the images on which INT8 and fp32 will be compared, before anything that takes long.

    Raises:
        InputError: they cannot be read, or have no labels.
    """
    split = _compared_split(config)
    summary = check_dataset(loader_of(config, split, GATE_IMAGES)["dataset"], quick=True)
    if summary.problems:
        raise InputError(f"{split} data, on which INT8 is compared with fp32: {summary.problems[0]}")


def _compared_split(config: Config) -> str:
    return "val" if config.get("val_dataloader") else "train"


def compare_accuracy(config: Config, fp32: OnnxFile, int8: OnnxFile) -> Compared:
    """Measure two files of one network on some images of val, or of train without val, in ONNX Runtime.

    Args:
        config: config of the network and data.
        fp32: the fp32 file.
        int8: the INT8 file.

    Raises:
        InputError: the images cannot be read, or have no labels.
    """
    split = _compared_split(config)
    quiet = config.copy()
    quiet.log_level = "WARNING"
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for file in (fp32, int8):
            form = Form(Backend("onnxruntime", file.precision, deployed=True))
            tested = evaluate_checkpoint(
                quiet, file, form=form, split=split, images=GATE_IMAGES, work_dir=folder
            )
            if tested is None:
                raise InputError("the accuracy of a file is compared in a single process")
            found.append(tested.accuracy)
    ours, theirs = (accuracy.values["miou_percent"] for accuracy in found)
    if not (ours == ours and theirs == theirs):
        raise InputError(
            f"{split} data: no pixel of its images has a label, so INT8 cannot be compared with fp32"
        )
    return Compared(ours, theirs, len(found[0].images), split)
