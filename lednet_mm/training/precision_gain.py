"""Whether a training in mixed precision on a CPU is faster than one in fp32: measured before it begins."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import torch

from lednet_mm.errors import InputError
from lednet_mm.timing.latency import measure, paired_ratio
from lednet_mm.training.mixed_precision import BFloat16OptimWrapper
from lednet_mm.training.rehearsal import DryOptimizer, as_it_was, batch_of
from lednet_mm.upstream.mmengine import bare

TIMED_STEPS = 10
"""Number of steps in fp32 and in bf16 from which the gain of bf16 is measured."""
TIMED_SECONDS = 5.0
"""Seconds for the steps of each precision if they take longer; the warm-up takes as long at most."""


def require_gain(runner: Any) -> None:
    """Time training steps in bf16 and in fp32, and refuse to begin a training that bf16 makes no faster.

    Some networks gain nothing, as their time goes to operators that autocast leaves in float32 or to the
    conversion of maps. Only a new training on a CPU is examined; one that continues keeps its precision.

    Args:
        runner: runner in which everything is built and loaded.

    Raises:
        InputError: the steps are not faster in bf16.
    """
    if not isinstance(runner.optim_wrapper, BFloat16OptimWrapper) or runner.iter:
        return
    model = bare(runner.model)
    loader = runner.train_dataloader
    samples = batch_of(loader)

    def step(mixed: bool) -> None:
        optimizer = DryOptimizer(runner.optim_wrapper, mixed)
        model.train_step(loader.collate_fn(copy.deepcopy(samples)), optim_wrapper=optimizer)
        for parameter in model.parameters():
            parameter.grad = None

    with as_it_was(model), torch.enable_grad():
        model.train()
        steps = {"fp32": partial(step, False), "bf16": partial(step, True)}
        seconds = measure(steps, min_samples=TIMED_STEPS, max_seconds=TIMED_SECONDS, patience=1.0).seconds
    ratio, low, high = paired_ratio(seconds["fp32"], seconds["bf16"])
    measured = f"{ratio:.2f} times as fast as one in fp32 (95% interval {low:.2f} to {high:.2f})"
    if ratio <= 1.0:
        raise InputError(f"--amp gains nothing here: a training step in bf16 is {measured}: leave --amp out")
    runner.logger.info(f"bf16: a training step is {measured}")
