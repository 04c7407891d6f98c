"""Boundary IoU: the IoU of what lies within a short distance of the contours of prediction and truth.

Cheng et al., Boundary IoU: Improving Object-Centric Image Segmentation Evaluation, CVPR 2021
(arXiv:2103.16562), and the authors' ``boundary_iou/utils/boundary_utils.py``: the distance is 2% of the
image's diagonal, at least one pixel; a mask that the image's border cuts off has a contour there.

Pixels without a label are taken out of the prediction first; then both masks of a class go through the
authors' definition as they are. So a perfect prediction scores 100.
"""

from __future__ import annotations

import cv2
import numpy as np

VOID = 255
"""The id of pixels without a label in what this module takes."""

SHARE_OF_DIAGONAL = 0.02


def boundary_width(height: int, width: int) -> int:
    """Return the distance in pixels up to which a pixel belongs to a contour."""
    return max(1, round(SHARE_OF_DIAGONAL * float(np.hypot(height, width))))


def near_contour(ids: np.ndarray, distance: int) -> np.ndarray:
    """Say of each pixel whether it belongs to the inner contour of its own class's mask.

    The authors erode the mask of each class ``distance`` times by 3x3 pixels. What is left of a mask are the
    pixels around which a square of ``2 * distance + 1`` pixels holds one id alone, and none beyond the
    border: lowest and highest id there are equal. That serves all classes at once.

    Args:
        ids: (H, W) uint8.
        distance: see :func:`boundary_width`.

    Returns:
        (H, W) bool; without meaning where ``ids`` is ``VOID``.
    """
    square = np.ones((2 * distance + 1, 2 * distance + 1), np.uint8)
    lowest = cv2.erode(ids, square, borderType=cv2.BORDER_CONSTANT, borderValue=VOID)
    highest = cv2.dilate(ids, square, borderType=cv2.BORDER_CONSTANT, borderValue=VOID)
    return lowest != highest


def boundary_counts(prediction: np.ndarray, label: np.ndarray, num_classes: int) -> np.ndarray:
    """Count the pixels of the contours of each class.

    Args:
        prediction: (H, W) uint8 ids; those from ``num_classes`` on are no class. ``VOID`` where ``label`` is.
        label: (H, W) uint8 ids, ``VOID`` where there is no label.
        num_classes: of the dataset.

    Returns:
        (2, num_classes) int64: pixels in both contours, and in either.
    """
    distance = boundary_width(*label.shape)
    ours = np.where(near_contour(prediction, distance), prediction, VOID)
    theirs = np.where(near_contour(label, distance), label, VOID)
    both = np.bincount(theirs[ours == theirs], minlength=256)[:num_classes]
    either = sum(np.bincount(ids.ravel(), minlength=256)[:num_classes] for ids in (ours, theirs)) - both
    return np.stack([both, either])


def boundary_scores(counts: np.ndarray) -> dict[str, float]:
    """Return the mean over the classes that occur, in percent.

    Args:
        counts: (2, C) of :func:`boundary_counts`, summed over images.

    Returns:
        ``boundary_iou_percent``; NaN where no class occurs.
    """
    both, either = counts[:, counts[1] > 0].astype(np.float64)
    return {"boundary_iou_percent": float(100 * np.mean(both / either)) if len(either) else float("nan")}
