"""What the process runs on: CPU threads, the OpenMP wait policy, and what libraries say on import.

A CPU training run crawls when its threads spin while another process holds a core (15 s an iteration
instead of 0.5 s), so threads are chosen from the cores that are free, and waiting threads sleep.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lednet_mm.errors import InputError

if TYPE_CHECKING:
    import torch


NOISE = (
    ".*OneDL.*",
    ".*MultiScaleDeformableAttention.*",
    ".*align_corners=True, the output would more aligned.*",
    r".*`torch\.jit\.\w+` is deprecated.*",
    ".*`broadcast_buffers` is deprecated.*",
    ".*Default ``avg_non_ignore`` is False.*",
)
"""Warnings of libraries that ask nothing of the project's users, as regular expressions."""


GPU_DRIVERS = ("/proc/driver/nvidia", "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/dxg", "/dev/kfd")
"""What NVIDIA's, AMD's and the Windows subsystem's drivers leave on Linux."""

LAUNCHED = {
    "pytorch": ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"),
    "slurm": ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_NODELIST"),
    "mpi": ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"),
}
"""The variables that a launcher sets for each process; the first is the process's number."""


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
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # 5 reports every start and stop of a profile
    for noise in NOISE:
        warnings.filterwarnings("ignore", message=noise)


@contextmanager
def quiet_imports() -> Iterator[None]:
    """Drop what libraries print while they are imported (OneDL's optional parts that are not there)."""
    with redirect_stdout(io.StringIO()):
        yield


def choose_threads(sample_seconds: float = 0.5) -> Threads:
    """Choose PyTorch's threads from the cores that are free now, and set them; subnormal numbers become zero.

    Weight decay leaves weights below 1e-38 in channels that nothing needs (half of CGNet's released ones),
    and arithmetic on such numbers takes a CPU 25 times as long.

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
    torch.set_flush_denormal(True)  # before the threads start: they inherit it
    torch.set_num_threads(count)
    return Threads(count, cores, policy, reason)


def keep_freed_memory(keep: bool = True) -> bool:
    """Let the C library keep large blocks that were freed, for the next tensor of their size.

    By default glibc gives blocks above 32 MiB back to the system at once, and every next one is filled page
    by page: a tenth to a sixth of a CPU's time for LEDNet at 512x1024 (benchmarks/training_step.py). The
    process then holds its peak memory until it ends.

    Args:
        keep: False returns to what glibc does by itself.

    Returns:
        Whether the C library has this setting; others than glibc do not.
    """
    import ctypes

    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    largest = 32 << 20  # to which glibc raises its threshold by itself
    return bool(
        mallopt(mmap_threshold, 1 << 30 if keep else largest)
        and mallopt(trim_threshold, 2**31 - 1 if keep else 2 * largest)
    )


def process_number(launcher: str) -> int:
    """Return the number of this process among those that a launcher started; 0 without one.

    Raises:
        InputError: the launcher did not start this process.
    """
    if launcher == "none":
        return 0
    missing = [name for name in LAUNCHED[launcher] if name not in os.environ]
    if missing:
        how = {"pytorch": "tools/dist_train.sh or torchrun", "slurm": "tools/slurm_train.sh", "mpi": "mpirun"}
        raise InputError(
            f"--launcher {launcher}: {missing[0]} is not set, so {how[launcher]} did not start this process: "
            "start it so, or leave --launcher out"
        )
    return int(os.environ[LAUNCHED[launcher][0]])


def count_gpus() -> int:
    """Return how many GPUs PyTorch can use.

    PyTorch takes seconds to import, so it is not asked where Linux has no driver of a GPU.
    """
    if sys.platform == "linux" and not any(map(os.path.exists, GPU_DRIVERS)):
        return 0
    import torch

    return torch.cuda.device_count()


def resolve_device(name: str) -> torch.device:
    """Return the device a user named.

    Args:
        name: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ``cuda:1`` ...

    Raises:
        InputError: no such device here.
    """
    import torch

    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"--device {name}: no such kind of device; use cpu, cuda or cuda:N") from None
    if device.type == "cuda":
        present = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= present:
            raise InputError(f"--device {name}: this machine has {present} GPUs that PyTorch can use")
        return torch.device("cuda", device.index or 0)
    if device.type != "cpu":
        raise InputError(f"--device {name}: use cpu, cuda or cuda:N")
    return device
