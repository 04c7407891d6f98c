"""ONNX export: a network as one file for other runtimes, checked against PyTorch before it is kept.

The exporter is PyTorch's tracing one. It takes seconds and makes one file; the newer exporter takes most of a
minute and keeps the weights beside the file.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import torch
from mmengine.config import Config
from mmseg.registry import DATASETS
from torch import Tensor, nn

from lednet_mm.config import innermost, run_of
from lednet_mm.datasets.registered import class_meant
from lednet_mm.deployment.exportable import any_size
from lednet_mm.deployment.inference import REFUSALS, input_channels
from lednet_mm.deployment.precisions import PRECISIONS
from lednet_mm.deployment.rounding import output_error, tolerance_for
from lednet_mm.errors import InputError, describe_error
from lednet_mm.files import file_sha256
from lednet_mm.records import collect_provenance

OPSET = 17
IMAGES, LOGITS = "images", "logits"
FREE = {0: "batch", 2: "height", 3: "width"}
"""Axes of the images that are free where a file takes any size, and their names in the file."""
BATCH_AND_SIZE = {IMAGES: FREE, LOGITS: {**FREE, 1: "classes"}}
"""The axes of images and logits whose sizes can be free."""


class Normalised(nn.Module):
    """A network that takes decoded images and normalises them itself.

    Args:
        network: network that takes normalised images.
        preprocessor: a config's ``data_preprocessor``: ``mean`` and ``std`` in the network's order of
            channels, and ``bgr_to_rgb`` if this order is RGB.
        channels: number of channels that the network takes. Three channels are RGB; others keep their order.

    Shapes: images (N, C, H, W), float32 in 0 to 255 -> output of the network.

    Raises:
        InputError: the number of means or standard deviations differs from the number of channels.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, preprocessor: Mapping[str, Any], channels: int = 3) -> None:
        super().__init__()
        self.network = network
        # MMSegmentation decodes to BGR, and both settings swap red and blue. A network that takes BGR needs
        # RGB images to be reversed.
        exchanged = preprocessor.get("bgr_to_rgb") or preprocessor.get("rgb_to_bgr")
        self.reverse = channels == 3 and not exchanged
        for name, default in (("mean", 0.0), ("std", 1.0)):
            values = preprocessor.get(name) or [default]
            if len(values) not in (1, channels):
                raise InputError(
                    f"data_preprocessor.{name} has {len(values)} values, the network takes {channels}"
                )
            self.register_buffer(name, torch.tensor(values).float().reshape(1, -1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Return the network's output."""
        return self.network(self.normalise(images))

    def normalise(self, images: Tensor) -> Tensor:
        """Return the images as the network takes them."""
        images = images.flip(1) if self.reverse else images
        return (images - self.mean) / self.std


def trace_to_onnx(
    network: nn.Module, *inputs: Tensor, dynamic: bool, axes: Mapping[str, Any] = BATCH_AND_SIZE
) -> bytes:
    """Return a network as the content of an ONNX file, unchecked.

    Args:
        network: the network, in evaluation mode.
        inputs: inputs of the traced run, for example images (N, C, H, W).
        dynamic: whether the sizes of some axes are free; otherwise they are those of ``inputs``.
        axes: name of each input, and then of each output -> its axes whose sizes are free, with their names.

    Raises:
        RuntimeError: an operator cannot be exported; the message names it.
    """
    content = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad(), any_size(network):
        warnings.simplefilter("ignore")  # sizes in Python arithmetic cause warnings; the check decides
        torch.onnx.export(
            network,
            inputs,
            content,  # type: ignore[arg-type]  # the annotation belongs to the newer exporter
            dynamo=False,
            opset_version=OPSET,
            input_names=list(axes)[: len(inputs)],
            output_names=list(axes)[len(inputs) :],
            dynamic_axes=axes if dynamic else None,
        )
    return content.getvalue()


class Exporter(Protocol):
    """Makes the content of an ONNX file, unchecked, as :func:`trace_to_onnx` does."""

    def __call__(self, network: nn.Module, images: Tensor, /, *, dynamic: bool) -> bytes:
        """Return the content for images (N, C, H, W), whose sizes are free if it is dynamic."""


@dataclass(frozen=True)
class Export:
    """The result of an export.

    Attributes:
        content: content of the ONNX file.
        dynamic: whether it accepts any batch size, height and width.
        error: the largest ``rounding.output_error`` found.
        sizes: (N, H, W) of the inputs that were compared.
        obstacle: why height and width are fixed; None if they are free.
    """

    content: bytes
    dynamic: bool
    error: float
    sizes: tuple[tuple[int, int, int], ...]
    obstacle: str | None


def require_onnx() -> None:
    """Check that the packages for an export are installed.

    Raises:
        InputError: one of them is missing.
    """
    if missing := [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]:
        needed = " and ".join(missing)
        raise InputError(f"an export needs {needed}: pip install -e '.[deploy]' in the checkout")


def export_onnx(
    network: nn.Module,
    *,
    shape: tuple[int, int],
    scale: float = 1.0,
    metadata: Mapping[str, str] | None = None,
    exporter: Exporter = trace_to_onnx,
) -> Export:
    """Make an ONNX file of a network, and check that ONNX Runtime gives PyTorch's output for it.

    Batch size, height and width are free if this also holds for two images of another size; otherwise they
    are fixed.

    Args:
        network: images (N, C, H, W) -> logits (N, classes, H, W).
        shape: (height, width) of the first comparison, and of a fixed export.
        scale: factor of the random images for the comparison, 255 for a network that normalises them.
        metadata: entries of the file's ``metadata_props``.
        exporter: function that makes the content of the file.

    Returns:
        The file's content and the results of the check.

    Raises:
        InputError: an operator cannot be exported, or the outputs differ.
    """
    network = network.eval()
    obstacle = None
    try:
        first, other = _comparisons(network, shape, scale)
    except REFUSALS as fault:
        raise InputError(
            f"the network accepts no image of {shape[0]}x{shape[1]}: {describe_error(fault)}"
        ) from None
    for dynamic in (True, False):
        compared = [first, other] if dynamic else [first]
        try:
            content = exporter(network, first, dynamic=dynamic)
            session = open_session(content)
            errors = [_error(network, session, images) for images in compared]
        except Exception as fault:  # exporter and runtime raise classes that depend on their versions
            obstacle = describe_error(fault)
            continue
        worst, tolerance = max(errors, key=lambda error: error[0] / error[1])
        if worst <= tolerance:
            sizes = tuple((len(x), *x.shape[2:]) for x in compared)
            content = annotate(content, {**(metadata or {}), "dynamic": str(dynamic).lower()})
            return Export(content, dynamic, worst, sizes, None if dynamic else obstacle)
        obstacle = f"outputs differ from PyTorch by {worst:.1e} of their spread (tolerance {tolerance:.0e})"
    raise InputError(f"not exported: {obstacle}")


def _comparisons(network: nn.Module, shape: tuple[int, int], scale: float) -> tuple[Tensor, Tensor]:
    """Return one image of the shape, and two images of another size that the network accepts."""
    height, width = shape
    generator = torch.Generator().manual_seed(0)

    def random(n: int, h: int, w: int) -> Tensor:
        draw = torch.rand if scale != 1 else torch.randn
        return scale * draw(n, input_channels(network), h, w, generator=generator)

    odd = random(2, height + 11, width + 5)
    # Swapping height and width keeps the multiples that some networks require.
    turned = random(2, width, height) if height != width else random(2, 2 * height, 2 * width)
    first = random(1, height, width)
    with torch.no_grad():
        try:
            network(odd)
        except REFUSALS:
            network(first)
            return first, turned
    return first, odd


def open_session(content: bytes) -> Any:
    """Return ONNX Runtime's session for the content of a file, on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are raised anyway
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _error(network: nn.Module, session: Any, images: Tensor) -> tuple[float, float]:
    """Return the error of an ONNX file's output against the network's, and the largest accepted error."""
    (answer,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    with torch.no_grad():
        expected = network(images)
    if answer.shape != tuple(expected.shape):
        raise ValueError(f"the output has shape {answer.shape}, PyTorch's {tuple(expected.shape)}")
    error, tolerance = output_error(answer, expected), PRECISIONS["fp32"].tolerance
    # A network that amplifies rounding may have a larger error; a run in float64 shows by how much.
    return error, tolerance if error <= tolerance else tolerance_for("fp32", network, images, expected)


def annotate(content: bytes, metadata: Mapping[str, str]) -> bytes:
    """Return a valid ONNX file with these ``metadata_props``."""
    import onnx

    model = onnx.load_from_string(content)
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model)
    return model.SerializeToString()


def class_names(config: Config) -> tuple[str, ...]:
    """Return the class names of a config's dataset, also within wrappers; empty if it has none."""
    dataset = next(innermost((config.get("test_dataloader") or {}).get("dataset") or {}))
    stated = (dataset.get("metainfo") or {}).get("classes")
    known = class_meant(DATASETS, dataset)
    return tuple(stated or getattr(known, "METAINFO", {}).get("classes") or ())


def _input(channels: int, normalised: bool) -> str:
    """Return a description of a graph's input."""
    kind = {1: "grey images", 3: "RGB images"}.get(
        channels, f"images of {channels} channels in the training's order"
    )
    work = "; the graph subtracts mean and divides by std" if normalised else ""
    return f"{kind} (N, {channels}, H, W), float32 in 0 to 255{work}"


def describe(
    config: Config, checkpoint: str | Path, *, channels: int, deployed: bool, seed: int | None = None
) -> dict[str, str]:
    """Return the description of an exported file, except whether its size is free.

    It holds network, dataset, variant, the seed of the training, class names in the order of the logits,
    input and output, commit, and the checkpoint's sha256.

    Args:
        config: config of the network; its dataset gives the class names.
        checkpoint: checkpoint whose weights are exported.
        channels: number of channels of the images.
        deployed: whether the network is in its deployment form.
        seed: seed with which the weights were trained; None if it is not known.
    """
    preprocessor = config.model.get("data_preprocessor") or {}
    run = run_of(config)
    provenance = collect_provenance()
    return {
        "network": run.network,
        "dataset": run.dataset,
        "variant": run.variant,
        "seed": json.dumps(seed),
        "precision": "fp32",
        "deployed": str(deployed).lower(),
        "classes": json.dumps(class_names(config)),
        "input": _input(channels, normalised=bool(preprocessor.get("mean"))),
        "mean": json.dumps(preprocessor.get("mean")),
        "std": json.dumps(preprocessor.get("std")),
        "output": "logits (N, classes, H, W)",
        "commit": f"{provenance.commit}{' with changes' if provenance.dirty else ''}",
        "torch": str(provenance.versions["torch"]),
        "checkpoint_sha256": file_sha256(checkpoint),
    }
