"""Training: the runner and its hooks, registered in mmengine."""

from lednet_mm.training import checkpointing, hooks
from lednet_mm.training.runner import ReproducibleRunner

__all__ = ["ReproducibleRunner", "checkpointing", "hooks"]
