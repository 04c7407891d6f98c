"""ONNX: a network as one file that other runtimes take, checked against PyTorch before it is kept.

The exporter is PyTorch's tracing one: it takes seconds and makes one file, where the newer one takes
most of a minute and keeps the weights beside the file.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmseg.registry import DATASETS
from torch import Tensor, nn

from lednet_mm.config import run_of
from lednet_mm.cost.exportable import exportable
from lednet_mm.cost.precision import output_error, tolerance_for
from lednet_mm.errors import InputError, describe_error
from lednet_mm.files import file_sha256
from lednet_mm.records import collect_provenance

OPSET = 17
IMAGES, LOGITS = "images", "logits"


class Normalised(nn.Module):
    """A network that takes images as they are decoded, and normalises them itself.

    Args:
        network: takes normalised images.
        preprocessor: a config's ``data_preprocessor``: ``mean`` and ``std`` in the order that the network
            takes, ``bgr_to_rgb`` if that is RGB.

    Shapes: RGB images (N, 3, H, W), float32 in 0 to 255 -> what the network gives.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, preprocessor: Mapping[str, Any]) -> None:
        super().__init__()
        self.network = network
        # MMSegmentation decodes BGR; a network that is given that order needs RGB turned round.
        self.reverse = not preprocessor.get("bgr_to_rgb", False)
        mean, std = preprocessor.get("mean"), preprocessor.get("std")
        self.register_buffer("mean", torch.tensor(mean or [0.0] * 3).float().reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std or [1.0] * 3).float().reshape(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Return the network's answer."""
        images = images.flip(1) if self.reverse else images
        return self.network((images - self.mean) / self.std)


def trace_to_onnx(network: nn.Module, images: Tensor, path: str | Path, *, dynamic: bool) -> None:
    """Write a network as ONNX, unchecked.

    Args:
        network: in evaluation mode.
        images: (N, 3, H, W) that the trace runs on.
        path: the file.
        dynamic: whether batch, height and width are free; else they are those of ``images``.

    Raises:
        RuntimeError: an operator does not export; the message names it.
    """
    axes = {0: "batch", 2: "height", 3: "width"}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # every size in Python arithmetic warns; the check decides
        torch.onnx.export(
            exportable(network),
            (images,),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=[IMAGES],
            output_names=[LOGITS],
            dynamic_axes={IMAGES: axes, LOGITS: axes} if dynamic else None,
        )


@dataclass(frozen=True)
class Export:
    """What was exported.

    Attributes:
        dynamic: whether any batch size, height and width is accepted.
        error: the larger ``precision.output_error`` found.
        sizes: (N, H, W) of the inputs that were compared.
        obstacle: why height and width are fixed; None where they are not.
    """

    dynamic: bool
    error: float
    sizes: tuple[tuple[int, int, int], ...]
    obstacle: str | None


def export_onnx(
    network: nn.Module,
    path: str | Path,
    *,
    shape: tuple[int, int],
    scale: float = 1.0,
    metadata: Mapping[str, str] | None = None,
) -> Export:
    """Write a network as an ONNX file that has been run by ONNX Runtime and equals PyTorch.

    Batch size, height and width are free where a second run, of another size and two images, is equal too;
    otherwise they are fixed. The file appears whole or not at all.

    Args:
        network: images (N, 3, H, W) -> logits (N, C, H, W).
        path: the file.
        shape: (height, width) of the first comparison, and of a fixed export.
        scale: of the random images it is compared on, 255 for a network that normalises them.
        metadata: kept in the file's ``metadata_props``.

    Raises:
        InputError: an operator does not export, or the outputs differ.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    network = network.eval()
    first, other = _comparisons(network, shape, scale)
    obstacle = None
    try:
        for dynamic in (True, False):
            compared = [first, other] if dynamic else [first]
            try:
                trace_to_onnx(network, first, part, dynamic=dynamic)
                errors = [_error(network, part, images) for images in compared]
            except Exception as fault:  # the exporter's and the runtime's own classes, as many as versions
                obstacle = describe_error(fault)
                continue
            worst, tolerance = max(errors, key=lambda error: error[0] / error[1])
            if worst <= tolerance:
                sizes = tuple((len(x), *x.shape[2:]) for x in compared)
                result = Export(dynamic, worst, sizes, None if dynamic else obstacle)
                _annotate(part, {**(metadata or {}), "dynamic": str(dynamic).lower()})
                part.replace(path)
                return result
            obstacle = (
                f"outputs differ from PyTorch by {worst:.1e} of their spread (tolerance {tolerance:.0e})"
            )
    finally:
        part.unlink(missing_ok=True)
    raise InputError(f"{path}: not exported: {obstacle}")


def _comparisons(network: nn.Module, shape: tuple[int, int], scale: float) -> tuple[Tensor, Tensor]:
    """Return one image of the shape, and two of another size that the network accepts."""
    height, width = shape
    generator = torch.Generator().manual_seed(0)

    def random(n: int, h: int, w: int) -> Tensor:
        draw = torch.rand if scale != 1 else torch.randn
        return scale * draw(n, 3, h, w, generator=generator)

    odd = random(2, height + 11, width + 5)
    # Turned round, a size keeps the multiples that some networks demand.
    turned = random(2, width, height) if height != width else random(2, 2 * height, 2 * width)
    with torch.no_grad():
        try:
            network(odd)
        except (ValueError, RuntimeError):
            return random(1, height, width), turned
    return random(1, height, width), odd


def _error(network: nn.Module, path: Path, images: Tensor) -> tuple[float, float]:
    """Return how far an ONNX file's output is from a network's, and how far it may be."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised as well
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (answer,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    with torch.no_grad():
        expected = network(images)
    if answer.shape != tuple(expected.shape):
        raise ValueError(f"the output has shape {answer.shape}, PyTorch's {tuple(expected.shape)}")
    return output_error(answer, expected), tolerance_for("fp32", network, images, expected)


def _annotate(path: Path, metadata: Mapping[str, str]) -> None:
    import onnx

    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model)
    with path.open("wb") as file:
        file.write(model.SerializeToString())
        file.flush()
        os.fsync(file.fileno())


def describe(config: Config, checkpoint: str | Path, *, deployed: bool) -> dict[str, str]:
    """Return what an exported file says of itself, beside whether its size is free.

    Network, dataset, variant, class names in the order of the logits, what input and output are, commit,
    checkpoint's sha256.

    Args:
        config: of the network; its dataset names the classes.
        checkpoint: whose weights are exported.
        deployed: whether the network is in its deployment form.
    """
    preprocessor = config.model.get("data_preprocessor") or {}
    dataset = config.get("test_dataloader", {}).get("dataset", {})
    classes = DATASETS.get(dataset["type"]).METAINFO["classes"] if "type" in dataset else ()
    run = run_of(config)
    provenance = collect_provenance()
    return {
        "network": run.network,
        "dataset": run.dataset,
        "variant": run.variant,
        "deployed": str(deployed).lower(),
        "classes": json.dumps(list(classes)),
        "input": "RGB images (N, 3, H, W), float32 in 0 to 255; the graph subtracts mean and divides by std",
        "mean": json.dumps(preprocessor.get("mean")),
        "std": json.dumps(preprocessor.get("std")),
        "output": "logits (N, classes, H, W)",
        "commit": f"{provenance.commit}{' with changes' if provenance.dirty else ''}",
        "torch": str(provenance.versions["torch"]),
        "checkpoint_sha256": file_sha256(checkpoint),
    }
