"""Test a network in the form in which it is deployed: on another engine, in another precision, from a file.

The engines and the way in which they are prepared are those of :mod:`lednet_mm.timing`, so that what is
tested is what is timed.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lednet_mm.deployment.deploy import deploy
from lednet_mm.deployment.inference import REFUSALS, Inference
from lednet_mm.deployment.onnx_file import OnnxFile
from lednet_mm.deployment.precisions import INT8
from lednet_mm.deployment.rounding import float32_products
from lednet_mm.errors import InputError, describe_error
from lednet_mm.record_format import Calibration
from lednet_mm.timing.backends import Backend
from lednet_mm.timing.engines import prepare_engine
from lednet_mm.timing.runtimes import Call, UnavailableError
from lednet_mm.upstream.mmseg import normalisation

SIZES = 4
"""The number of image sizes for which an engine stays prepared; of more, the last used ones are kept."""


@dataclass(frozen=True)
class Form:
    """The form in which a network is tested, where that is not plain PyTorch.

    Attributes:
        backend: engine, precision, and whether the network is in its deployment form.
        content: content of an ONNX file, normalised images -> logits, that runs in the network's place; INT8
            needs one.
        calibration: what that file was calibrated on, as records keep it.
    """

    backend: Backend
    content: bytes | None = None
    calibration: Calibration | None = None

    @property
    def details(self) -> dict[str, Any]:
        """The details of a record of accuracy."""
        calibrated = {"calibration": self.calibration} if self.calibration else {}
        return {"engine": self.backend.engine, "deployed": self.backend.deployed, **calibrated}


class OnEngine:
    """A network on an engine, which is prepared anew for each size of images.

    Args:
        network: network in evaluation mode, images (N, C, H, W) -> logits; or the content of an ONNX file.
        backend: engine and precision.
        device: device on which the engine runs.
        threads: number of threads on a CPU.

    Raises:
        InputError: on use, the engine is not available, or does not take images of this size.
    """

    def __init__(
        self, network: nn.Module | bytes, backend: Backend, device: torch.device, threads: int
    ) -> None:
        self.network = network
        self.backend = backend
        self.device = device
        self.threads = threads
        self._calls: OrderedDict[tuple[int, ...], Call] = OrderedDict()

    def __call__(self, images: Tensor) -> Tensor:
        """Return the logits as float32 on the device of the images."""
        call = self._prepared(images)
        call.images.copy_(images)
        return torch.as_tensor(call()).to(images.device, torch.float32, copy=True)

    def _prepared(self, images: Tensor) -> Call:
        shape = tuple(images.shape)
        if shape not in self._calls:
            engine, precision = self.backend.engine, self.backend.precision
            own = images.detach().clone().contiguous().to(self.device)
            try:
                call = prepare_engine(engine, self.network, own, precision, self.threads)
            except UnavailableError as reason:
                raise InputError(f"{engine}, {precision}: {reason}") from reason
            self._calls[shape] = call
            while len(self._calls) > SIZES:
                self._calls.popitem(last=False)
        self._calls.move_to_end(shape)
        return self._calls[shape]


def device_for(backend: Backend, device: torch.device) -> torch.device:
    """Return the device for a segmentor's network: a CPU where an engine has no kernels for its GPU.

    Args:
        backend: engine and precision.
        device: device of the segmentor.
    """
    if backend.engine == "openvino" or (backend.engine == "onnxruntime" and backend.precision == INT8):
        return torch.device("cpu")
    if backend.engine == "onnxruntime" and device.type == "cuda":
        import onnxruntime

        if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            return torch.device("cpu")
    return device


def run_on(model: Any, form: Form, threads: int, file: OnnxFile | None = None) -> torch.device:
    """Let a segmentor compute its logits in the form in which it is deployed; the rest of it stays as it is.

    Args:
        model: segmentor with its weights; with a file, these do not matter.
        form: engine, precision and form of the network.
        threads: number of threads on a CPU.
        file: exported file that runs in the place of the segmentor's network.

    Returns:
        The device on which the network runs.

    Raises:
        InputError: the network has no deployment form.
    """
    backend = form.backend
    device = device_for(backend, next(model.parameters()).device)
    network: nn.Module | bytes
    if file is not None:
        network = file.content
    elif form.content is not None:
        network = form.content
    else:
        network = Inference(copy.deepcopy(model).eval()).to(device)
        if backend.deployed:
            try:
                network = deploy(network)
            except REFUSALS as error:
                raise InputError(f"no deployment form: {describe_error(error)}") from error
    engine = OnEngine(network, backend, device, threads)

    def encode_decode(images: Tensor, facts: Any) -> Tensor:
        """Return the logits of normalised images, like the method of MMSegmentation."""
        if file is not None:
            file.require_accepting(tuple(images.shape))
            images = as_decoded(images, model.data_preprocessor)
        with torch.no_grad(), float32_products(tf32=False):
            return engine(images)

    model.encode_decode = encode_decode
    return device


def as_decoded(images: Tensor, preprocessor: Any) -> Tensor:
    """Return normalised images as exported files take them: RGB in 0 to 255, or other channels as they are.

    Args:
        images: (N, C, H, W) output of a segmentor's preprocessing.
        preprocessor: that preprocessing.
    """
    reversed_channels, mean, std = normalisation(preprocessor)
    pixels = images * std + mean
    whole = pixels.round()
    pixels = torch.where((pixels - whole).abs() < 1e-3, whole, pixels)  # the rounding of the normalisation
    return pixels.flip(1) if pixels.shape[1] == 3 and not reversed_channels else pixels
