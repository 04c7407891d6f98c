"""Boundary IoU: the IoU of the pixels near the contours of prediction and truth.

Cheng et al., Boundary IoU: Improving Object-Centric Image Segmentation Evaluation, CVPR 2021
(arXiv:2103.16562), and the authors' ``boundary_iou/utils/boundary_utils.py``. The distance is 2% of the
image's diagonal, at least one pixel; a mask that touches the image's border has a contour there.

Pixels without a label are first removed from the prediction. Then the authors' definition applies to both
masks of a class without changes, so a perfect prediction scores 100.
"""

from __future__ import annotations

import cv2
import numpy as np

VOID = 255
"""The id of pixels without a label in this module's inputs."""

SHARE_OF_DIAGONAL = 0.02


def boundary_width(height: int, width: int) -> int:
    """Return the distance in pixels up to which a pixel belongs to a contour."""
    return max(1, round(SHARE_OF_DIAGONAL * float(np.hypot(height, width))))


def near_contour(ids: np.ndarray, distance: int) -> np.ndarray:
    """Return for each pixel whether it belongs to the inner contour of its own class's mask.

    The authors erode the mask of each class ``distance`` times by 3x3 pixels. A pixel remains in an eroded
    mask if the square of ``2 * distance + 1`` pixels around it has a single id and lies within the image, so
    if the lowest and the highest id of the square are equal. This treats all classes at once.

    Args:
        ids: (H, W) uint8 class ids.
        distance: the contour's width in pixels, see :func:`boundary_width`.

    Returns:
        (H, W) bool; meaningless where ``ids`` is ``VOID``.
    """
    square = np.ones((2 * distance + 1, 2 * distance + 1), np.uint8)
    lowest = cv2.erode(ids, square, borderType=cv2.BORDER_CONSTANT, borderValue=VOID)
    highest = cv2.dilate(ids, square, borderType=cv2.BORDER_CONSTANT, borderValue=VOID)
    return lowest != highest


def boundary_counts(prediction: np.ndarray, label: np.ndarray, num_classes: int) -> np.ndarray:
    """Count the pixels of each class's contours.

    Args:
        prediction: (H, W) uint8 ids; ids from ``num_classes`` on are not classes. It is ``VOID`` where
            ``label`` is.
        label: (H, W) uint8 ids, ``VOID`` where there is no label.
        num_classes: number of classes of the dataset.

    Returns:
        (2, num_classes) int64: pixels in both contours, and pixels in either contour.
    """
    distance = boundary_width(*label.shape)
    ours = np.where(near_contour(prediction, distance), prediction, VOID)
    theirs = np.where(near_contour(label, distance), label, VOID)
    both = np.bincount(theirs[ours == theirs], minlength=256)[:num_classes]
    either = sum(np.bincount(ids.ravel(), minlength=256)[:num_classes] for ids in (ours, theirs)) - both
    return np.stack([both, either])


def boundary_scores(counts: np.ndarray) -> dict[str, float]:
    """Return the mean boundary IoU over the classes that occur, in percent.

    Args:
        counts: (2, C), the sum of :func:`boundary_counts` over images.

    Returns:
        ``boundary_iou_percent``; NaN if no class occurs.
    """
    both, either = counts[:, counts[1] > 0].astype(np.float64)
    return {"boundary_iou_percent": float(100 * np.mean(both / either)) if len(either) else float("nan")}
