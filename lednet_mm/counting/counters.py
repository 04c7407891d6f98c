"""Multiply-adds of a network from independent counters, by operator, and the reasons why they differ.

Four programs count here: fvcore (from a trace; MMSegmentation's own tool uses it), ptflops with both of its
backends (``pytorch`` hooks modules and functions, ``aten`` watches operators) and PyTorch's
``FlopCounterMode``. Their sums are never merged, as each follows its own rules; tables by operator explain
the differences. All numbers are multiply-adds (MACs); ``FlopCounterMode`` counts each as two operations and
is halved.
"""

from __future__ import annotations

import copy
import io
import logging
import re
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

import torch
from fvcore.nn import FlopCountAnalysis
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lednet_mm.counting.counts import AGAIN, BIAS, HEADLINE, Counts, kind_of
from lednet_mm.errors import describe_error
from lednet_mm.upstream import ptflops
from lednet_mm.upstream.pytorch import CONVOLUTIONS, Operator, WatchOperators, tensors_in

# Operators without arithmetic, which create, copy or slice tensors. Views are recognised by their schemas.
# fmt: off
MOVES = frozenset({
    "_to_copy", "_unsafe_view", "alias", "arange", "cat", "clone", "constant_pad_nd", "copy_",
    "embedding", "empty", "empty_like", "empty_strided", "fill_", "full", "full_like", "gather",
    "index", "index_select", "lift_fresh", "new_empty", "new_empty_strided", "new_full", "new_ones",
    "new_zeros", "ones", "ones_like", "pixel_shuffle", "pixel_unshuffle", "reflection_pad2d", "repeat",
    "replication_pad2d", "roll", "scatter", "stack", "zero_", "zeros", "zeros_like",
})
# fmt: on

# fvcore does not count these, nor does it list them among the operators without a rule.
SILENT_IN_FVCORE = {"relu", "clamp", "max"}


def _plain_name(operator: str) -> str:
    """Return an operator's name without the parts that name its version (in place, native)."""
    return re.sub(r"^aten::|^_?native_|_legit.*$|_with_indices$", "", operator).strip("_")


@dataclass(frozen=True)
class Subject:
    """The network to count and its input.

    Attributes:
        network: the network, in evaluation mode.
        images: input of the network.
        shapes: copy of the network without values, on PyTorch's meta device; the network itself if it cannot
            run there.
        image_shapes: input of ``shapes``.
    """

    network: nn.Module
    images: Tensor
    shapes: nn.Module
    image_shapes: Tensor

    @classmethod
    def of(cls, network: nn.Module, images: Tensor) -> Subject:
        """Try whether the network runs without values, on the meta device."""
        shapes, image_shapes = copy.deepcopy(network).to("meta"), images.to("meta")
        try:
            shapes(image_shapes)
        except RuntimeError:  # it reads values, or has tensors that are not buffers
            return cls(network, images, network, images)
        return cls(network, images, shapes, image_shapes)


class _Missed(WatchOperators):
    """Counts how often each operator runs that computes something and that a counter ignores.

    Args:
        counts: function that says whether the counter counts an operator, given PyTorch's object for all its
            overloads.
    """

    def __init__(self, counts: Callable[[Any], bool]) -> None:
        super().__init__(self._note)
        self.counts = counts
        self.operators: Counter[str] = Counter()

    def _note(self, operator: Operator) -> None:
        computes = any(tensor.is_floating_point() for tensor in tensors_in(operator.result))
        free = operator.is_view or operator.name in MOVES or not computes
        # Ask only about operators with arithmetic: for ptflops' hooks, the answer depends on the order.
        if not free and not self.counts(operator.packet):
            self.operators[_plain_name(operator.name)] += 1


def count_by_fvcore(subject: Subject, counts: Counts) -> None:
    """Count by fvcore and add the result to ``counts``."""
    network, images = subject.network, subject.images
    with _Missed(lambda packet: False) as missed:
        subject.shapes(subject.image_shapes)
    analysis = FlopCountAnalysis(network, images)
    analysis.uncalled_modules_warnings(False).unsupported_ops_warnings(False)
    operators = {name: round(macs) for name, macs in analysis.by_operator().items() if macs}
    counts.counters["fvcore"] = operators
    # The trace also has operators that only compute sizes; only those that ran on tensors are kept.
    unknown = {_plain_name(name): times for name, times in analysis.unsupported_ops().items()}
    silent = {
        name: n
        for name, n in missed.operators.items()
        if _plain_name(name) in unknown.keys() | SILENT_IN_FVCORE
    }
    whole = {name: n for name, n in unknown.items() if kind_of(name) in ("convolution", "matrix products")}
    counts.missed["fvcore"] = {**whole, **silent}


def count_by_ptflops_pytorch(subject: Subject, counts: Counts) -> None:
    """Count by ptflops' hooks on modules and functions and add the result to ``counts``.

    ptflops counts functions inside a counted module a second time, and counts a module once for every place
    where it is registered; the table shows both. It does not run on the meta device, because there its
    patched functions would also count the computation of shapes.
    """
    network, images = subject.network, subject.images
    operators: Counter[str] = Counter()
    inside: list[nn.Module] = []
    announced = [0]

    def of_module(module: nn.Module, output: Any, macs: int) -> None:
        is_sum = isinstance(module, (*CONVOLUTIONS, nn.Linear)) and module.bias is not None
        bias = output.numel() if is_sum else 0
        operators[BIAS] += bias
        operators[type(module).__name__] += macs - bias

    def of_function(function: Callable, macs: int) -> None:
        operators[function.__name__ + (AGAIN if inside else "")] += macs
        announced[0] += not inside

    def counts_it(packet: Any) -> bool:
        if inside:
            return True
        announced[0], told = max(0, announced[0] - 1), announced[0]
        return bool(told)

    missed = _Missed(counts_it)
    with ExitStack() as stack:
        for module in network.modules():
            if ptflops.counts_module(module):
                handles = (
                    module.register_forward_pre_hook(lambda module, inputs: inside.append(module)),
                    module.register_forward_hook(lambda *_: inside.pop() and None, always_call=True),
                )
                for handle in handles:
                    stack.callback(handle.remove)
        stack.enter_context(missed)
        total = ptflops.total_by_hooks(
            network, images.shape[1:], of_module=of_module, of_function=of_function
        )
    surplus = total - sum(operators.values())
    if surplus:
        operators["modules registered in several places" + AGAIN] = surplus
    counts.counters["ptflops_pytorch"] = {name: macs for name, macs in operators.items() if macs}
    counts.missed["ptflops_pytorch"] = dict(missed.operators)


def count_by_ptflops_aten(subject: Subject, counts: Counts) -> None:
    """Count by ptflops' operator-based backend and add the result to ``counts``."""
    network, images = subject.shapes, subject.image_shapes
    operators: Counter[str] = Counter()

    def of_operator(packet: Any, inputs: Any, outputs: Any, macs: int) -> None:
        name = packet.__name__
        place = {"addmm": 0, "convolution": 2, "_convolution": 2}.get(name)  # position of the bias
        bias = 0 if place is None or inputs[place] is None else outputs[0].numel()
        operators[BIAS] += bias
        operators[name] += macs - bias

    with _Missed(ptflops.counts_operator) as missed:
        ptflops.total_by_operators(network, images.shape[1:], of_operator=of_operator)
    counts.counters["ptflops_aten"] = {name: macs for name, macs in operators.items() if macs}
    counts.missed["ptflops_aten"] = dict(missed.operators)


def count_by_torch(subject: Subject, counts: Counts) -> None:
    """Count by PyTorch's ``FlopCounterMode``, halved, and add the result to ``counts``."""
    mode = FlopCounterMode(display=False)
    with _Missed(lambda packet: packet in mode.flop_registry) as missed, mode:
        subject.shapes(subject.image_shapes)
    table = mode.get_flop_counts().get("Global", {})
    counts.counters["torch"] = {packet.__name__: flops // 2 for packet, flops in table.items()}
    counts.missed["torch"] = dict(missed.operators)


COUNTERS: Mapping[str, Callable[[Subject, Counts], None]] = {
    "fvcore": count_by_fvcore,
    "ptflops_pytorch": count_by_ptflops_pytorch,
    "ptflops_aten": count_by_ptflops_aten,
    "torch": count_by_torch,
}


@contextmanager
def _as_it_runs() -> Any:
    """Count the operators of a plain run, without warnings and logs.

    Attention runs as its elementary operators and not as a fused one, which no counter knows.
    """
    with (
        sdpa_kernel(SDPBackend.MATH),
        warnings.catch_warnings(),
        redirect_stdout(io.StringIO()),
        redirect_stderr(io.StringIO()),
        torch.no_grad(),
    ):
        warnings.simplefilter("ignore")
        fast, level = torch.backends.mha.get_fastpath_enabled(), logging.getLogger("fvcore").level
        torch.backends.mha.set_fastpath_enabled(False)
        logging.getLogger("fvcore").setLevel(logging.ERROR)
        try:
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)
            logging.getLogger("fvcore").setLevel(level)


def count_operators(network: nn.Module, images: Tensor) -> Counts:
    """Count one forward pass of a network by every counter.

    fvcore and ptflops' pytorch backend execute it. The others only need shapes and run on PyTorch's meta
    device if the network can run there.

    Args:
        network: the network, in evaluation mode. Counters leave hooks in it, so use it for nothing else.
        images: input of one image, (1, C, H, W).

    Raises:
        Exception: any exception that the network raises for this input. If a counter fails although the
            network runs, the result names it; if it is the headline's counter, its exception is raised.
    """
    counts = Counts()
    with _as_it_runs():
        subject = Subject.of(network, images)
        for name, count in COUNTERS.items():
            try:
                count(subject, counts)
            except Exception as error:
                if name == HEADLINE:
                    raise
                counts.failed[name] = describe_error(error)
    return counts
