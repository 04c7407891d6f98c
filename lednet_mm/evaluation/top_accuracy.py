"""The metric of a classifier: how often the class is the best guess, or among the best five."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS
from torch import Tensor


@METRICS.register_module()
class TopAccuracy(BaseMetric):
    """Top-1 and top-5 accuracy in percent.

    Attributes:
        last: ``top1_percent`` and ``top5_percent`` of the last evaluation, and its number of ``images``.
    """

    last: Mapping[str, float] | None = None

    def process(self, data_batch: Mapping, data_samples: Sequence[Tensor]) -> None:
        """Keep the five best classes of a batch of images; the samples are their scores."""
        scores = torch.stack(list(data_samples)).float().cpu()
        labels = data_batch["labels"].cpu()
        best = scores.topk(min(5, scores.shape[1]), dim=1).indices
        self.results += (best == labels[:, None]).tolist()

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Return the percentages."""
        hits = torch.tensor(results, dtype=torch.double)
        top1, top5 = (100 * part.sum(1).mean().item() for part in (hits[:, :1], hits))
        self.last = {"top1_percent": top1, "top5_percent": top5, "images": len(results)}
        return {"top1": top1, "top5": top5}
