"""An exported file, run by ONNX Runtime or OpenVINO."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lednet_mm.errors import InputError, describe_error

FILE_ENGINES = ("onnxruntime", "openvino")
"""The engines that run an exported file."""

Run = Callable[[np.ndarray], np.ndarray]


class FileRunner:
    """An ONNX file with one input and one output, ready to run; calling it runs the network.

    Args:
        path: path of the file.
        engine: one of :data:`FILE_ENGINES`.
        threads: number of threads on a CPU.
        device: device that it runs on; OpenVINO runs on CPUs only.

    Attributes:
        metadata: what the file says about itself, as :func:`~lednet_mm.deployment.export.describe` wrote it.
        takes_bytes: whether the file takes uint8 images (H, W, C) and gives class ids, because it contains
            the preprocessing too.
        shape: size of each axis of the input; None where it is free.

    Raises:
        InputError: the file is missing or no ONNX file that the engine can run, or the engine is not
            installed or does not run on the device.
    """

    def __init__(self, path: str | Path, engine: str, threads: int, device: torch.device) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise InputError(f"{path}: no such file")
        try:
            opened = {"onnxruntime": _onnx_runtime, "openvino": _openvino}[engine](self.path, threads, device)
        except (InputError, OSError):
            raise
        except Exception as error:  # engines raise classes of their own
            raise InputError(f"{path}: {engine} cannot run this file: {describe_error(error)}") from error
        self.metadata, self.shape, kind, self._run = opened
        self.takes_bytes = kind == "uint8"

    @property
    def classes(self) -> list[str]:
        """The names of the classes; empty if the file does not state them."""
        try:
            stated = json.loads(self.metadata.get("classes", "[]"))
        except ValueError:
            return []
        return [str(name) for name in stated] if isinstance(stated, list) else []

    def check_classes(self, names: object, count: int) -> None:
        """Check that the file has the classes of a config.

        Args:
            names: name of the config, for the message.
            count: number of classes of its dataset.

        Raises:
            InputError: the file states another number of classes.
        """
        if self.classes and len(self.classes) != count:
            raise InputError(
                f"{self.path}: this file has {len(self.classes)} classes, {names} has {count}: give the "
                "config with which it was exported"
            )

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Run the network.

        Args:
            images: (N, C, H, W) float32; or (H, W, C) uint8 if ``takes_bytes``.

        Raises:
            InputError: the file is fixed to another size or number of channels.
        """
        if len(images.shape) != len(self.shape) or any(
            fixed not in (None, size) for fixed, size in zip(self.shape, images.shape, strict=True)
        ):
            takes, given = (
                "x".join("any" if s is None else str(s) for s in shape)
                for shape in (self.shape, images.shape)
            )
            raise InputError(
                f"{self.path}: this file takes images of {takes}, not {given}: export it for this size "
                "(tools/export.py --shape), or predict in tiles of its size (--tile)"
            )
        return self._run(images)


def _onnx_runtime(path: Path, threads: int, device: torch.device) -> tuple[dict, tuple, str, Run]:
    try:
        import onnxruntime
    except ImportError:
        raise InputError(
            "--engine onnxruntime: not installed: pip install -e '.[deploy]' in the checkout"
        ) from None
    provider: Any = "CPUExecutionProvider"
    if device.type == "cuda":
        if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            raise InputError("the installed onnxruntime has no CUDA kernels: use --device cpu")
        provider = ("CUDAExecutionProvider", {"device_id": str(device.index or 0)})
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 4  # errors are raised anyway
    session = onnxruntime.InferenceSession(str(path), options, providers=[provider])
    (taken,), (given,) = session.get_inputs(), session.get_outputs()
    shape = tuple(size if isinstance(size, int) else None for size in taken.shape)
    metadata = dict(session.get_modelmeta().custom_metadata_map)
    kind = "uint8" if taken.type == "tensor(uint8)" else "float32"
    return metadata, shape, kind, lambda images: session.run([given.name], {taken.name: images})[0]


def _openvino(path: Path, threads: int, device: torch.device) -> tuple[dict, tuple, str, Run]:
    try:
        import openvino as ov
    except ImportError:
        raise InputError(
            "--engine openvino: not installed: pip install -e '.[deploy]' in the checkout"
        ) from None
    if device.type != "cpu":
        raise InputError("--engine openvino runs on CPUs only: use --device cpu")
    core = ov.Core()
    model = core.read_model(str(path))
    settings = {
        # The precision is set explicitly, because some CPUs default to less than float32.
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
    }
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    (taken,) = model.inputs
    (_,) = model.outputs
    shape = tuple(axis.get_length() if axis.is_static else None for axis in taken.get_partial_shape())
    # OpenVINO keeps an ONNX file's metadata there; without any, the entry is missing.
    stated = dict(model.get_rt_info().items()).get("framework", {})
    metadata = {key: str(getattr(value, "value", value)) for key, value in dict(stated).items()}
    kind = "uint8" if taken.get_element_type() == ov.Type.u8 else "float32"
    return metadata, shape, kind, lambda images: np.array(request.infer([images])[0])
