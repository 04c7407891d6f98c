"""What is timed: a network on one backend, prepared and compared with plain PyTorch."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.utils.dl_utils.parrots_wrapper import _BatchNorm
from torch import Tensor, nn

from lednet_mm.checkpoints.files import load_model
from lednet_mm.cost.backends import Row
from lednet_mm.cost.deploy import deploy
from lednet_mm.cost.engines import Call, prepare_engine
from lednet_mm.cost.inference import REFUSALS, Inference, build_network, input_channels
from lednet_mm.cost.precision import output_error
from lednet_mm.cost.runtimes import UnavailableError
from lednet_mm.errors import InputError, describe_error


class ClassIds(nn.Module):
    """A network whose answer is the class of the highest logit.

    Shapes: (N, C, H, W) -> (N, H, W) int64.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Return the class ids."""
        return self.network(images).argmax(1)


def settle_statistics(network: nn.Module) -> None:
    """Give an untrained network the statistics of its maps, so that its outputs vary as a trained one's.

    With PyTorch's initial statistics the maps of a deep network fade to constants, and any engine would
    agree with any other on them.
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
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
    """Build what is timed, in evaluation mode: trained, or the same random weights in every run.

    Raises:
        InputError: it cannot be built, or the checkpoint is not one of it.
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
    """A row that may be timed: its call, its network, how far its output is from eager fp32's and may be."""

    call: Call
    network: nn.Module
    error: float
    tolerance: float
    prepare_seconds: float


def eager_logits(network: nn.Module, images: Tensor, config: Config) -> Tensor:
    """Return what every row is compared with."""
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
    timed: str,
    threads: int,
) -> Prepared:
    """Prepare a row and compare its output.

    Args:
        row: what is wanted.
        forms: the row's network under False; its deployment form is kept under True when first wanted.
        images: (N, C, H, W) float32.
        expected: (N, classes, H, W), the network's logits.
        tolerance: largest ``precision.output_error``.
        timed: key of ``backends.TIMED``.
        threads: of a CPU.

    Raises:
        UnavailableError: not to be had here, or its output is wrong.
    """
    begin = time.perf_counter()
    try:
        if row.backend.deployed and True not in forms:
            forms[True] = deploy(forms[False])
    except REFUSALS as fault:
        raise UnavailableError(f"no deployment form: {describe_error(fault)}") from fault
    form = forms[row.backend.deployed]
    if timed == "prediction":
        form = ClassIds(form)
    call = prepare_engine(row.backend.engine, form.eval(), images, row.backend.precision, threads)
    try:
        error = output_error(call(), expected)
    except REFUSALS as fault:
        raise UnavailableError(f"fails: {describe_error(fault)}") from fault
    if error > tolerance:
        raise UnavailableError(f"not timed: its output differs by {error:.1e} (tolerance {tolerance:.0e})")
    return Prepared(call, form, error, tolerance, time.perf_counter() - begin)
