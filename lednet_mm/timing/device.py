"""The state of the machine during a timing: other processes, clocks, temperature, throttling, energy."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

FREQUENCIES = "/sys/devices/system/cpu/cpu{}/cpufreq/scaling_cur_freq"

# NVML's bits of "clocks event reasons" that slow a GPU down, without those for idle and application clocks.
THROTTLING = {
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x20: "temperature (software)",
    0x40: "temperature (hardware)",
    0x80: "power brake",
}


class Monitor:
    """Reads the state of the machine between blocks of samples.

    Args:
        device: device that is timed. For a CPU, load, frequency and temperature of its cores are read; for a
            GPU, the values from NVML (``nvidia-ml-py``). Values that a machine does not offer are left out.
    """

    def __init__(self, device: torch.device) -> None:
        self.gpu = nvml_handle(device) if device.type == "cuda" else None
        affinity = getattr(os, "sched_getaffinity", None)
        self.cores = sorted(affinity(0)) if affinity else list(range(os.cpu_count() or 1))
        self._last = self._times()

    def _times(self) -> tuple[float, float, float]:
        """Return (now, seconds for which our cores were busy, seconds of these used by this process)."""
        every = psutil.cpu_times(percpu=True)
        busy = 0.0
        for core in self.cores:
            times = every[core]._asdict()
            # On Linux, user and nice already include the time of guests.
            busy += sum(times.get(k, 0.0) for k in ("user", "nice", "system", "irq", "softirq", "steal"))
        return time.perf_counter(), busy, time.process_time()

    def read(self) -> dict[str, Any]:
        """Return the machine's state since the last call.

        ``busy_elsewhere`` is the share of this process's cores that others used, including the time that a
        hypervisor took ("steal"). ``cpu_mhz`` and ``cpu_celsius`` describe the CPU; ``sm_mhz``,
        ``memory_mhz``, ``celsius``, ``watt`` and ``throttled``, a list of reasons, describe a GPU.
        """
        now, busy, own = self._times()
        before, busy_before, own_before = self._last
        others = (busy - busy_before) - (own - own_before)
        share = others / max(1e-9, (now - before) * len(self.cores))
        state: dict[str, Any] = {"busy_elsewhere": round(min(1.0, max(0.0, share)), 3)}
        if mhz := self._mhz():
            state["cpu_mhz"] = round(mhz)
        if (celsius := _cpu_celsius()) is not None:
            state["cpu_celsius"] = celsius
        if self.gpu is not None:
            state.update(_gpu_state(self.gpu))
        self._last = self._times()
        return state

    def _mhz(self) -> float | None:
        try:
            return sum(float(Path(FREQUENCIES.format(c)).read_text()) / 1000 for c in self.cores) / len(
                self.cores
            )
        except (OSError, ValueError):
            pass
        frequency = psutil.cpu_freq() if hasattr(psutil, "cpu_freq") else None
        return frequency.current if frequency else None


def _cpu_celsius() -> float | None:
    ask = getattr(psutil, "sensors_temperatures", None)  # Linux and FreeBSD only
    sensors = ask() if ask else {}
    found = [entry.current for name in ("coretemp", "k10temp") for entry in sensors.get(name, [])]
    return max(found, default=None)


def nvml_handle(device: torch.device) -> Any:
    """Return NVML's handle of a GPU; None if ``nvidia-ml-py`` or NVML is missing."""
    try:
        import pynvml

        pynvml.nvmlInit()
        # Look it up by UUID: CUDA_VISIBLE_DEVICES renumbers PyTorch's devices but not NVML's.
        uuid = str(torch.cuda.get_device_properties(device).uuid)
        return pynvml.nvmlDeviceGetHandleByUUID(uuid if uuid.startswith("GPU-") else f"GPU-{uuid}")
    except ImportError:
        return None
    except pynvml.NVMLError:
        return None


def _gpu_state(handle: Any) -> dict[str, Any]:
    import pynvml

    state: dict[str, Any] = {}

    def add(key: str, ask: Any) -> None:
        with suppress(pynvml.NVMLError):  # this GPU does not offer the value
            state[key] = ask()

    add("sm_mhz", lambda: pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM))
    add("memory_mhz", lambda: pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_MEM))
    add("celsius", lambda: pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))
    add("watt", lambda: pynvml.nvmlDeviceGetPowerUsage(handle) / 1000)
    add("throttled", lambda: throttle_reasons(pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)))
    return state


def throttle_reasons(bits: int) -> list[str]:
    """Return the reasons why a GPU is slowed down, from NVML's bits."""
    return [reason for bit, reason in THROTTLING.items() if bits & bit]


def energy_per_call(call: Any, device: torch.device, seconds: float = 2.0) -> float | None:
    """Return the energy of one call in joules, for the whole board; None if NVML does not measure it.

    Args:
        call: one synchronised call.
        device: GPU; GPUs since Volta count their energy.
        seconds: seconds for which the call is repeated, as the counter is updated every 20 to 100 ms.
    """
    if device.type != "cuda" or (handle := nvml_handle(device)) is None:
        return None
    import pynvml

    try:
        calls, end = 0, time.perf_counter() + seconds
        before = pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)  # millijoule
        while time.perf_counter() < end:
            call()
            calls += 1
        return (pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) - before) / 1000 / calls
    except pynvml.NVMLError:
        return None


def summarise_readings(readings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the least, median and largest value of each reading during a timing.

    Args:
        readings: readings of a ``latency.Timing``.

    ``blocks`` is the number of blocks that count, and ``blocks_repeated`` the number of those that were taken
    again because other processes used the machine. ``throttled`` gives for each reason the number of blocks
    in which a GPU reported it.
    """
    counted = [reading for reading in readings if reading["counts"]]
    summary: dict[str, Any] = {
        "blocks": len(counted),
        "blocks_repeated": len(readings) - len(counted),
        "seconds": round(sum(reading["seconds"] for reading in readings), 1),
    }
    known = {key for reading in counted for key in reading} - {"at_seconds", "seconds", "rounds", "counts"}
    for key in sorted(known - {"throttled"}):
        found = np.array([reading[key] for reading in counted if key in reading])
        summary[key] = {"min": found.min(), "median": np.median(found), "max": found.max()}
    if "throttled" in known:
        summary["throttled"] = _count(r for reading in counted for r in reading.get("throttled", ()))
    return summary


def _count(names: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return counts
