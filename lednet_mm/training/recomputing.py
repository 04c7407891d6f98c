"""Less memory for more computing: blocks whose maps are not kept for the backward pass but made again.

LightNet's authors save memory by in-place activated batch normalisation. Recomputing saves more, needs no
operators of its own and works for every network. MMEngine's ``activation_checkpointing`` updates the
statistics of batch normalisation a second time in the backward pass, which changes the trained network.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from torch import nn
from torch.utils.checkpoint import checkpoint

from lednet_mm.layers import Stages
from lednet_mm.upstream.mmengine import bare

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict, Stages)


@HOOKS.register_module()
class RecomputeHook(Hook):
    """Let the blocks of the backbone compute their maps again in the backward pass.

    Weights, statistics, dropout and losses are exactly those of a training without the hook.
    """

    def before_run(self, runner: Any) -> None:
        """Change the backbone before one batch is tried, which is when memory may run out."""
        model: Any = bare(runner.model)
        number = recompute_blocks(model.backbone)
        runner.logger.info(f"{number} blocks of the backbone are computed again in the backward pass")


def recompute_blocks(network: nn.Module) -> int:
    """Let the blocks of a network forget their inner maps; return how many blocks there are.

    The blocks are the first modules below the network that are no mere containers and have parameters.
    """
    found = list(blocks_of(network))
    for block in found:
        block.forward = _recomputed(block)
    return len(found)


def blocks_of(network: nn.Module) -> Iterator[nn.Module]:
    """Yield the blocks of a network, see :func:`recompute_blocks`."""
    for child in network.children():
        if type(child) in CONTAINERS:
            yield from blocks_of(child)
        elif any(True for _ in child.parameters()) and type(child).forward is not nn.Module.forward:
            yield child


def _recomputed(block: nn.Module) -> Any:
    forward = block.forward

    def compute(*args: Any, **kwargs: Any) -> Any:
        if not (block.training and torch.is_grad_enabled()):
            return forward(*args, **kwargs)
        contexts = partial(_contexts, block)
        return checkpoint(forward, *args, use_reentrant=False, context_fn=contexts, **kwargs)

    return compute


def _contexts(block: nn.Module) -> tuple[Any, Any]:
    return nullcontext(), _buffers_kept(block)


@contextmanager
def _buffers_kept(block: nn.Module) -> Iterator[None]:
    """Restore a block's buffers on exit: its first pass has updated its statistics already."""
    before = [(buffer, buffer.detach().clone()) for buffer in block.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, content in before:
                buffer.copy_(content)
