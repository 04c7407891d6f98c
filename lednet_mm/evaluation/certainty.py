"""What a network's scores say about each pixel: the class, and how certain it is."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Certainty = Literal["confidence", "entropy"]


def class_ids(scores: Tensor, threshold: float = 0.5) -> Tensor:
    """Return the class with the highest score; with a single score, class 1 where it is above the threshold.

    Args:
        scores: (C, H, W) logits; or (1, H, W) probabilities of the second of two classes.
        threshold: smallest probability of that class.

    Returns:
        (H, W) uint8.
    """
    if len(scores) == 1:
        return (scores[0] > threshold).to(torch.uint8)
    return scores.argmax(0).to(torch.uint8)


def certainty(scores: Tensor, measure: Certainty) -> Tensor:
    """Return the highest softmax probability (``confidence``), or the entropy of the probabilities.

    Args:
        scores: (C, H, W) logits; or (1, H, W) probabilities of the second of two classes.
        measure: ``confidence``, from 1/C to 1; or ``entropy``, divided by the logarithm of C, so that it is 0
            if the network is certain of one class and 1 if all classes are equally probable.

    Returns:
        (H, W) float32.
    """
    if len(scores) == 1:
        logs = torch.cat([1 - scores, scores]).float().clamp(min=1e-30).log()
    else:
        logs = F.log_softmax(scores.float(), 0)
    if measure == "confidence":
        return logs.amax(0).exp()
    return -(logs.exp() * logs).sum(0) / math.log(len(logs))
