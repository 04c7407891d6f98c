"""Engines other than PyTorch, all optional; each takes the network as ONNX, specialised to one size."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lednet_mm.deployment.export import FREE, IMAGES, LOGITS, trace_to_onnx
from lednet_mm.deployment.file_runner import openvino_settings
from lednet_mm.deployment.precisions import INT8


class UnavailableError(Exception):
    """An engine or precision is not available in this installation or on this machine; it says why."""


@dataclass(frozen=True)
class Call:
    """A prepared forward pass: called without arguments, it returns the network's output.

    Attributes:
        run: function that runs the pass, on a GPU without waiting for its end.
        images: memory from which every pass reads its images, in the engine's type and layout.
    """

    run: Callable[[], Any]
    images: Tensor

    def __call__(self) -> Any:
        """Run the pass."""
        return self.run()


def _onnx(network: nn.Module | bytes, images: Tensor, dtype: torch.dtype = torch.float32) -> bytes:
    """Return the content of an ONNX file: the network's, or the given one unchanged."""
    if isinstance(network, bytes):
        return network
    if dtype != torch.float32:
        network = copy.deepcopy(network).to(dtype)
    return trace_to_onnx(network, _typed(images, dtype), dynamic=False)


def _typed(images: Tensor, dtype: torch.dtype) -> Tensor:
    """Return images in the precision of the network; a camera's images keep their bytes."""
    return (images.to(dtype) if images.is_floating_point() else images).contiguous()


def onnx_runtime(network: nn.Module | bytes, images: Tensor, precision: str, threads: int) -> Call:
    """ONNX Runtime on a CPU, or on CUDA with ``onnxruntime-gpu``; input and output are bound to memory.

    Its threads stop spinning after each call, so that they do not slow down the engine that is timed next.

    Raises:
        UnavailableError: it is not installed, or does not support the GPU or the precision.
    """
    try:
        import onnxruntime
    except ImportError:
        raise UnavailableError("not installed (pip install onnxruntime, on a GPU onnxruntime-gpu)") from None
    on_gpu = images.is_cuda
    if on_gpu and "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise UnavailableError("the installed onnxruntime has no CUDA kernels (pip install onnxruntime-gpu)")
    if precision == "bf16" or (precision == "fp16" and not on_gpu):
        raise UnavailableError(f"no {precision} kernels{'' if on_gpu else ' for a CPU'}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.force_spinning_stop", "1")
    for axis, name in FREE.items():
        options.add_free_dimension_override_by_name(name, images.shape[axis])
    device, index = ("cuda", images.device.index or 0) if on_gpu else ("cpu", 0)
    provider: Any = "CPUExecutionProvider"
    if on_gpu:
        settings = {"device_id": str(index), "use_tf32": "1" if precision == "tf32" else "0"}
        provider = ("CUDAExecutionProvider", {**settings, "cudnn_conv_algo_search": "EXHAUSTIVE"})
    dtype = torch.float16 if precision == "fp16" else torch.float32
    session = onnxruntime.InferenceSession(_onnx(network, images, dtype), options, providers=[provider])
    bound = _typed(images, dtype)
    (first,) = session.run(None, {IMAGES: bound.cpu().numpy()})
    answer = torch.from_numpy(first).to(images.device)
    binding = session.io_binding()

    def bind(attach: Callable, name: str, tensor: Tensor) -> None:
        element = torch.empty(0, dtype=tensor.dtype).numpy().dtype
        attach(name, device, index, element, tuple(tensor.shape), tensor.data_ptr())

    bind(binding.bind_input, IMAGES, bound)
    bind(binding.bind_output, LOGITS, answer)

    def run() -> Tensor:
        session.run_with_iobinding(binding)
        return answer

    return Call(run, bound)  # the binding stores only the address of the images


def openvino(network: nn.Module | bytes, images: Tensor, precision: str, threads: int) -> Call:
    """OpenVINO on a CPU, tuned for latency.

    Raises:
        UnavailableError: it is not installed, the device is a GPU, or this CPU lacks the precision.
    """
    try:
        import openvino as ov
    except ImportError:
        raise UnavailableError("not installed (pip install openvino)") from None
    if images.is_cuda:
        raise UnavailableError("runs on CPUs only")
    core = ov.Core()
    if precision != INT8 and precision.upper() not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise UnavailableError(f"this CPU has no {precision} arithmetic")
    model = core.read_model(_onnx(network, images))
    model.reshape(list(images.shape))
    request = core.compile_model(model, "CPU", openvino_settings(precision, threads)).create_infer_request()
    bound = images.contiguous()
    inputs = [ov.Tensor(bound.numpy(), shared_memory=True)]

    def run() -> Any:
        return request.infer(inputs, share_inputs=True, share_outputs=True)[0]

    return Call(run, bound)


def tensorrt(network: nn.Module | bytes, images: Tensor, precision: str, threads: int) -> Call:
    """TensorRT with the network's own types ("strongly typed").

    Raises:
        UnavailableError: it is not installed, there is no GPU, or the network cannot be built.
    """
    if not images.is_cuda:
        raise UnavailableError("TensorRT needs a GPU")
    if precision == INT8:
        raise UnavailableError("TensorRT takes symmetric INT8 only, and activations here have a zero point")
    try:
        import tensorrt as trt
    except ImportError:
        raise UnavailableError("not installed (pip install -e '.[tensorrt]' in the checkout)") from None
    dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}.get(precision, torch.float32)
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)  # always so from version 11 on
    definition = builder.create_network(0 if flag is None else 1 << int(flag))
    parser = trt.OnnxParser(definition, logger)
    if not parser.parse(_onnx(network, images, dtype)):
        raise UnavailableError(f"cannot read the network: {parser.get_error(0).desc()}")
    config = builder.create_builder_config()
    profile = builder.create_optimization_profile()  # a network with free sizes needs one
    profile.set_shape(IMAGES, *[tuple(images.shape)] * 3)
    config.add_optimization_profile(profile)
    if precision == "tf32":
        config.set_flag(trt.BuilderFlag.TF32)
    else:
        config.clear_flag(trt.BuilderFlag.TF32)
    plan = builder.build_serialized_network(definition, config)
    if plan is None:
        raise UnavailableError("cannot build an engine for this network")
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    context = engine.create_execution_context()
    bound = _typed(images, dtype)
    context.set_input_shape(IMAGES, tuple(bound.shape))
    whole = {trt.int64: torch.int64, trt.uint8: torch.uint8}.get(engine.get_tensor_dtype(LOGITS))
    shape = tuple(context.get_tensor_shape(LOGITS))
    answer = torch.empty(shape, dtype=dtype if whole is None else whole, device=images.device)
    context.set_tensor_address(IMAGES, bound.data_ptr())
    context.set_tensor_address(LOGITS, answer.data_ptr())
    stream = torch.cuda.current_stream(images.device).cuda_stream

    def run(keep: Any = engine) -> Tensor:  # the context stores only its address, and that of the images
        context.execute_async_v3(stream)
        return answer

    return Call(run, bound)
