"""Latency of configs' networks as records: what is timed in which way, checked before it is timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.utils.dl_utils.parrots_wrapper import _BatchNorm
from torch import Tensor, nn

from lednet_mm.checkpoints.files import load_model
from lednet_mm.config import config_text, run_of
from lednet_mm.cost.complexity import Inference, build_network
from lednet_mm.cost.deploy import deploy
from lednet_mm.cost.device import Monitor, energy_per_call
from lednet_mm.cost.engines import ENGINES, Call, prepare_engine
from lednet_mm.cost.latency import Timing, doubts, measure, summarise
from lednet_mm.cost.memory import peak_memory
from lednet_mm.cost.precision import PRECISIONS, output_error, tolerance_for
from lednet_mm.cost.roofline import count_work, measure_ceilings, roofline
from lednet_mm.cost.runtimes import UnavailableError
from lednet_mm.environment import Threads
from lednet_mm.errors import InputError
from lednet_mm.records import Record, collect_provenance, file_sha256, new_record

TIMED = {
    "network": "normalised images to logits at input resolution",
    "prediction": "normalised images to class ids at input resolution",
}


@dataclass(frozen=True)
class Way:
    """How a network is run.

    Attributes:
        engine: key of ``engines.ENGINES``.
        precision: key of ``engines.PRECISIONS``.
        deployed: in its deployment form, or as trained.
    """

    engine: str = "eager"
    precision: str = "fp32"
    deployed: bool = False


@dataclass(frozen=True)
class Row:
    """What is timed: a config's network in one way."""

    config: str
    way: Way

    def __str__(self) -> str:
        form = ", deployed" if self.way.deployed else ""
        return f"{Path(self.config).stem}, {self.way.engine}, {self.way.precision}{form}"


@dataclass(frozen=True)
class Latencies:
    """What was timed.

    Attributes:
        records: row -> record, in the order asked for.
        left_out: row -> why it was not timed, in one line.
    """

    records: dict[Row, Record]
    left_out: dict[Row, str]

    @property
    def rows(self) -> list[Row]:
        """All rows asked for."""
        return [*self.records, *self.left_out]


class ClassIds(nn.Module):
    """A network whose answer is the class of the highest logit.

    Shapes: (N, 3, H, W) -> (N, H, W) int64.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Return the class ids."""
        return self.network(images).argmax(1)


def settle_statistics(model: nn.Module) -> None:
    """Give an untrained network the statistics of its maps, so that its outputs vary as a trained one's.

    With PyTorch's initial statistics the maps of a deep network fade to constants, and any engine would
    agree with any other on them.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        model(torch.randn(2, 3, 256, 256, generator=generator))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.eval()
        norm.momentum = momentum


def _network(config: Config, checkpoint: str | Path | None) -> nn.Module:
    """Build what is timed, in evaluation mode: trained, or the same random weights in every run."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build_network(config)
        if checkpoint:
            load_model(model, checkpoint)
        network = Inference(model)
        if not checkpoint:
            settle_statistics(network)
    return network


@dataclass(frozen=True)
class _Prepared:
    """A row that may be timed: its call, its network, how far its output is from eager fp32's and may be."""

    call: Call
    network: nn.Module
    error: float
    tolerance: float
    prepare_seconds: float


def latency_records(
    configs: Mapping[str, Config],
    *,
    shape: tuple[int, int],
    batch_size: int = 1,
    ways: Sequence[Way] = (Way(),),
    timed: str = "network",
    checkpoint: str | Path | None = None,
    device: torch.device,
    threads: Threads,
    samples: int = 100,
    seconds: float = 10.0,
    with_roofline: bool = False,
    advance: Callable[[str, float], None] = lambda step, done: None,
) -> Latencies:
    """Time several configs' networks in several ways, all interleaved.

    Args:
        configs: name -> config.
        shape: (height, width) of the images.
        batch_size: images a call.
        ways: engines, precisions and forms; each network is timed in all of them.
        timed: key of :data:`TIMED`.
        checkpoint: weights, where there is one config; else they are random.
        device: where they are timed.
        threads: those that were chosen for this process.
        samples: of each row.
        seconds: for each row, where that many samples would take longer.
        with_roofline: whether the device's ceilings are measured and the fraction reached is recorded.
        advance: called with what is done now and the share of it that is done.

    Raises:
        InputError: a network cannot be built, does not take the shape, or a checkpoint is given for several.
    """
    if checkpoint and len(configs) > 1:
        raise InputError(f"{checkpoint}: one checkpoint for {len(configs)} configs; give one config")
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(batch_size, 3, *shape, generator=generator).to(device)
    rows = [Row(name, way) for name, way in product(configs, ways)]
    ready: dict[Row, _Prepared] = {}
    left_out: dict[Row, str] = {}
    for name, config in configs.items():
        network = _network(config, checkpoint).to(device)
        expected = _eager_logits(network, images, config)
        tolerances = {p: tolerance_for(p, network, images, expected) for p in {w.precision for w in ways}}
        for row in (row for row in rows if row.config == name):
            advance(f"preparing {row}", (len(ready) + len(left_out)) / len(rows))
            try:
                ready[row] = _prepare(
                    row, network, images, expected, tolerances[row.way.precision], timed, threads.count
                )
            except UnavailableError as reason:
                left_out[row] = str(reason)
    timing = measure(
        {row: _synchronised(prepared.call, device) for row, prepared in ready.items()},
        min_samples=samples,
        max_seconds=seconds,
        read=Monitor(device).read,
        advance=lambda done: advance("timing", done),
    )
    ceilings = {
        precision: measure_ceilings(device, precision)
        for precision in sorted({row.way.precision for row in ready})
        if with_roofline
    }
    common = {
        "shape": list(shape),
        "batch_size": batch_size,
        "timed": TIMED[timed],
        "threads_reason": threads.reason,
        "machine": machine_summary(timing),
    }
    sha256 = file_sha256(checkpoint) if checkpoint else None
    records = {}
    for done, (row, prepared) in enumerate(ready.items()):
        advance("counting memory", done / len(ready))
        values, details = _row_values(row, prepared, timing, images)
        if with_roofline:
            work = count_work(prepared.network, (batch_size, 3, *shape), row.way.precision)
            ceiling = ceilings[row.way.precision]
            reached, details["roofline"] = roofline(work, ceiling, values["latency_ms_p50"])
            values.update(reached)
        config = configs[row.config]
        others = [str(other) for other in ready if other != row]
        records[row] = new_record(
            "latency",
            run_of(config),
            config_text(config),
            values,
            {**common, **details, "interleaved_with": others},
            _provenance(row.way, device, threads, sha256),
        )
    return Latencies(records, left_out)


def _eager_logits(network: nn.Module, images: Tensor, config: Config) -> Tensor:
    """Return what every row is compared with."""
    try:
        return prepare_engine("eager", network, images, "fp32", 0)().cpu()
    except (ValueError, RuntimeError) as error:
        reason = (str(error).strip() or "no message").splitlines()[0]
        shape = "x".join(map(str, images.shape))
        raise InputError(f"{config.filename}: fails on images of {shape}: {reason}") from error


def _prepare(
    row: Row,
    network: nn.Module,
    images: Tensor,
    expected: Tensor,
    tolerance: float,
    timed: str,
    threads: int,
) -> _Prepared:
    """Prepare a row and compare its output.

    Raises:
        UnavailableError: not to be had here, or its output is wrong.
    """
    begin = time.perf_counter()
    form = deploy(network) if row.way.deployed else network
    if timed == "prediction":
        form = ClassIds(form)
    call = prepare_engine(row.way.engine, form.eval(), images, row.way.precision, threads)
    try:
        error = output_error(call(), expected)
    except RuntimeError as fault:
        raise UnavailableError(f"fails: {(str(fault).strip() or 'no message').splitlines()[0]}") from fault
    if error > tolerance:
        raise UnavailableError(f"not timed: its output differs by {error:.1e} (tolerance {tolerance:.0e})")
    return _Prepared(call, form, error, tolerance, time.perf_counter() - begin)


def _synchronised(call: Call, device: torch.device) -> Call:
    if device.type != "cuda":
        return call

    def wait() -> None:
        call()
        torch.cuda.synchronize(device)

    return wait


def _row_values(
    row: Row, prepared: _Prepared, timing: Timing[Row], images: Tensor
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values and details that belong to one row."""
    seconds = timing.seconds[row]
    values = summarise(seconds)
    values["fps_p50"] *= len(images)
    reasons = doubts(seconds)
    if timing.disturbed:
        reasons.append("other processes used the machine")
    values["unstable"] = bool(reasons)
    engine = ENGINES[row.way.engine]
    if engine.allocates:
        values["peak_memory_bytes"] = peak_memory(
            prepared.call, prepared.network, images, PRECISIONS[row.way.precision]
        )
    energy = energy_per_call(_synchronised(prepared.call, images.device), images.device)
    if energy is not None:
        values["energy_joule"] = energy / len(images)
    details = {
        **asdict(row.way),
        "error": prepared.error,
        "tolerance": prepared.tolerance,
        "prepare_seconds": round(prepared.prepare_seconds, 3),
        "unstable_because": reasons,
        "samples_ms": [round(1000 * t, 4) for t in seconds],
    }
    del details["precision"]  # a record has it in its provenance
    return values, details


def machine_summary(timing: Timing[Any]) -> dict[str, Any]:
    """Return what the machine did while it was timed: each reading's least, median and largest value.

    ``blocks`` of rounds count, ``blocks_repeated`` were taken again because others used the machine;
    ``throttled`` counts the blocks in which a GPU named a reason.
    """
    counted = [reading for reading in timing.readings if reading["counts"]]
    summary: dict[str, Any] = {
        "blocks": len(counted),
        "blocks_repeated": len(timing.readings) - len(counted),
        "seconds": round(sum(reading["seconds"] for reading in timing.readings), 1),
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


def _provenance(way: Way, device: torch.device, threads: Threads, sha256: str | None) -> Any:
    provenance = collect_provenance(
        str(device), way.precision, threads=threads.count, checkpoint_sha256=sha256
    )
    library = ENGINES[way.engine].library
    if library is None:
        return provenance
    versions = {**provenance.versions, library: import_module(library).__version__}
    return provenance.model_copy(update={"versions": versions})
