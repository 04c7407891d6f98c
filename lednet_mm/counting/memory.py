"""Peak memory of one forward pass from the statistics of PyTorch's allocators, which are reproducible."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor, nn


def peak_memory(
    call: Callable[[], object], network: nn.Module, images: Tensor, dtype: torch.dtype = torch.float32
) -> int:
    """Return the peak memory of one call of a PyTorch engine in bytes: weights, images and maps.

    Only PyTorch's tensors are counted, on a CPU from the allocation events of its profiler and on a GPU from
    its caching allocator. The memory of libraries (workspaces of oneDNN and cuDNN, code, the runtime) is not
    included.

    Args:
        call: the forward pass, which has run once before.
        network: network whose parameters and buffers it uses.
        images: input of the network.
        dtype: type of weights and images in the engine.
    """
    tensors = [*network.parameters(), *network.buffers(), images]
    own = sum(t.numel() * (dtype.itemsize if t.is_floating_point() else t.itemsize) for t in tensors)
    if images.is_cuda:
        torch.cuda.synchronize(images.device)
        before = torch.cuda.memory_allocated(images.device)
        torch.cuda.reset_peak_memory_stats(images.device)
        call()
        torch.cuda.synchronize(images.device)
        return own + torch.cuda.max_memory_allocated(images.device) - before
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profiler:
        call()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        events = json.loads(path.read_text())["traceEvents"]
    taken = [(e["ts"], e["args"]["Bytes"]) for e in events if e.get("name") == "[memory]"]
    changes = [change for _, change in sorted(taken, key=lambda event: event[0])]
    return own + max(accumulate(changes), default=0)
