"""Learning rates as functions of the iteration, where MMEngine has no such schedule or another one.

MMEngine's ``LinearLR`` followed by ``PolyLR`` differs from the warm-up of the authors' code by one iteration
at both ends, so that the last iteration has a learning rate of 0 and changes nothing. Its
``CosineRestartLR`` is SGDR as published and is used as it is.
"""

from __future__ import annotations

import math
from typing import Any

from mmengine.optim.scheduler.lr_scheduler import LRSchedulerMixin
from mmengine.registry import PARAM_SCHEDULERS

from lednet_mm.errors import InputError
from lednet_mm.upstream.mmengine import ENDLESS, OpenSchedule


class FormulaSchedule(OpenSchedule):
    """A schedule whose value is the initial one times a factor of the number of steps done.

    A schedule by iterations can be given in epochs, with ``convert_to_iter_based=True`` as in MMEngine;
    subclasses name the arguments that are lengths in ``LENGTHS``.
    """

    LENGTHS: tuple[str, ...] = ()

    def factor(self, step: int) -> float:
        """Return the factor after ``step`` steps from ``begin`` on."""
        raise NotImplementedError

    def values(self) -> list[float]:
        """Return the value of each group of parameters."""
        return [base * self.factor(self.last_step) for base in self.base_values]

    @classmethod
    def build_iter_from_epoch(
        cls, *args: Any, begin: int = 0, end: int = ENDLESS, epoch_length: int, **kwargs: Any
    ) -> FormulaSchedule:
        """Build the schedule from lengths in epochs of ``epoch_length`` iterations."""
        lengths = {key: kwargs[key] * epoch_length for key in cls.LENGTHS if key in kwargs}
        if end != ENDLESS:
            end *= epoch_length
        changed = {**kwargs, **lengths, "begin": begin * epoch_length, "end": end, "by_epoch": False}
        return cls(*args, **changed)


@PARAM_SCHEDULERS.register_module()
class WarmupPolyLR(LRSchedulerMixin, FormulaSchedule):
    """Linear warm-up, then polynomial decay to 0, as in DABNet and Efficient-Segmentation-Networks.

    Up to iteration ``warmup``, the factor is ``start + (1 - start) * t / warmup``, and from there on
    ``(1 - (t - warmup) / (T - warmup))**power`` in a run of T iterations.

    Args:
        warmup: number of iterations of the warm-up.
        start: factor at the first iteration.
        power: exponent of the decay.
        args: optimiser, as the first positional argument.
        kwargs: further arguments of MMEngine's schedules.
    """

    LENGTHS = ("warmup",)
    eta_min = 0.0

    def __init__(
        self, *args: Any, warmup: int = 500, start: float = 1 / 3, power: float = 0.9, **kwargs: Any
    ) -> None:
        self.warmup = warmup
        self.start = start
        self.power = power
        super().__init__(*args, **kwargs)

    def factor(self, step: int) -> float:
        """Return the factor after ``step`` steps."""
        if step < self.warmup:
            return self.start + (1 - self.start) * step / self.warmup
        length = self.end - self.begin - self.warmup
        return (1 - (step - self.warmup) / length) ** self.power


@PARAM_SCHEDULERS.register_module()
class CyclicLR(LRSchedulerMixin, FormulaSchedule):
    """Cyclical learning rates (Smith, WACV 2017, arXiv:1506.01186): up and down in straight lines.

    The optimiser's learning rate is the upper boundary, and ``least`` times it the lower one. In cycle c
    (from 1) and with x from 0 at its ends to 1 in its middle, the rate is ``lower + (upper - lower) * x *
    scale``. The scale is 1 (policy ``triangular``), ``1 / 2**(c - 1)`` (``triangular2``) or ``gamma**t`` at
    iteration t (``exp_range``).

    Args:
        policy: ``triangular``, ``triangular2`` or ``exp_range``.
        half_cycle: number of iterations from one boundary to the other.
        least: lower boundary as a share of the upper one.
        gamma: base of ``exp_range``.
        args: optimiser, as the first positional argument.
        kwargs: further arguments of MMEngine's schedules.

    Raises:
        InputError: an unknown policy, or half a cycle is shorter than one iteration.
    """

    LENGTHS = ("half_cycle",)
    POLICIES = ("triangular", "triangular2", "exp_range")

    def __init__(
        self,
        *args: Any,
        policy: str,
        half_cycle: int,
        least: float = 1 / 6,
        gamma: float = 0.99994,
        **kwargs: Any,
    ) -> None:
        if policy not in self.POLICIES:
            raise InputError(f"CyclicLR: policy={policy!r} is not one of {', '.join(self.POLICIES)}")
        if half_cycle < 1:
            raise InputError(f"CyclicLR: half_cycle={half_cycle}: give at least one iteration")
        self.policy = policy
        self.half_cycle = half_cycle
        self.least = least
        self.gamma = gamma
        super().__init__(*args, **kwargs)

    def factor(self, step: int) -> float:
        """Return the factor after ``step`` steps."""
        cycle = math.floor(1 + step / (2 * self.half_cycle))
        height = max(0.0, 1 - abs(step / self.half_cycle - 2 * cycle + 1))
        scale = {"triangular": 1.0, "triangular2": 0.5 ** (cycle - 1), "exp_range": self.gamma**step}
        return self.least + (1 - self.least) * height * scale[self.policy]
