"""IoU by the size of objects: the connected parts of each class in the label, in three bins of size.

A bin is a range of shares of the image's area, so that it means the same at every resolution: small is below
1/300, medium below 3/100, and large is the rest. These are COCO's 32x32 and 96x96 pixels in its usual image
size of 640x480.

Every pixel that counts in a class's IoU counts in exactly one bin. A pixel of an object, hit or missed,
counts in the object's bin. A false alarm belongs to a connected part of the prediction. If this part covers
objects of its class, the false alarm counts in the bin of the object that it covers most (the first of
equals); otherwise it counts in the bin of the part's own size. So hits and unions of the three bins add up to
those of the confusion matrix. The mean of a bin is over the classes that have objects of that size in the
label, whatever was predicted. Pixels are connected across edges and corners.
"""

from __future__ import annotations

import cv2
import numpy as np

SIZES = ("small", "medium", "large")
LIMITS = (1 / 300, 3 / 100)
"""The share of the image's area at which the next bin begins."""


def size_counts(prediction: np.ndarray, label: np.ndarray, num_classes: int) -> np.ndarray:
    """Count pixels by the size of the object to which they belong.

    Args:
        prediction: (H, W) uint8 ids; ids from ``num_classes`` on are not classes. It is 255 where ``label``
            is.
        label: (H, W) uint8 ids, 255 where there is no label.
        num_classes: number of classes of the dataset.

    Returns:
        (3, 3, num_classes) int64: by size (small, medium, large), the hits, union, and pixels of objects.
    """
    counts = np.zeros((len(SIZES), 3, num_classes), dtype=np.int64)
    occurring = np.bincount(prediction.ravel(), minlength=256) + np.bincount(label.ravel(), minlength=256)
    for kind in np.flatnonzero(occurring[:num_classes]):
        counts[:, :, kind] = _count_class(prediction == kind, label == kind)
    return counts


def _count_class(guess: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return (3, 3) counts of one class from its two masks; see :func:`size_counts`."""
    from scipy.sparse import coo_matrix  # reports only read counts and do not need this slow import

    objects, object_at = cv2.connectedComponents(truth.view(np.uint8), connectivity=8)
    parts, part_at = cv2.connectedComponents(guess.view(np.uint8), connectivity=8)
    # Pixels of the prediction by part and object; number 0 is the area outside the masks.
    pairs = part_at[guess], object_at[guess]
    covered = coo_matrix((np.ones(len(pairs[0]), np.int64), pairs), shape=(parts, objects)).tocsr()
    false_alarms = covered[:, [0]].toarray().ravel()
    size_of_object = _sizes(np.bincount(object_at.ravel(), minlength=objects), truth.size)
    charged = _sizes(np.asarray(covered.sum(1)).ravel(), truth.size)
    if objects > 1:
        of_objects = covered[:, 1:]
        most = np.asarray(of_objects.argmax(axis=1)).ravel()
        covers = of_objects.max(axis=1).toarray().ravel() > 0
        charged = np.where(covers, size_of_object[1 + most], charged)
    hits = _by_size(size_of_object[object_at[guess & truth]])
    pixels = _by_size(size_of_object[object_at[truth]])
    return np.stack([hits, pixels + _by_size(charged, false_alarms), pixels], axis=1)


def _sizes(areas: np.ndarray, image_area: int) -> np.ndarray:
    """Return the bin of each area in pixels."""
    return np.digitize(areas, [limit * image_area for limit in LIMITS])


def _by_size(sizes: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    return np.bincount(sizes, weights, len(SIZES)).astype(np.int64)


def size_scores(counts: np.ndarray) -> dict[str, float]:
    """Return the mean IoU of each size in percent.

    Args:
        counts: (3, 3, C), the sum of :func:`size_counts` over images.

    Returns:
        ``iou_small_percent``, ``iou_medium_percent`` and ``iou_large_percent``; NaN if no object has the
        size.
    """
    values = {}
    for name, (hits, union, pixels) in zip(SIZES, counts.astype(np.float64), strict=True):
        iou = hits[pixels > 0] / union[pixels > 0]
        values[f"iou_{name}_percent"] = float(100 * iou.mean()) if iou.size else float("nan")
    return values
