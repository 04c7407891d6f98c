"""Calibration: whether a network that is 80% sure is right in 80% of the pixels.

Guo et al., On Calibration of Modern Neural Networks, ICML 2017 (arXiv:1706.04599). Pixels are sorted into 15
bins of equal width by their confidence, the probability of the class that was chosen. What is counted adds up
over images, so nothing is sampled, and any set of images can be scored later.
"""

from __future__ import annotations

import numpy as np

BINS = 15
"""Bins of confidence; bin i holds confidences above i / 15, up to (i + 1) / 15."""


def calibration_counts(confidence: np.ndarray, hits: np.ndarray) -> np.ndarray:
    """Count labelled pixels by their confidence.

    Args:
        confidence: (N,) in [0, 1].
        hits: (N,) bool, whether the prediction is right.

    Returns:
        (3, 15) float64: pixels, sum of their confidence, and hits, of each bin.

    Raises:
        ValueError: a confidence outside [0, 1], or none at all.
    """
    if confidence.size and not (confidence.min() >= 0 and confidence.max() <= 1 + 1e-5):
        raise ValueError(f"confidences from {confidence.min()} to {confidence.max()}; they are 0 to 1")
    exact = np.minimum(confidence.astype(np.float64), 1)
    bins = np.clip(np.ceil(exact * BINS).astype(np.int64) - 1, 0, BINS - 1)
    return np.stack(
        [np.bincount(bins, weights, BINS).astype(np.float64) for weights in (None, exact, hits)], axis=0
    )


def calibration_scores(counts: np.ndarray) -> dict[str, float]:
    """Return the expected calibration error and the mean confidence in percent.

    The error is the mean over all pixels of |accuracy - mean confidence| of the pixel's bin.

    Args:
        counts: (3, 15) of :func:`calibration_counts`, summed over images.

    Returns:
        ``ece_percent`` and ``confidence_percent``; NaN without a pixel.
    """
    pixels, confidence, hits = counts
    if not pixels.sum():
        return {"ece_percent": float("nan"), "confidence_percent": float("nan")}
    return {
        "ece_percent": float(100 * np.abs(hits - confidence).sum() / pixels.sum()),
        "confidence_percent": float(100 * confidence.sum() / pixels.sum()),
    }
