"""Benchmarks of this project's own parts: time several implementations of one task and record the times."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lednet_mm.environment import Threads
from lednet_mm.records import Record, Run, collect_provenance, new_record
from lednet_mm.statistics import median_interval
from lednet_mm.timing.device import Monitor, summarise_readings
from lednet_mm.timing.latency import Timing, instability_reasons, measure

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Comparison:
    """Several implementations ("ways") of one task, timed in one run.

    Attributes:
        name: name of the benchmark.
        items: number of items that one call processes.
        unit: plural name of the items (``images``).
        timing: times of the ways; the first one is the reference for the others.
        device: device on which they ran.
    """

    name: str
    items: int
    unit: str
    timing: Timing[str]
    device: torch.device

    def table(self) -> str:
        """Return a line for each way: median with 95% interval, items per second, ratio to the first way."""
        lines = [f"{self.name:34} {'ms':>9} {'95% interval':>19} {self.unit + '/s':>12} {'ratio':>7}"]
        seconds = self.timing.seconds
        first = self._median(next(iter(seconds)))
        for way, samples in seconds.items():
            low, high = median_interval(1000 * samples)
            median = self._median(way)
            interval = f"{low:.2f} to {high:.2f}"
            rate = 1000 * self.items / median
            mark = "  unstable" if instability_reasons(samples) or self.timing.disturbed else ""
            lines.append(f"{way:34} {median:9.2f} {interval:>19} {rate:12.1f} {first / median:6.2f}x{mark}")
        return "\n".join(lines)

    def _median(self, way: str) -> float:
        return float(1000 * np.median(self.timing.seconds[way]))

    def record(self, threads: Threads, details: Mapping[str, Any]) -> Record:
        """Return the record: medians, ratios to the first way, and samples.

        Args:
            threads: number of threads of this process, with the reason for it.
            details: description of the data and settings of the comparison.
        """
        values: dict[str, Any] = {}
        first = self._median(next(iter(self.timing.seconds)))
        ways = {way: re.sub(r"\W+", "_", way.lower()) for way in self.timing.seconds}
        for way, samples in self.timing.seconds.items():
            key = ways[way]
            values[f"{key}_ms_p50"] = self._median(way)
            values[f"{key}_ms_p50_low"], values[f"{key}_ms_p50_high"] = median_interval(1000 * samples)
            values[f"{key}_ratio"] = first / self._median(way)
            values[f"{key}_unstable"] = bool(instability_reasons(samples)) or self.timing.disturbed
        samples_ms = {way: [round(1000 * t, 4) for t in s] for way, s in self.timing.seconds.items()}
        return new_record(
            "benchmark",
            Run(network="none", dataset="none", variant=self.name),
            "",
            values,
            {
                **details,
                "ways": ways,
                "items": self.items,
                "unit": self.unit,
                "threads_reason": threads.reason,
                "machine": summarise_readings(self.timing.readings),
                "samples_ms": samples_ms,
            },
            collect_provenance(str(self.device), threads=threads.count),
        )


def compare_ways(
    name: str,
    ways: Mapping[str, Callable[[], object]],
    items: int,
    unit: str,
    *,
    seconds: float,
    device: torch.device = CPU,
) -> Comparison:
    """Time several implementations of one task, interleaved, by the protocol for latencies.

    Args:
        name: name of the benchmark.
        ways: name -> one synchronised call; the first one is the reference for the others.
        items: number of items that one call processes.
        unit: plural name of the items.
        seconds: seconds for each way.
        device: device on which they run.
    """
    timing = measure(ways, min_samples=100, max_seconds=seconds, read=Monitor(device).read)
    return Comparison(name, items, unit, timing, device)
