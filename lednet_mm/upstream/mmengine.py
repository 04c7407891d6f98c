"""MMEngine: the private state of a runner, a schedule and an optimiser, and the position of a loop."""

from __future__ import annotations

from typing import Any

from mmengine.model import is_model_wrapper
from mmengine.optim.scheduler.param_scheduler import INF, _ParamScheduler
from mmengine.runner import BaseLoop, Runner

ENDLESS = INF
"""MMEngine's value of a schedule's ``end`` that means "never"."""


_timestamps: set[str] = set()
"""The timestamps of all runners of this process."""


class OpenRunner(Runner):
    """mmengine's ``Runner`` with documented names for its private attributes and methods."""

    _timestamp: str

    def setup_env(self, env_cfg: dict) -> None:
        """Set up the process, and give the runner a timestamp that no other runner of the process has.

        mmengine's counts seconds, and runners of the same second would share a logger and its file.
        """
        super().setup_env(env_cfg)
        stamp, count = self._timestamp, 1
        while self._timestamp in _timestamps:
            count += 1
            self._timestamp = f"{stamp}_{count}"
        _timestamps.add(self._timestamp)

    @property
    def has_loaded(self) -> bool:
        """Whether weights are loaded; mmengine does not load them a second time."""
        return self._has_loaded

    @has_loaded.setter
    def has_loaded(self, loaded: bool) -> None:
        self._has_loaded = loaded

    @property
    def first_weights(self) -> str | None:
        """The checkpoint named by ``load_from``; None if there is none."""
        return None if self._load_from is None else str(self._load_from)

    @property
    def is_resumed(self) -> bool:
        """Whether an earlier training is to be continued."""
        return self._resume

    @property
    def is_training(self) -> bool:
        """Whether the training loop has been built; otherwise, weights are validated or tested."""
        return isinstance(self._train_loop, BaseLoop)

    def before_loop(self, step: str) -> None:
        """Do what is due after everything is built and loaded, just before a loop begins.

        Args:
            step: name of the model's method that the loop calls: ``train_step``, ``val_step`` or
                ``test_step``.
        """
        super()._maybe_compile(step)

    def _maybe_compile(self, target: str) -> None:
        self.before_loop(target)


def bare(model: Any) -> Any:
    """Return a model without the wrapper of parallel training, if it has one."""
    return model.module if is_model_wrapper(model) else model


def set_progress(loop: Any, iterations: int, epochs: int) -> None:
    """Set how many iterations and epochs of a training loop are done."""
    loop._iter, loop._epoch = iterations, epochs


class OpenSchedule(_ParamScheduler):
    """mmengine's base of schedules with a documented name for the method that a subclass defines.

    Attributes:
        last_step: number of steps since ``begin``.
        base_values: initial value of each group of parameters.
    """

    def values(self) -> list[float]:
        """Return the value of each group of parameters after ``last_step`` steps."""
        raise NotImplementedError

    def _get_value(self) -> list[float]:
        return self.values()


def accumulated_batches(wrapper: Any) -> int:
    """Return the number of batches whose gradients an optimiser wrapper adds up for one step."""
    return int(getattr(wrapper, "_accumulative_counts", 1))
