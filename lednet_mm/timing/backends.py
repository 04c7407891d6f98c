"""What can be timed: engines, number formats, and networks on their combinations.

Commands offer these names as choices, so this module imports neither PyTorch nor any engine.
"""

from __future__ import annotations

from dataclasses import dataclass

TIMED = {
    "network": "normalised images to logits at input resolution",
    "prediction": "normalised images to class ids at input resolution",
    "image": "uint8 images to class ids, both at the size of the camera",
}
"""What one timed call computes."""


@dataclass(frozen=True)
class Engine:
    """An engine that runs a network.

    Attributes:
        prepare: ``module:function``; called with (network, images, precision, threads), it returns a call.
        library: package whose version a record names; None for PyTorch's own engines.
        allocates: whether every call gets its memory from PyTorch's allocator, so that it can be measured.
    """

    prepare: str
    library: str | None = None
    allocates: bool = False


ENGINES = {
    "eager": Engine("lednet_mm.timing.engines:eager", allocates=True),
    "channels_last": Engine("lednet_mm.timing.engines:channels_last", allocates=True),
    "compile": Engine("lednet_mm.timing.engines:compiled"),
    "cudagraph": Engine("lednet_mm.timing.engines:cuda_graph"),
    "onnxruntime": Engine("lednet_mm.timing.runtimes:onnx_runtime", "onnxruntime"),
    "openvino": Engine("lednet_mm.timing.runtimes:openvino", "openvino"),
    "tensorrt": Engine("lednet_mm.timing.runtimes:tensorrt", "tensorrt"),
}


@dataclass(frozen=True)
class Backend:
    """An engine, a precision and a form in which a network runs.

    Attributes:
        engine: key of :data:`ENGINES`.
        precision: key of ``lednet_mm.deployment.precisions.PRECISIONS``.
        deployed: whether the network is in its deployment form.
    """

    engine: str = "eager"
    precision: str = "fp32"
    deployed: bool = False


@dataclass(frozen=True)
class Row:
    """What is timed: a config's network on one backend."""

    config: str
    backend: Backend

    def __str__(self) -> str:
        form = ", deployed" if self.backend.deployed else ""
        return f"{self.config}, {self.backend.engine}, {self.backend.precision}{form}"
