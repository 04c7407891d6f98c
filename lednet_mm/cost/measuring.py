"""Measurements of a config's network as records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from mmengine.config import Config
from torch import nn

from lednet_mm.config import config_text, run_of
from lednet_mm.cost.complexity import Inference, build_network
from lednet_mm.cost.latency import measure, summarise
from lednet_mm.environment import Threads
from lednet_mm.records import Record, collect_provenance, new_record


def latency_records(
    configs: Mapping[str, Config],
    *,
    shape: tuple[int, int],
    batch_size: int = 1,
    device: torch.device,
    threads: Threads,
    samples: int = 100,
    seconds: float = 10.0,
    advance: Callable[[float], None] = lambda done: None,
) -> dict[str, Record]:
    """Time several configs' networks, interleaved.

    Args:
        configs: name -> config.
        shape: (height, width) of the images.
        batch_size: images a call.
        device: where they are timed.
        threads: those that were chosen for this process.
        samples: of each network.
        seconds: for each network at most.
        advance: called with the share done.

    Returns:
        name -> record.

    Raises:
        InputError: a network cannot be built.
    """
    images = torch.randn(batch_size, 3, *shape, device=device)
    networks = {name: Inference(build_network(config)).to(device) for name, config in configs.items()}

    def one_call(network: nn.Module) -> None:
        with torch.inference_mode():
            network(images)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    times = measure(
        {name: lambda network=network: one_call(network) for name, network in networks.items()},  # type: ignore[misc]
        min_samples=samples,
        max_seconds=seconds,
        advance=advance,
    )
    provenance = collect_provenance(str(device), threads=threads.count)
    records = {}
    for name, config in configs.items():
        values = summarise(times[name])
        values["fps_p50"] *= batch_size
        details = {
            "shape": list(shape),
            "batch_size": batch_size,
            "engine": "eager",
            "timed": "normalised images to logits at input resolution",
            "threads_reason": threads.reason,
            "interleaved_with": [Path(other).stem for other in configs if other != name],
            "samples_ms": [round(1000 * t, 4) for t in times[name]],
        }
        records[name] = new_record(
            "latency", run_of(config), config_text(config), values, details, provenance
        )
    return records
