"""What can be timed: engines, number formats, and a network in one of their combinations.

Commands offer these names as choices, so this module imports neither PyTorch nor any engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

TIMED = {
    "network": "normalised images to logits at input resolution",
    "prediction": "normalised images to class ids at input resolution",
}
"""What one call does."""


@dataclass(frozen=True)
class Engine:
    """What runs a network.

    Attributes:
        prepare: ``module:function``, called with (network, images, precision, threads), returns a call.
        library: the package whose version a record names; None for PyTorch's own engines.
        allocates: whether every call takes its memory from PyTorch's allocator, where it can be counted.
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
    """How a network is run.

    Attributes:
        engine: key of :data:`ENGINES`.
        precision: key of ``lednet_mm.deployment.precisions.PRECISIONS``.
        deployed: in its deployment form, or as trained.
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
        return f"{Path(self.config).stem}, {self.backend.engine}, {self.backend.precision}{form}"
