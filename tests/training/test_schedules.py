"""Learning rates, point by point, against the formulas of the papers and of PyTorch."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
from mmengine.registry import PARAM_SCHEDULERS
from torch import nn

import lednet_mm.register  # noqa: F401
from lednet_mm.catalog import option_files
from lednet_mm.config import Choice, load_config
from lednet_mm.errors import InputError

LR = 0.3


def rates(configs: list[dict], iterations: int, epoch_length: int = 10) -> list[float]:
    """Return the learning rate of each iteration of a run with these schedules."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=LR)
    schedules = [
        PARAM_SCHEDULERS.build(
            {"end": iterations, **config}, default_args={"optimizer": optimizer, "epoch_length": epoch_length}
        )
        for config in configs
    ]
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(iterations):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            for schedule in schedules:
                schedule.step()
    return found


def of_option(name: str) -> list[dict]:
    return load_config(Choice("lednet", "streets", f"common+{name}"), imports=False).param_scheduler


def warmup_poly(t: int, total: int, warmup: int) -> float:
    """WarmupPolyLR of DABNet and Efficient-Segmentation-Networks (utils/scheduler/lr_scheduler.py)."""
    if t <= warmup:
        alpha = t / warmup
        return LR * (1 / 3 * (1 - alpha) + alpha)
    return LR * (1 - (t - warmup) / (total - warmup)) ** 0.9


def test_warmup_poly():
    found = rates([dict(of_option("warmup_poly")[0])], 800)
    assert found == pytest.approx([warmup_poly(t, 800, 500) for t in range(800)], rel=1e-12)


def test_mmengine_warms_up_and_decays_one_iteration_too_fast():
    """Why WarmupPolyLR is ours: with MMEngine's two schedules, the last iteration changes nothing."""
    theirs = rates(
        [
            {"type": "LinearLR", "start_factor": 1 / 3, "by_epoch": False, "begin": 0, "end": 50},
            {"type": "PolyLR", "power": 0.9, "eta_min": 0.0, "by_epoch": False, "begin": 50},
        ],
        80,
    )
    assert theirs[49] == pytest.approx(LR)
    assert theirs[-1] == 0
    ours = rates([{"type": "WarmupPolyLR", "warmup": 50, "by_epoch": False}], 80)
    assert ours == pytest.approx([warmup_poly(t, 80, 50) for t in range(80)], rel=1e-12)
    assert ours[49] < LR
    assert ours[-1] > 0


def sgdr(t: int, first: int) -> float:
    """Loshchilov and Hutter, equation 5, with eta_min = 0 and T_mult = 2."""
    period = first
    while t >= period:
        t, period = t - period, 2 * period
    return LR * 0.5 * (1 + math.cos(math.pi * t / period))


def test_sgdr():
    found = rates(of_option("sgdr"), 1500, epoch_length=10)  # 20 epochs of 10, then 40, then 80
    assert found == pytest.approx([sgdr(t, 200) for t in range(1500)], abs=1e-12)
    assert [t for t in range(1, 1500) if found[t] > found[t - 1]] == [200, 600, 1400]


def test_sgdr_of_pytorch_is_the_same():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=LR)
    theirs = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 200, 2)
    found = []
    for _ in range(700):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    assert rates(of_option("sgdr"), 700) == pytest.approx(found, abs=1e-12)


def cyclic(t: int, half: int, policy: str) -> float:
    """Smith's code in section 3.2, with base_lr = LR / 6 and max_lr = LR; scaling as in section 3."""
    cycle = math.floor(1 + t / (2 * half))
    x = abs(t / half - 2 * cycle + 1)
    scale = {"triangular": 1, "triangular2": 1 / 2 ** (cycle - 1), "exp_range": 0.99994**t}[policy]
    return LR / 6 + (LR - LR / 6) * max(0, 1 - x) * scale


@pytest.mark.parametrize("policy", ["triangular", "triangular2", "exp_range"])
def test_cyclic(policy):
    found = rates(of_option(f"cyclic_{policy}"), 170, epoch_length=10)  # half a cycle is 2 epochs
    assert found == pytest.approx([cyclic(t, 20, policy) for t in range(170)], rel=1e-12)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=LR)
    theirs = torch.optim.lr_scheduler.CyclicLR(
        optimizer, LR / 6, LR, 20, mode=policy, gamma=0.99994, cycle_momentum=False
    )
    of_pytorch = []
    for _ in range(170):
        of_pytorch.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    assert found == pytest.approx(of_pytorch, rel=1e-9)


def test_what_is_no_cycle_is_refused():
    for wrong in ({"policy": "round"}, {"half_cycle": 0}):
        config = {"type": "CyclicLR", "policy": "triangular", "half_cycle": 3, "by_epoch": False, **wrong}
        with pytest.raises(InputError, match="CyclicLR"):
            rates([config], 10)


def test_every_schedule_of_an_option_is_tested_here():
    with_schedule = {name for name in option_files() if "param_scheduler" in option_files()[name].read_text()}
    tested = {"warmup_poly", "sgdr", *(f"cyclic_{p}" for p in ("triangular", "triangular2", "exp_range"))}
    assert with_schedule == tested
