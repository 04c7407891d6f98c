"""Engines other than PyTorch, all optional; each takes the network as ONNX with a fixed size."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lednet_mm.deployment.export import IMAGES, LOGITS, trace_to_onnx

Call = Callable[[], Any]


class UnavailableError(Exception):
    """An engine or precision is not available in this installation or on this machine; it says why."""


def _onnx(network: nn.Module, images: Tensor, dtype: torch.dtype = torch.float32) -> bytes:
    if dtype != torch.float32:
        network = copy.deepcopy(network).to(dtype)
    return trace_to_onnx(network, _typed(images, dtype), dynamic=False)


def _typed(images: Tensor, dtype: torch.dtype) -> Tensor:
    """Return images in the precision of the network; a camera's images keep their bytes."""
    return (images.to(dtype) if images.is_floating_point() else images).contiguous()


def onnx_runtime(network: nn.Module, images: Tensor, precision: str, threads: int) -> Call:
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
    device, index = ("cuda", images.device.index or 0) if on_gpu else ("cpu", 0)
    provider: Any = "CPUExecutionProvider"
    if on_gpu:
        settings = {"device_id": str(index), "use_tf32": "1" if precision == "tf32" else "0"}
        provider = ("CUDAExecutionProvider", {**settings, "cudnn_conv_algo_search": "EXHAUSTIVE"})
    dtype = torch.float16 if precision == "fp16" else torch.float32
    session = onnxruntime.InferenceSession(_onnx(network, images, dtype), options, providers=[provider])
    bound = _typed(images, dtype)
    with torch.inference_mode():
        answer = torch.empty_like(network(images), dtype=_output_type(session, dtype)).contiguous()
    binding = session.io_binding()

    def bind(attach: Callable, name: str, tensor: Tensor) -> None:
        element = torch.empty(0, dtype=tensor.dtype).numpy().dtype
        attach(name, device, index, element, tuple(tensor.shape), tensor.data_ptr())

    bind(binding.bind_input, IMAGES, bound)
    bind(binding.bind_output, LOGITS, answer)

    def call(keep: Tensor = bound) -> Tensor:  # the binding stores only its address
        session.run_with_iobinding(binding)
        return answer

    return call


def _output_type(session: Any, dtype: torch.dtype) -> torch.dtype:
    return {"tensor(int64)": torch.int64, "tensor(uint8)": torch.uint8}.get(
        session.get_outputs()[0].type, dtype
    )


def openvino(network: nn.Module, images: Tensor, precision: str, threads: int) -> Call:
    """OpenVINO on a CPU, tuned for latency: one stream, with all threads on one image.

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
    if precision.upper() not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise UnavailableError(f"this CPU has no {precision} arithmetic")
    settings = {
        # The precision is set explicitly, because some CPUs default to less than float32.
        "INFERENCE_PRECISION_HINT": {"fp32": "f32", "fp16": "f16", "bf16": "bf16"}[precision],
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
    }
    model = core.read_model(_onnx(network, images))
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    inputs = [ov.Tensor(images.contiguous().numpy(), shared_memory=True)]

    def call() -> Any:
        return request.infer(inputs, share_inputs=True, share_outputs=True)[0]

    return call


def tensorrt(network: nn.Module, images: Tensor, precision: str, threads: int) -> Call:
    """TensorRT with the network's own types ("strongly typed").

    Raises:
        UnavailableError: it is not installed, there is no GPU, or the network cannot be built.
    """
    if not images.is_cuda:
        raise UnavailableError("TensorRT needs a GPU")
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
    if precision == "tf32":
        config.set_flag(trt.BuilderFlag.TF32)
    else:
        config.clear_flag(trt.BuilderFlag.TF32)
    plan = builder.build_serialized_network(definition, config)
    if plan is None:
        raise UnavailableError("cannot build an engine for this network")
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    context = engine.create_execution_context()
    with torch.inference_mode():
        expected = network(images)
    bound = _typed(images, dtype)
    floating = expected.is_floating_point()
    answer = torch.empty(expected.shape, dtype=dtype if floating else expected.dtype, device=images.device)
    context.set_tensor_address(IMAGES, bound.data_ptr())
    context.set_tensor_address(LOGITS, answer.data_ptr())
    stream = torch.cuda.current_stream(images.device).cuda_stream

    def call(keep: tuple = (engine, bound)) -> Tensor:  # the context stores only their addresses
        context.execute_async_v3(stream)
        return answer

    return call
