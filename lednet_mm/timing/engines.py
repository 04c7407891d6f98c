"""PyTorch's engines, and the entry point to all of :data:`~lednet_mm.timing.backends.ENGINES`.

An engine takes a network in evaluation mode and images on a device. It prepares a call without arguments,
which is one forward pass and returns a tensor or array. The engines of ``runtimes`` also take the content of
an ONNX file in place of the network. If an engine or machine cannot do this, the engine
raises :class:`UnavailableError` with the reason, which becomes a line in a table and not a failure.
"""

from __future__ import annotations

import copy
import shutil
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from lednet_mm.deployment.precisions import INT8
from lednet_mm.deployment.rounding import dtype_of, fastest_algorithms, float32_products
from lednet_mm.errors import describe_error
from lednet_mm.records import Provenance
from lednet_mm.timing.backends import ENGINES
from lednet_mm.timing.runtimes import Call, UnavailableError
from lednet_mm.upstream.pytorch import compile_any_number_of_versions


def _converted(
    network: nn.Module, images: Tensor, precision: str, memory_format: torch.memory_format
) -> tuple[nn.Module, Tensor]:
    dtype = dtype_of(precision)
    if dtype != torch.float32 or memory_format != torch.contiguous_format:
        network = copy.deepcopy(network).to(dtype).to(memory_format=memory_format)  # type: ignore[call-overload]
    if not images.is_floating_point():  # a camera's images keep their bytes and layout
        return network, images
    return network, images.to(dtype=dtype, memory_format=memory_format)


def _in_pytorch(network: nn.Module, images: Tensor, precision: str) -> Call:
    def run() -> Tensor:
        with torch.inference_mode():
            return network(images)

    def run_on_gpu() -> Tensor:
        with torch.inference_mode(), float32_products(precision == "tf32"), fastest_algorithms():
            return network(images)

    return Call(run_on_gpu if images.is_cuda else run, images)


def eager(network: nn.Module, images: Tensor, precision: str, threads: int) -> Call:
    """Plain PyTorch."""
    return _in_pytorch(*_converted(network, images, precision, torch.contiguous_format), precision)


def channels_last(network: nn.Module, images: Tensor, precision: str, threads: int) -> Call:
    """Plain PyTorch with channels as the innermost dimension in memory."""
    return _in_pytorch(*_converted(network, images, precision, torch.channels_last), precision)


def compiled(network: nn.Module, images: Tensor, precision: str, threads: int) -> Call:
    """``torch.compile`` for one size, with weights as constants on a CPU and CUDA graphs on a GPU.

    Raises:
        UnavailableError: there is no C++ compiler, which Inductor needs on a CPU.
    """
    if not images.is_cuda and not any(map(shutil.which, ("c++", "g++", "clang++", "cl"))):
        raise UnavailableError("torch.compile needs a C++ compiler (g++)")
    network, images = _converted(network, images, precision, torch.contiguous_format)
    compile_any_number_of_versions()  # every network compiles the same code again
    options: dict[str, Any] = {"triton.cudagraphs": True} if images.is_cuda else {"freezing": True}
    compiled_network = torch.compile(network, fullgraph=True, dynamic=False, options=options)

    def run() -> Tensor:
        # Freezing requires no_grad; inference mode has no further benefit for compiled code.
        with torch.no_grad(), float32_products(precision == "tf32"), fastest_algorithms():
            return compiled_network(images)

    run()
    return Call(run, images)


def cuda_graph(network: nn.Module, images: Tensor, precision: str, threads: int) -> Call:
    """Plain PyTorch, recorded once as a CUDA graph and replayed without the work of the CPU.

    Raises:
        UnavailableError: there is no GPU.
    """
    if not images.is_cuda:
        raise UnavailableError("CUDA graphs need a GPU")
    network, images = _converted(network, images, precision, torch.contiguous_format)
    with torch.no_grad(), float32_products(precision == "tf32"), fastest_algorithms():
        stream = torch.cuda.Stream(images.device)
        stream.wait_stream(torch.cuda.current_stream(images.device))
        with torch.cuda.stream(stream):
            for _ in range(3):  # cuDNN's search for algorithms must not be recorded
                network(images)
        torch.cuda.current_stream(images.device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            answer = network(images)

    def run(keep: nn.Module = network) -> Tensor:  # the graph stores only its address, and that of the images
        graph.replay()
        return answer

    return Call(run, images)


def prepare_engine(
    name: str, network: nn.Module | bytes, images: Tensor, precision: str, threads: int
) -> Call:
    """Prepare a forward pass of a network on one engine.

    Args:
        name: key of ``backends.ENGINES``.
        network: the network, in evaluation mode, float32 and on the images' device, which is not changed; or
            the content of an ONNX file with the input and output of this project's exports.
        images: (N, C, H, W) float32.
        precision: key of ``precisions.PRECISIONS``; or ``precisions.INT8`` for a file that is quantised.
        threads: number of threads on a CPU.

    Returns:
        A call that returns (N, classes, H, W) as tensor or array, on a GPU before the work is done.

    Raises:
        UnavailableError: the engine is not installed, or does not support this device, precision or network.
    """
    if precision == "tf32" and not images.is_cuda:
        raise UnavailableError("tf32 needs a GPU")
    if ENGINES[name].library is None and (precision == INT8 or isinstance(network, bytes)):
        raise UnavailableError(f"runs no ONNX files{', which int8 needs' if precision == INT8 else ''}")
    module, _, function = ENGINES[name].prepare.partition(":")
    try:
        return getattr(import_module(module), function)(network, images, precision, threads)
    except UnavailableError:
        raise
    except Exception as fault:  # engines raise their own classes, and one that fails must not end the others
        raise UnavailableError(f"fails on this network: {describe_error(fault)}") from fault


def with_library(provenance: Provenance, engine: str) -> Provenance:
    """Return the provenance of what ran on an engine, with the version of the engine's library."""
    library = ENGINES[engine].library
    if library is None:
        return provenance
    versions = {**provenance.versions, library: import_module(library).__version__}
    return provenance.model_copy(update={"versions": versions})
