"""Weights beside the trained ones: Lookahead, stochastic weight averaging and exponential moving averages.

They are part of every checkpoint, so a resumed run continues with them exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from torch import Tensor, nn
from torch.optim import swa_utils

from lednet_mm.checkpoints.files import load_state
from lednet_mm.datasets.reproducible import Draw, derive_seed
from lednet_mm.errors import InputError
from lednet_mm.training.rehearsal import random_states_kept
from lednet_mm.upstream.mmengine import accumulated_batches, bare

KEY = "beside_the_weights"
"""Key of a checkpoint under which hooks keep their tensors."""


class KeepingHook(Hook):
    """A hook with tensors of its own in every checkpoint, as a mapping under the name of its class."""

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Add the hook's tensors to a checkpoint."""
        if (kept := self.kept(runner)) is not None:
            checkpoint.setdefault(KEY, {})[type(self).__name__] = kept

    def kept(self, runner: Any) -> dict[str, Any] | None:
        """Return the content of the checkpoint for this hook; None if there is nothing to keep yet."""
        raise NotImplementedError

    def take_up(self, runner: Any, kept: Mapping[str, Any] | None, path: str) -> None:
        """Continue with what a checkpoint holds for this hook.

        Args:
            runner: the runner, in whose model the checkpoint's ``state_dict`` is loaded.
            kept: what :meth:`kept` returned; None if the checkpoint has nothing.
            path: path of the checkpoint.

        Raises:
            InputError: the content does not belong to this training.
        """
        raise NotImplementedError


def take_up(runner: Any, checkpoint: Mapping[str, Any], path: str) -> None:
    """Let every hook with tensors of its own continue from a checkpoint.

    Raises:
        InputError: the checkpoint lacks them, or they belong to another training.
    """
    found = checkpoint.get(KEY)
    found = found if isinstance(found, Mapping) else {}
    for hook in runner.hooks:
        if isinstance(hook, KeepingHook):
            kept = found.get(type(hook).__name__)
            if kept is not None and not isinstance(kept, Mapping):
                raise InputError(f"{path}: cannot be continued: its {KEY} is damaged")
            hook.take_up(runner, kept, path)


@HOOKS.register_module()
class LookaheadHook(KeepingHook):
    """Lookahead (Zhang et al., NeurIPS 2019, arXiv:1907.08610) around the recipe's optimiser.

    After every ``steps`` steps of the optimiser, slow weights move towards the trained ones by ``share`` of
    the way, and training continues from there. The slow weights begin as the initial weights.
    Efficient-Segmentation-Networks begins them after the first step.

    Args:
        steps: number of steps of the optimiser between two moves.
        share: share of the way.
    """

    priority = "ABOVE_NORMAL"  # before averages are updated and checkpoints are written

    def __init__(self, steps: int = 5, share: float = 0.5) -> None:
        if steps < 1 or not 0 < share <= 1:
            raise InputError(f"LookaheadHook: steps={steps}, share={share}: give 1 or more, and 0 to 1")
        self.steps = steps
        self.share = share
        self.slow: dict[str, Tensor] = {}

    def before_train(self, runner: Any) -> None:
        """Begin with the weights that are there."""
        if not self.slow:
            self.slow = {name: p.detach().clone() for name, p in _trained(runner)}

    @torch.no_grad()
    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Move the slow weights if it is due, and train on from them."""
        if (runner.iter + 1) % (self.steps * accumulated_batches(runner.optim_wrapper)):
            return
        for name, parameter in _trained(runner):
            self.slow[name].lerp_(parameter, self.share)
            parameter.copy_(self.slow[name])

    def kept(self, runner: Any) -> dict[str, Any]:
        """Return the slow weights."""
        return {name: tensor.cpu() for name, tensor in self.slow.items()}

    def take_up(self, runner: Any, kept: Mapping[str, Any] | None, path: str) -> None:
        """Continue with the slow weights of a checkpoint."""
        wanted = dict(_trained(runner))
        if kept is None or kept.keys() != wanted.keys():
            raise InputError(f"{path}: cannot be continued: it lacks Lookahead's slow weights")
        for name, parameter in wanted.items():
            tensor = kept[name]
            if (
                not isinstance(tensor, Tensor)
                or tensor.shape != parameter.shape
                or not tensor.isfinite().all()
            ):
                raise InputError(f"{path}: cannot be continued: Lookahead's {name} does not fit")
            self.slow[name] = tensor.to(parameter, copy=True)


def _trained(runner: Any) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, p) for name, p in bare(runner.model).named_parameters() if p.requires_grad)


@HOOKS.register_module()
class AveragingHook(KeepingHook):
    """Keep an average of the weights, validate with it, and write it as the weights of every checkpoint.

    The averages are PyTorch's (``torch.optim.swa_utils``):

    * ``swa``, the mean of the weights at the end of every ``epochs`` epochs (Izmailov et al., UAI 2018,
      arXiv:1803.05407). The statistics of batch normalisation are those of the training images under the
      averaged weights: they are computed anew before a validation or a checkpoint.
    * ``ema``, the exponential moving average of weights and statistics after each iteration.

    A checkpoint's ``state_dict`` is the average as soon as there is one, which tests and predictions then
    use; the trained weights are kept beside it, and a resumed training continues from those.

    Args:
        average: ``swa`` or ``ema``.
        begin: share of the run that is done before the average begins.
        epochs: number of epochs from one set of weights to the next (``swa``).
        decay: share of the average that stays at each iteration (``ema``).
        batches: number of training batches, at most one epoch, that give the new statistics (``swa``).
    """

    priority = "NORMAL"

    def __init__(
        self,
        average: Literal["swa", "ema"],
        begin: float = 0.0,
        epochs: float = 1.0,
        decay: float = 0.999,
        batches: int = 200,
    ) -> None:
        if average not in ("swa", "ema"):
            raise InputError(f"AveragingHook: average={average!r} is not swa or ema")
        if not 0 <= begin < 1 or epochs <= 0 or not 0 <= decay < 1 or batches < 1:
            raise InputError(
                f"AveragingHook: begin={begin}, epochs={epochs}, decay={decay}, batches={batches}: give "
                "begin and decay from 0 to below 1, epochs above 0, and 1 batch or more"
            )
        self.average = average
        self.begin = begin
        self.epochs = epochs
        self.decay = decay
        self.batches = batches
        self.averaged: swa_utils.AveragedModel | None = None
        self._trained: dict[str, Tensor] | None = None
        self._renewed_at = 0

    def before_train(self, runner: Any) -> None:
        """Make room for the average."""
        self._make(runner)

    def _make(self, runner: Any) -> swa_utils.AveragedModel:
        if self.averaged is None:
            how: dict[str, Any] = {}
            if self.average == "ema":
                how = {"multi_avg_fn": swa_utils.get_ema_multi_avg_fn(self.decay), "use_buffers": True}
            self.averaged = swa_utils.AveragedModel(bare(runner.model), **how)
        return self.averaged

    @property
    def number(self) -> int:
        """How many sets of weights are in the average."""
        return 0 if self.averaged is None else int(self.averaged.n_averaged)

    def interval(self, runner: Any) -> int:
        """Return how many iterations are from one set of weights to the next."""
        if self.average == "ema":
            return 1
        return max(1, round(self.epochs * len(runner.train_dataloader)))

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Add the weights to the average if it is due."""
        done = runner.iter + 1
        if done > self.begin * runner.max_iters and done % self.interval(runner) == 0:
            self._make(runner).update_parameters(bare(runner.model))

    def after_train(self, runner: Any) -> None:
        """Warn if the run was too short for an average."""
        if not self.number:
            runner.logger.warning(
                f"AveragingHook: no {self.average} average was made: the {runner.max_iters} iterations have "
                f"no multiple of {self.interval(runner)} after the share of {self.begin} at which it begins"
            )

    def before_val(self, runner: Any) -> None:
        """Put the average in the place of the trained weights."""
        if self.number:
            self._renew(runner)
            self._trained = _copy_of(bare(runner.model))
            bare(runner.model).load_state_dict(self._state())

    def after_val(self, runner: Any) -> None:
        """Put the trained weights back."""
        if self._trained is not None:
            bare(runner.model).load_state_dict(self._trained)
            self._trained = None

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Write the average as the weights, and the trained weights beside it."""
        super().before_save_checkpoint(runner, checkpoint)
        if self.number:
            checkpoint["state_dict"] = {name: tensor.cpu() for name, tensor in self._state().items()}

    def kept(self, runner: Any) -> dict[str, Any] | None:
        """Return the trained weights and the number of those in the average."""
        if not self.number:
            return None
        self._renew(runner)
        trained = self._trained or bare(runner.model).state_dict()  # in a validation they are set aside
        return {"trained": {name: t.cpu() for name, t in trained.items()}, "number": self.number}

    def take_up(self, runner: Any, kept: Mapping[str, Any] | None, path: str) -> None:
        """Continue with a checkpoint's average, and let the model train on from the trained weights."""
        averaged = self._make(runner)  # a copy of the model, in which the average is loaded
        if kept is None:
            return
        number, trained = kept.get("number"), kept.get("trained")
        if type(number) is not int or number < 1 or not isinstance(trained, Mapping):
            raise InputError(f"{path}: cannot be continued: it lacks the trained weights beside the average")
        averaged.n_averaged.fill_(number)
        self._renewed_at = number
        load_state(bare(runner.model), dict(trained), path)

    def _state(self) -> dict[str, Tensor]:
        assert self.averaged is not None
        return self.averaged.module.state_dict()

    def _renew(self, runner: Any) -> None:
        """Compute the statistics of batch normalisation under averaged weights, if they are not yet known."""
        if self.average != "swa" or self._renewed_at == self.number:
            return
        assert self.averaged is not None
        model = bare(runner.model)
        trained = self._trained or _copy_of(model)
        model.load_state_dict(self._state())
        was_training = model.training
        with random_states_kept():
            torch.manual_seed(derive_seed(runner.seed or 0, self.number))
            with torch.no_grad():
                swa_utils.update_bn(self._some_batches(runner, model), _Losses(model))
        self.averaged.module.load_state_dict(model.state_dict())
        model.load_state_dict(trained)
        model.train(was_training)
        self._renewed_at = self.number

    def _some_batches(self, runner: Any, model: Any) -> Iterator[tuple[dict[str, Any]]]:
        """Yield the same training batches each time, prepared for the model; one process reads them."""
        loader = runner.train_dataloader
        seed, images = runner.seed or 0, len(loader.dataset)
        order = np.random.default_rng(seed).permutation(images)
        draws = [Draw(int(index), derive_seed(seed, place)) for place, index in enumerate(order)]
        size = min(images, loader.batch_size or 1)
        for begin in range(0, min(images - size, (self.batches - 1) * size) + 1, size):
            samples = [loader.dataset[draw] for draw in draws[begin : begin + size]]
            yield (model.data_preprocessor(loader.collate_fn(samples), True),)


def _copy_of(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


class _Losses(nn.Module):
    """A model whose call computes the losses of prepared images, so that all heads see them."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, data: dict[str, Any]) -> Any:
        return self.model(**data, mode="loss")
