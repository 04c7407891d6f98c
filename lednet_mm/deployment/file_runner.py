"""Run an exported file by ONNX Runtime or OpenVINO."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lednet_mm.errors import InputError, describe_error

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import torch

    from lednet_mm.deployment.onnx_file import OnnxFile

FILE_ENGINES = ("onnxruntime", "openvino")
"""The engines that run an exported file. Commands offer them as choices, so PyTorch is not imported here."""


class FileRunner:
    """An exported file, ready to run; calling it runs the network.

    Args:
        file: the file.
        engine: one of :data:`FILE_ENGINES`.
        threads: number of threads on a CPU.
        device: device that it runs on; OpenVINO runs on CPUs only.

    Raises:
        InputError: the engine cannot run the file, is not installed or does not run on the device.
    """

    def __init__(self, file: OnnxFile, engine: str, threads: int, device: torch.device) -> None:
        self.file = file
        prepare = {"onnxruntime": _onnx_runtime, "openvino": _openvino}[engine]
        try:
            self._run = prepare(file.content, threads, device)
        except (InputError, OSError):
            raise
        except Exception as error:  # engines raise classes of their own
            raise InputError(
                f"{file.path}: {engine} cannot run this file: {describe_error(error)}"
            ) from error

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Run the network.

        Args:
            images: (N, C, H, W) float32; or (H, W, C) uint8 if the file takes bytes.

        Raises:
            InputError: the file is fixed to another size or number of channels.
        """
        self.file.require_accepting(images.shape)
        return self._run(images)


def _onnx_runtime(content: bytes, threads: int, device: torch.device) -> Callable[[np.ndarray], np.ndarray]:
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
    session = onnxruntime.InferenceSession(content, options, providers=[provider])
    (taken,), (given,) = session.get_inputs(), session.get_outputs()
    return lambda images: session.run([given.name], {taken.name: images})[0]


def _openvino(content: bytes, threads: int, device: torch.device) -> Callable[[np.ndarray], np.ndarray]:
    try:
        import openvino as ov
    except ImportError:
        raise InputError(
            "--engine openvino: not installed: pip install -e '.[deploy]' in the checkout"
        ) from None
    if device.type != "cpu":
        raise InputError("--engine openvino runs on CPUs only: use --device cpu")
    core = ov.Core()
    model = core.read_model(content)
    request = core.compile_model(model, "CPU", openvino_settings("fp32", threads)).create_infer_request()
    return lambda images: request.infer([images])[0].copy()


def openvino_settings(precision: str, threads: int) -> dict[str, Any]:
    """Return OpenVINO's settings for the lowest latency on a CPU: one stream, with all threads on one image.

    Args:
        precision: key of ``PRECISIONS``. It is set explicitly, because some CPUs default to less than
            float32; in an INT8 file, operators that are not quantised compute in float32.
        threads: number of threads.
    """
    return {
        "INFERENCE_PRECISION_HINT": {"fp16": "f16", "bf16": "bf16"}.get(precision, "f32"),
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
    }
