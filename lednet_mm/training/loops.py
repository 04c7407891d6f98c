"""The epoch-based training loop, exact on resume and able to read endless samplers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from mmengine.runner import EpochBasedTrainLoop

from lednet_mm.upstream.mmengine import set_progress


class EpochLoop(EpochBasedTrainLoop):
    """mmengine's epoch-based loop of ``len(dataloader)`` iterations in each epoch, with the same arguments.

    A sampler without an end (``ReproducibleSampler``) is read on from epoch to epoch, so every batch is full.
    A run that was cut off within an epoch continues there: the number of iterations done gives the position.
    """

    _stream: Iterator[Any] | None = None

    def run(self) -> Any:
        """Train the remaining epochs."""
        set_progress(self, self.iter, self.iter // len(self.dataloader))
        return super().run()

    def run_epoch(self) -> None:
        """Train the remaining iterations of one epoch."""
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        for index, batch in self._batches(self.iter % len(self.dataloader)):
            self.run_iter(index, batch)
        self.runner.call_hook("after_train_epoch")
        set_progress(self, self.iter, self.epoch + 1)

    def _batches(self, begin: int) -> Iterator[tuple[int, Any]]:
        """Yield the batches of this epoch from number ``begin`` on, with their numbers."""
        sampler: Any = self.dataloader.sampler
        if not hasattr(sampler, "skip"):  # finite: mmengine shuffles it anew for each epoch
            return islice(enumerate(self.dataloader), begin, None)
        if self._stream is None:
            sampler.skip(self.iter * (self.dataloader.batch_size or 1))
            self._stream = iter(self.dataloader)
        return zip(range(begin, len(self.dataloader)), self._stream, strict=False)
