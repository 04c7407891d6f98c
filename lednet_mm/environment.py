"""What the process runs on: CPU threads, the OpenMP wait policy, and what libraries say on import.

A CPU training run crawls when its threads spin while another process holds a core (15 s an iteration
instead of 0.5 s), so threads are chosen from the cores that are free, and waiting threads sleep.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass


@dataclass(frozen=True)
class Threads:
    """The threads chosen for a process.

    Attributes:
        count: threads of PyTorch's operators.
        cores: cores this process may use.
        wait_policy: OpenMP's; PASSIVE lets waiting threads sleep.
        reason: why this count, in words.
    """

    count: int
    cores: int
    wait_policy: str
    reason: str


def prepare() -> None:
    """Set what must be set before PyTorch's OpenMP starts, and silence import noise.

    Variables that the user has set stay as they are.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    warnings.filterwarnings("ignore", message=".*OneDL.*")
    warnings.filterwarnings("ignore", message=".*MultiScaleDeformableAttention.*")
    warnings.filterwarnings(
        "ignore", category=UserWarning, module=r"mmengine\.optim\.optimizer\.zero_optimizer"
    )


def choose_threads(sample_seconds: float = 0.5) -> Threads:
    """Choose PyTorch's threads from the cores that are free now, and set them.

    ``OMP_NUM_THREADS`` decides where it is set. Otherwise one thread a free core: the cores this process may
    use, less those that other processes keep busy during the sample, at least one.

    Args:
        sample_seconds: how long the load is watched.
    """
    import psutil
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    policy = os.environ.get("OMP_WAIT_POLICY", "")
    fixed = os.environ.get("OMP_NUM_THREADS", "")
    if fixed.isdigit() and int(fixed) > 0:
        count, reason = int(fixed), "OMP_NUM_THREADS"
    else:
        # cpu_percent is over all cores of the machine, of which this process may be allowed only some.
        busy = psutil.cpu_percent(interval=sample_seconds) / 100 * (psutil.cpu_count() or cores)
        count = max(1, min(cores, cores - round(busy)))
        reason = f"{busy:.1f} of {cores} cores busy elsewhere"
    torch.set_num_threads(count)
    return Threads(count, cores, policy, reason)
