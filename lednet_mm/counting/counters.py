"""Multiply-adds of a network by independent counters, by operator, and why the counters differ.

Four programs count here: fvcore (over a trace; what MMSegmentation's own tool uses), ptflops with both of its
backends (``pytorch`` hooks modules and functions, ``aten`` watches operators) and PyTorch's
``FlopCounterMode``. Their sums are never merged: each keeps its own rules, and what separates them is read
off their tables. All numbers are multiply-adds (MACs); ``FlopCounterMode`` counts two for one and is halved.
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

# Operators that compute nothing: they make, copy or cut tensors. Views are known by their schemas.
# fmt: off
MOVES = frozenset({
    "_to_copy", "_unsafe_view", "alias", "arange", "cat", "clone", "constant_pad_nd", "copy_",
    "embedding", "empty", "empty_like", "empty_strided", "fill_", "full", "full_like", "gather",
    "index", "index_select", "lift_fresh", "new_empty", "new_empty_strided", "new_full", "new_ones",
    "new_zeros", "ones", "ones_like", "pixel_shuffle", "pixel_unshuffle", "reflection_pad2d", "repeat",
    "replication_pad2d", "roll", "scatter", "stack", "zero_", "zeros", "zeros_like",
})
# fmt: on

# fvcore takes these for free without naming them among the operators that it has no rule for.
SILENT_IN_FVCORE = {"relu", "clamp", "max"}


def _plain_name(operator: str) -> str:
    """Return an operator's name without what tells its versions apart (in place, native)."""
    return re.sub(r"^aten::|^_?native_|_legit.*$|_with_indices$", "", operator).strip("_")


@dataclass(frozen=True)
class Subject:
    """What is counted.

    Attributes:
        network: in evaluation mode.
        images: its input.
        shapes: the network without values, on PyTorch's meta device, where it runs there; else the network.
        image_shapes: its input.
    """

    network: nn.Module
    images: Tensor
    shapes: nn.Module
    image_shapes: Tensor

    @classmethod
    def of(cls, network: nn.Module, images: Tensor) -> Subject:
        """See whether a network runs without values."""
        shapes, image_shapes = copy.deepcopy(network).to("meta"), images.to("meta")
        try:
            shapes(image_shapes)
        except RuntimeError:  # it looks at values, or keeps tensors that are no buffers
            return cls(network, images, network, images)
        return cls(network, images, shapes, image_shapes)


class _Missed(WatchOperators):
    """Counts how often each operator runs that computes something and that a counter takes for free.

    Args:
        counts: whether the counter counts an operator, by PyTorch's object for all its overloads.
    """

    def __init__(self, counts: Callable[[Any], bool]) -> None:
        super().__init__(self._note)
        self.counts = counts
        self.operators: Counter[str] = Counter()

    def _note(self, operator: Operator) -> None:
        computes = any(tensor.is_floating_point() for tensor in tensors_in(operator.result))
        free = operator.is_view or operator.name in MOVES or not computes
        # A counter is asked only of what computes: ptflops' hooks are told apart by the order of questions.
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
    # The trace also has operators that only handle sizes: those that ran on tensors are kept.
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

    Functions that run inside a counted module are counted by ptflops a second time, as is a module for every
    place where it is registered; the table says so. On the meta device its patched functions would also count
    what works out shapes there.
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
    """Count by ptflops' watch over operators and add the result to ``counts``."""
    network, images = subject.shapes, subject.image_shapes
    operators: Counter[str] = Counter()

    def of_operator(packet: Any, inputs: Any, outputs: Any, macs: int) -> None:
        name = packet.__name__
        place = {"addmm": 0, "convolution": 2, "_convolution": 2}.get(name)  # of the bias
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
    """Count what a plain run does, quietly.

    Attention runs as the operators that it is made of, not as one that no counter knows.
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
    """Count one run of a network by every counter.

    fvcore and ptflops' pytorch backend run it. The others only see shapes, on PyTorch's meta device, where
    the network can run there.

    Args:
        network: in evaluation mode. Counters leave hooks in it: it is used up.
        images: its input, of one image, (1, C, H, W).

    Raises:
        Exception: whatever the network raises for this input. A counter that fails where the network runs is
            named in the result instead; for the headline's counter that is an error too.
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
