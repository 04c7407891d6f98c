"""Calibration: whether a network that is 80% sure is right in 80% of the pixels.

Guo et al., On Calibration of Modern Neural Networks, ICML 2017 (arXiv:1706.04599). Pixels are sorted by their
confidence, the probability of the predicted class, into 15 bins of equal width. The counts add up over
images, so no pixels need to be sampled, and any set of images can be scored later.
"""

from __future__ import annotations

import numpy as np

BINS = 15
"""Number of confidence bins; bin i holds confidences above i / 15, up to (i + 1) / 15."""


def calibration_counts(confidence: np.ndarray, hits: np.ndarray) -> np.ndarray:
    """Count labelled pixels by their confidence.

    Args:
        confidence: (N,) confidences in [0, 1].
        hits: (N,) bool, whether the prediction is right.

    Returns:
        (3, 15) float64: number of pixels, sum of their confidences, and number of hits, for each bin.

    Raises:
        ValueError: a confidence is outside [0, 1] or NaN.
    """
    if confidence.size and not (confidence.min() >= 0 and confidence.max() <= 1 + 1e-5):
        raise ValueError(f"confidences are {confidence.min()} to {confidence.max()}; they must be 0 to 1")
    exact = np.minimum(confidence.astype(np.float64), 1)
    bins = np.clip(np.ceil(exact * BINS).astype(np.int64) - 1, 0, BINS - 1)
    return np.stack(
        [np.bincount(bins, weights, BINS).astype(np.float64) for weights in (None, exact, hits)], axis=0
    )


def calibration_scores(counts: np.ndarray) -> dict[str, float]:
    """Return the expected calibration error and the mean confidence in percent.

    The error is the mean of |accuracy - mean confidence| of a pixel's bin over all pixels.

    Args:
        counts: (3, 15), the sum of :func:`calibration_counts` over images.

    Returns:
        ``ece_percent`` and ``confidence_percent``; NaN if there are no pixels.
    """
    pixels, confidence, hits = counts
    if not pixels.sum():
        return {"ece_percent": float("nan"), "confidence_percent": float("nan")}
    return {
        "ece_percent": float(100 * np.abs(hits - confidence).sum() / pixels.sum()),
        "confidence_percent": float(100 * confidence.sum() / pixels.sum()),
    }
