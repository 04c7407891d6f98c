"""What the machine does while it is timed: other processes, clocks, temperature, throttling, energy."""

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

# NVML's bits of "clocks event reasons" that slow a GPU down; idle and application clocks are not among them.
THROTTLING = {
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x20: "temperature (software)",
    0x40: "temperature (hardware)",
    0x80: "power brake",
}


class Monitor:
    """Reads the machine between blocks of samples.

    Args:
        device: that is timed; of a CPU its cores' load, frequency and temperature are read, of a GPU what
            NVML (``nvidia-ml-py``) tells. What a machine does not tell is left out.
    """

    def __init__(self, device: torch.device) -> None:
        self.gpu = nvml_handle(device) if device.type == "cuda" else None
        affinity = getattr(os, "sched_getaffinity", None)
        self.cores = sorted(affinity(0)) if affinity else list(range(os.cpu_count() or 1))
        self._last = self._times()

    def _times(self) -> tuple[float, float, float]:
        """Return (now, seconds our cores were busy, seconds of that by this process)."""
        every = psutil.cpu_times(percpu=True)
        busy = 0.0
        for core in self.cores:
            times = every[core]._asdict()
            # Linux counts a guest's time in user and nice already.
            busy += sum(times.get(k, 0.0) for k in ("user", "nice", "system", "irq", "softirq", "steal"))
        return time.perf_counter(), busy, time.process_time()

    def read(self) -> dict[str, Any]:
        """Return the state since the last call.

        ``busy_elsewhere``: share of this process's cores that others used (the hypervisor's steal is one of
        them); ``cpu_mhz``, ``cpu_celsius``; of a GPU ``sm_mhz``, ``memory_mhz``, ``celsius``, ``watt`` and
        ``throttled``, a list of reasons.
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
    """Return NVML's handle of a GPU; None where ``nvidia-ml-py`` or NVML is missing."""
    try:
        import pynvml

        pynvml.nvmlInit()
        # By UUID: CUDA_VISIBLE_DEVICES renumbers PyTorch's devices and not NVML's.
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
        with suppress(pynvml.NVMLError):  # this GPU does not tell
            state[key] = ask()

    add("sm_mhz", lambda: pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM))
    add("memory_mhz", lambda: pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_MEM))
    add("celsius", lambda: pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))
    add("watt", lambda: pynvml.nvmlDeviceGetPowerUsage(handle) / 1000)
    add("throttled", lambda: throttle_reasons(pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)))
    return state


def throttle_reasons(bits: int) -> list[str]:
    """Name what slows a GPU down, from NVML's bits."""
    return [reason for bit, reason in THROTTLING.items() if bits & bit]


def energy_per_call(call: Any, device: torch.device, seconds: float = 2.0) -> float | None:
    """Return the energy of one call in joule, of the whole board; None where NVML does not tell.

    Args:
        call: one synchronised call.
        device: a GPU; from Volta on it counts its energy.
        seconds: how long the call is repeated; the counter moves every 20 to 100 ms.
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
    """Return what the machine did while it was timed: each reading's least, median and largest value.

    Args:
        readings: of ``latency.Timing``.

    ``blocks`` of rounds count, ``blocks_repeated`` were taken again because others used the machine;
    ``throttled`` counts the blocks in which a GPU named a reason.
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
