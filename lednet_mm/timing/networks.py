"""Latency records of configs' networks: each row is prepared on its backend, checked, then timed.

Before a network is timed, its output is compared with that of plain PyTorch in float32.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor, nn

from lednet_mm.checkpoints.files import load_model
from lednet_mm.config import config_text, run_of
from lednet_mm.counting.memory import peak_memory
from lednet_mm.counting.roofline import count_work, measure_ceilings, roofline
from lednet_mm.datasets.preparation import resizing_of
from lednet_mm.deployment.camera import CameraIds, FromCamera, built_for_timing
from lednet_mm.deployment.deploy import deploy
from lednet_mm.deployment.inference import REFUSALS, Inference, build_network, input_channels
from lednet_mm.deployment.precisions import INT8, INT8_TOLERANCE
from lednet_mm.deployment.quantisation import Quantised, with_class_ids
from lednet_mm.deployment.rounding import dtype_of, output_error, tolerance_for
from lednet_mm.environment import Threads
from lednet_mm.errors import InputError, describe_error
from lednet_mm.files import file_sha256
from lednet_mm.record_format import Calibration
from lednet_mm.records import Record, collect_provenance, new_record
from lednet_mm.timing.backends import ENGINES, TIMED, Backend, Row
from lednet_mm.timing.device import Monitor, energy_per_call, summarise_readings
from lednet_mm.timing.engines import prepare_engine, with_library
from lednet_mm.timing.latency import Timing, instability_reasons, measure, summarise
from lednet_mm.timing.runtimes import Call, UnavailableError
from lednet_mm.upstream.pytorch import BATCH_NORMS

LEAST_FOR_ENERGY = 2.0
"""Seconds per row below which a GPU's energy is not measured, because its counter is too coarse."""


class ClassIds(nn.Module):
    """A network that returns the class with the highest logit.

    Shapes: (N, C, H, W) -> (N, H, W) int64.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Return the class ids."""
        return self.network(images).argmax(1)


def settle_statistics(network: nn.Module) -> None:
    """Give an untrained network's normalisation the statistics of its maps, so that its outputs vary.

    With PyTorch's initial statistics, the maps of a deep network fade to constants, on which any engine would
    agree with any other.
    """
    norms = [module for module in network.modules() if isinstance(module, BATCH_NORMS)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        network(torch.randn(2, input_channels(network), 256, 256, generator=generator))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.eval()
        norm.momentum = momentum


def build_for_timing(config: Config, checkpoint: str | Path | None) -> nn.Module:
    """Build a config's network for timing, in evaluation mode, with trained or reproducible random weights.

    Raises:
        InputError: the network cannot be built, or the checkpoint does not belong to it.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build_network(config)
        if checkpoint:
            load_model(model, checkpoint, config)
        network = Inference(model)
        if not checkpoint:
            try:
                settle_statistics(network)
            except REFUSALS as error:
                reason = describe_error(error)
                raise InputError(f"{config.filename}: fails on images of 256x256: {reason}") from error
    return network


@dataclass(frozen=True)
class Prepared:
    """A row that can be timed, with its error against eager fp32 and the time of its preparation.

    ``calibration`` says what an INT8 network was calibrated on.
    """

    call: Call
    network: nn.Module
    error: float
    tolerance: float
    prepare_seconds: float
    calibration: Calibration | None = None


def eager_logits(network: nn.Module, images: Tensor, config: Config) -> Tensor:
    """Return the eager fp32 logits against which every other row is checked."""
    try:
        return prepare_engine("eager", network, images, "fp32", 0)().cpu()
    except REFUSALS as error:
        shape, reason = "x".join(map(str, images.shape)), describe_error(error)
        raise InputError(f"{config.filename}: fails on images of {shape}: {reason}") from error


def prepare_row(
    row: Row,
    forms: dict[bool, nn.Module],
    images: Tensor,
    expected: Tensor,
    tolerance: float,
    subject: Subject,
    threads: int,
    int8: Callable[[], Quantised] | None = None,
) -> Prepared:
    """Prepare a row and check its output.

    Args:
        row: the row to prepare.
        forms: the row's network under False; its deployment form is added under True when it is first needed.
        images: (N, C, H, W) float32; or (N, H, W, C) uint8.
        expected: (N, classes, H, W), logits of the network.
        tolerance: largest accepted ``rounding.output_error``.
        subject: what is timed of the network.
        threads: number of threads on a CPU.
        int8: function that returns the INT8 version of the network's deployment form.

    Raises:
        UnavailableError: the backend is not available here, or its output is wrong.
    """
    begin = time.perf_counter()
    try:
        if row.backend.deployed and True not in forms:
            forms[True] = deploy(forms[False])
    except REFUSALS as fault:
        raise UnavailableError(f"no deployment form: {describe_error(fault)}") from fault
    form = subject.finish(forms[row.backend.deployed])
    what: nn.Module | bytes = form.eval()
    engine, precision = row.backend.engine, row.backend.precision
    calibration = None
    checked = images
    if precision == INT8:
        if int8 is None:
            raise UnavailableError("int8 needs trained weights, and images on which it is calibrated")
        if not row.backend.deployed:
            raise UnavailableError("int8 is made of the deployment form: --deployed")
        try:
            quantised = int8()
        except InputError as reason:
            raise UnavailableError(str(reason)) from reason
        what = subject.around(quantised.content, images)
        calibration = quantised.calibration
        # Other images may leave the calibrated ranges, so its output is checked on one that they cover.
        checked = subject.int8_image(quantised).to(images.device)
        expected = prepare_engine("eager", subject.to_logits(forms[False]), checked, "fp32", threads)().cpu()
    call = prepare_engine(engine, what, images, precision, threads)
    try:
        answer = call
        if checked is not images:
            fitting = subject.around(quantised.content, checked)
            answer = prepare_engine(engine, fitting, checked, precision, threads)
        error = output_error(answer(), expected)
    except REFUSALS as fault:
        raise UnavailableError(f"fails: {describe_error(fault)}") from fault
    if error > tolerance:
        raise UnavailableError(f"not timed: its output differs by {error:.1e} (tolerance {tolerance:.0e})")
    return Prepared(call, form, error, tolerance, time.perf_counter() - begin, calibration)


@dataclass(frozen=True)
class Latencies:
    """The result of timing several rows.

    Attributes:
        records: row -> record, in the order of the request.
        left_out: row -> why it was not timed, in one line.
        faults: config -> what is wrong with it, in one line; its rows are left out.
    """

    records: dict[Row, Record]
    left_out: dict[Row, str]
    faults: dict[str, str]

    @property
    def rows(self) -> list[Row]:
        """All requested rows."""
        return [*self.records, *self.left_out]


def latency_records(
    configs: Mapping[str, Config],
    *,
    shape: tuple[int, int],
    batch_size: int = 1,
    backends: Sequence[Backend] = (Backend(),),
    timed: str = "network",
    checkpoint: str | Path | None = None,
    device: torch.device,
    threads: Threads,
    samples: int = 100,
    seconds: float = 10.0,
    with_roofline: bool = False,
    int8: Callable[[], Quantised] | None = None,
    advance: Callable[[str, float], None] = lambda step, done: None,
) -> Latencies:
    """Time several configs' networks on several backends, all interleaved.

    If a config's network cannot be built or does not accept the images, the others are still timed.

    Args:
        configs: name -> config.
        shape: (height, width) of the images.
        batch_size: number of images in a call.
        backends: engines, precisions and forms; each network is timed on all of them.
        timed: key of :data:`TIMED`.
        checkpoint: weights of the network if there is only one config; None gives random weights.
        device: device on which the networks are timed.
        threads: number of threads of this process, with the reason for it.
        samples: number of samples of each row.
        seconds: seconds after which a row needs no further samples. See also :data:`LEAST_FOR_ENERGY`.
        with_roofline: whether to measure the device's ceilings and record the fraction that is reached.
        int8: function that returns the INT8 version of the deployment form of the only config's network;
            without it, rows in INT8 are left out.
        advance: function that is called with the current step and the share that is done.

    Raises:
        InputError: a checkpoint is given together with several configs.
    """
    if checkpoint and len(configs) > 1:
        raise InputError(f"{checkpoint}: this is one checkpoint for {len(configs)} configs: give one config")
    rows = [Row(name, backend) for name, backend in product(configs, backends)]
    images: dict[str, Tensor] = {}
    drawn: dict[int, Tensor] = {}  # by number of channels, so that networks share them
    ready: dict[Row, Prepared] = {}
    left_out: dict[Row, str] = {}
    faults: dict[str, str] = {}
    for name, config in configs.items():
        own = [row for row in rows if row.config == name]
        advance(f"preparing {Path(name).stem}", (len(ready) + len(left_out)) / len(rows))
        try:
            network = build_for_timing(config, checkpoint).to(device)
            channels = input_channels(network)
            if channels not in drawn:
                draw = random_frames if timed == "image" else random_images
                drawn[channels] = draw(batch_size, channels, shape).to(device)
            images[name] = drawn[channels]
            subject = subject_of(timed, network, config, channels)
            checked = subject.to_logits(network).to(device)
            expected = eager_logits(checked, images[name], config)
        except InputError as error:
            faults[name] = str(error)
            left_out.update(dict.fromkeys(own, str(error)))
            continue
        forms = {False: network}
        tolerances = {
            p: tolerance_for(p, checked, images[name], expected)
            for p in {b.precision for b in backends} - {INT8}
        }
        tolerances[INT8] = INT8_TOLERANCE
        for row in own:
            advance(f"preparing {row}", (len(ready) + len(left_out)) / len(rows))
            try:
                ready[row] = prepare_row(
                    row,
                    forms,
                    images[name],
                    expected,
                    tolerances[row.backend.precision],
                    subject,
                    threads.count,
                    int8,
                )
            except UnavailableError as reason:
                left_out[row] = str(reason)
    if not ready:
        return Latencies({}, left_out, faults)
    timing = measure(
        {row: _synchronised(prepared.call, device) for row, prepared in ready.items()},
        min_samples=samples,
        max_seconds=seconds,
        read=Monitor(device).read,
        advance=lambda done: advance("timing", done),
    )
    ceilings = {
        precision: measure_ceilings(device, precision)
        for precision in sorted({row.backend.precision for row in ready} - {INT8})
        if with_roofline
    }
    common = {
        "shape": list(shape),
        "batch_size": batch_size,
        "threads_reason": threads.reason,
        "machine": summarise_readings(timing.readings),
    }
    sha256 = file_sha256(checkpoint) if checkpoint else None
    records = {}
    for done, (row, prepared) in enumerate(ready.items()):
        advance("counting memory", done / len(ready))
        values, details = _row_values(row, prepared, timing, images[row.config], seconds >= LEAST_FOR_ENERGY)
        if row.backend.precision in ceilings:
            seen = images[row.config]
            kind = None if seen.is_floating_point() else seen.dtype
            work = count_work(prepared.network, seen.shape, row.backend.precision, kind)
            ceiling = ceilings[row.backend.precision]
            reached, details["roofline"] = roofline(work, ceiling, values["latency_ms_p50"])
            values.update(reached)
        config = configs[row.config]
        others = [str(other) for other in ready if other != row]
        records[row] = new_record(
            "latency",
            run_of(config),
            config_text(config),
            values,
            {
                **common,
                "timed": what_is_timed(timed, config, shape),
                "channels": images[row.config].shape[-1 if timed == "image" else 1],
                **details,
                "interleaved_with": others,
            },
            with_library(
                collect_provenance(
                    str(device), row.backend.precision, threads=threads.count, checkpoint_sha256=sha256
                ),
                row.backend.engine,
            ),
        )
    return Latencies(records, left_out, faults)


def random_images(batch_size: int, channels: int, shape: tuple[int, int]) -> Tensor:
    """Return the images on which networks are timed, the same in every run: (N, C, H, W) float32."""
    return torch.randn(batch_size, channels, *shape, generator=torch.Generator().manual_seed(0))


def random_frames(batch_size: int, channels: int, shape: tuple[int, int]) -> Tensor:
    """Return camera images on which networks are timed, the same in every run: (N, H, W, C) uint8."""
    generator = torch.Generator().manual_seed(0)
    size = (batch_size, *shape, channels)
    return torch.randint(0, 256, size, generator=generator, dtype=torch.uint8)


@dataclass(frozen=True)
class Subject:
    """What is timed of a network.

    Attributes:
        to_logits: function that turns the network into what gives the logits for the check.
        finish: function that turns the network, in either form, into what is timed.
        around: function that turns the INT8 file of the network into what is timed; it also takes the images.
        int8_image: function that returns an image that the calibrated ranges cover.
    """

    to_logits: Callable[[nn.Module], nn.Module]
    finish: Callable[[nn.Module], nn.Module]
    around: Callable[[bytes, Tensor], bytes]
    int8_image: Callable[[Quantised], Tensor]


def subject_of(timed: str, network: nn.Module, config: Config, channels: int) -> Subject:
    """Return what is timed of a network.

    Args:
        timed: key of ``backends.TIMED``.
        network: the network, an ``Inference``.
        config: config of the network.
        channels: number of channels of its images.

    Raises:
        InputError: the config's test pipeline cannot be timed.
    """
    if timed == "image":
        corners = bool(getattr(getattr(network, "model", None), "align_corners", False))

        def from_camera(form: nn.Module) -> FromCamera:
            device = next(network.parameters()).device
            return FromCamera(form, config, channels, corners).to(device).eval()

        def around(content: bytes, images: Tensor) -> bytes:
            ids = CameraIds(from_camera(nn.Identity())).cpu()
            return built_for_timing(content, ids, images.cpu())

        return Subject(
            from_camera, lambda form: CameraIds(from_camera(form)), around, lambda int8: int8.frame
        )
    if timed == "prediction":
        return Subject(_same, ClassIds, lambda content, _: with_class_ids(content), lambda int8: int8.image)
    return Subject(_same, _same, lambda content, _: content, lambda int8: int8.image)


def _same(form: nn.Module) -> nn.Module:
    return form


def what_is_timed(timed: str, config: Config, shape: tuple[int, int]) -> str:
    """Return what one timed call computes, in words; for camera images with the size inside."""
    resizing = resizing_of(config) if timed == "image" else None
    if resizing is None:
        return TIMED[timed]
    height, width = resizing.size(*shape)
    return f"{TIMED[timed]}; the network sees {height}x{width}"


def _synchronised(call: Call, device: torch.device) -> Callable[[], object]:
    if device.type != "cuda":
        return call

    def wait() -> None:
        call()
        torch.cuda.synchronize(device)

    return wait


def _row_values(
    row: Row, prepared: Prepared, timing: Timing[Row], images: Tensor, with_energy: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values and details of one row."""
    seconds = timing.seconds[row]
    values = summarise(seconds)
    values["fps_p50"] *= len(images)
    reasons = instability_reasons(seconds)
    if timing.disturbed:
        reasons.append("other processes used the machine")
    values["unstable"] = bool(reasons)
    engine = ENGINES[row.backend.engine]
    if engine.allocates:
        values["peak_memory_bytes"] = peak_memory(
            prepared.call, prepared.network, images, dtype_of(row.backend.precision)
        )
    # The energy counter is too coarse for less than two seconds.
    energy = (
        energy_per_call(_synchronised(prepared.call, images.device), images.device) if with_energy else None
    )
    if energy is not None:
        values["energy_joule"] = energy / len(images)
    details = {
        **asdict(row.backend),
        "error": prepared.error,
        "tolerance": prepared.tolerance,
        "prepare_seconds": round(prepared.prepare_seconds, 3),
        "unstable_because": reasons,
        "samples_ms": [round(1000 * t, 4) for t in seconds],
    }
    del details["precision"]  # the record's provenance has it
    if prepared.calibration is not None:
        details["calibration"] = prepared.calibration
    return values, details
