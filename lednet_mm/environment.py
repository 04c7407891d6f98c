"""Set up the process: CPU threads, the OpenMP wait policy, devices, and quiet imports.

Training on a CPU becomes very slow when its threads spin while another process uses one of the cores (15 s
per iteration instead of 0.5 s). So the number of threads follows from the free cores, and waiting threads
sleep.
"""

from __future__ import annotations

import gc
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
    # MMSegmentation's advice about its own heads, whose configs are taken as they are.
    ".*``build_pixel_sampler`` would be deprecated.*",
    "For binary segmentation, we suggest.*",
    "In MMCV v1.4.4, we modified the default value.*",
)
"""Library warnings that do not concern users of this project, as regular expressions."""


GPU_DRIVERS = ("/proc/driver/nvidia", "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/dxg", "/dev/kfd")
"""Files that the GPU drivers of NVIDIA, AMD and the Windows subsystem create on Linux."""

LAUNCHED = {
    "pytorch": ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"),
    "slurm": ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_NODELIST"),
    "mpi": ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"),
}
"""The environment variables that each launcher sets; the first of them is the process's rank."""


@dataclass(frozen=True)
class Threads:
    """The threads chosen for a process.

    Attributes:
        count: number of threads that PyTorch's operators use.
        cores: number of cores that this process may use.
        wait_policy: OpenMP's wait policy; with PASSIVE, waiting threads sleep.
        reason: reason for this count, in words.
    """

    count: int
    cores: int
    wait_policy: str
    reason: str


def prepare() -> None:
    """Set the environment variables that PyTorch's OpenMP reads on start, and silence library warnings.

    Variables that the user has set stay as they are.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # 5 reports every start and stop of a profile
    for noise in NOISE:
        warnings.filterwarnings("ignore", message=noise)


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Collect no garbage: that would disturb a timing, and search objects that stay again and again."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


@contextmanager
def quiet_imports() -> Iterator[None]:
    """Discard what libraries print while they are imported, such as notes on missing optional parts."""
    with redirect_stdout(io.StringIO()):
        yield


def choose_threads(sample_seconds: float = 0.5) -> Threads:
    """Choose PyTorch's threads from the cores that are free now, and set them; subnormal numbers become zero.

    Weight decay leaves weights below 1e-38 in channels that nothing needs (half of CGNet's released ones),
    and arithmetic on such numbers takes a CPU 25 times as long.

    ``OMP_NUM_THREADS`` decides if it is set. Otherwise there is one thread per free core: the cores that this
    process may use minus those that other processes keep busy during the sample, but at least one.

    Args:
        sample_seconds: seconds for which the load is measured.
    """
    import psutil
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    policy = os.environ.get("OMP_WAIT_POLICY", "")
    fixed = os.environ.get("OMP_NUM_THREADS", "")
    if fixed.isdigit() and int(fixed) > 0:
        count, reason = int(fixed), "OMP_NUM_THREADS"
    else:
        # cpu_percent covers all cores of the machine, of which this process may use only some.
        busy = psutil.cpu_percent(interval=sample_seconds) / 100 * (psutil.cpu_count() or cores)
        count = max(1, min(cores, cores - round(busy)))
        reason = f"{busy:.1f} of {cores} cores busy elsewhere"
    torch.set_flush_denormal(True)  # set before the threads start, because they inherit it
    torch.set_num_threads(count)
    return Threads(count, cores, policy, reason)


def keep_freed_memory(keep: bool = True) -> bool:
    """Let the C library keep large freed blocks of memory for the next tensor of their size.

    By default glibc returns blocks above 32 MiB to the system at once, and the system then maps every new
    block page by page. For LEDNet at 512x1024 this takes a tenth to a sixth of the CPU time
    (benchmarks/training_step.py). With this setting the process holds its peak memory until it ends.

    Args:
        keep: whether to keep freed blocks; False restores glibc's default.

    Returns:
        Whether the C library has this setting, which only glibc does.
    """
    import ctypes

    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    largest = 32 << 20  # the largest threshold that glibc sets by itself
    return bool(
        mallopt(mmap_threshold, 1 << 30 if keep else largest)
        and mallopt(trim_threshold, 2**31 - 1 if keep else 2 * largest)
    )


def process_number(launcher: str) -> int:
    """Return the rank of this process among those that a launcher started; 0 without a launcher.

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

    PyTorch takes seconds to import, so it is not asked if Linux has no GPU driver.
    """
    if sys.platform == "linux" and not any(map(os.path.exists, GPU_DRIVERS)):
        return 0
    import torch

    return torch.cuda.device_count()


def resolve_device(name: str) -> torch.device:
    """Return the device that a user named.

    Args:
        name: name of the device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ``cuda:1`` ...

    Raises:
        InputError: this machine has no such device.
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
