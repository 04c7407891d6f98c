"""Confusion matrices (rows: truth, columns: prediction), and scores as cityscapesScripts defines them.

The mean IoU is over the classes that occur in truth or prediction. Pixels without a label do not count. All
counts are integers, so images can be added in any order. Matrices are (C, P) with P >= C;
:mod:`lednet_mm.statistics` computes the IoU and explains outputs beyond the C classes.
"""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from lednet_mm.statistics import mean_iou

EXACT = 1 << 24
"""OpenCV counts in float32, which is exact up to this number."""

LARGEST = 1 << 30
"""The largest size in bytes of matrices to unpack, enough for 50,000 images of 70 classes."""


def confusion_matrix(
    prediction: np.ndarray,
    label: np.ndarray,
    num_classes: int,
    ignore_index: int = 255,
    num_outputs: int | None = None,
) -> np.ndarray:
    """Count pixels by (true class, predicted class).

    Args:
        prediction: (H, W) class ids in [0, num_outputs).
        label: (H, W) class ids in [0, num_classes), ``ignore_index`` where there is no label.
        num_classes: number of classes of the dataset.
        ignore_index: see ``label``.
        num_outputs: number of outputs of a network with more outputs than classes (for example one for void).

    Returns:
        (num_classes, num_outputs) int64; rows are the truth, columns the prediction.

    Raises:
        ValueError: the shapes differ, or an id is out of range or not an integer.
    """
    if prediction.shape != label.shape:
        raise ValueError(f"prediction {prediction.shape} and label {label.shape} differ in shape")
    columns = num_outputs or num_classes
    truth, answer = _as_bytes("label", label), _as_bytes("prediction", prediction)
    counts = np.zeros((256, 256), dtype=np.int64)
    for start in range(0, truth.shape[1], EXACT):
        part = [ids[:, start : start + EXACT] for ids in (truth, answer)]
        channels = [0, truth.shape[2]]  # the first channel of each picture
        counts += cv2.calcHist(part, channels, None, [256, 256], [0, 256, 0, 256]).astype(np.int64)
    if 0 <= ignore_index < 256:
        counts[ignore_index] = 0
    for name, axis, limit in (("label", 1, num_classes), ("prediction", 0, columns)):
        found = np.flatnonzero(counts.sum(axis))
        if found.size and found[-1] >= limit:
            raise ValueError(f"{name} ids up to {found[-1]} with {limit} classes")
    return counts[:num_classes, :columns]


def _as_bytes(name: str, ids: np.ndarray) -> np.ndarray:
    """View ids as a picture with one row, (1, pixels, bytes), whose first channel holds them."""
    if ids.dtype.kind not in "iub":
        raise ValueError(f"{name} holds numbers of type {ids.dtype}; class ids must be whole numbers")
    if np.bitwise_or.reduce(ids, axis=None) & ~np.int64(0xFF):  # a negative number, or one beyond 8 bits
        raise ValueError(f"{name} ids are from {ids.min()} to {ids.max()}; class ids must be from 0 to 255")
    # Memory traffic takes most of the time here: narrowing 64-bit ids would take as long as counting them.
    little = np.ascontiguousarray(ids, dtype=ids.dtype.newbyteorder("<"))
    return little.reshape(-1).view(np.uint8).reshape(1, -1, ids.dtype.itemsize)


def merge_classes(matrix: np.ndarray, groups: Sequence[Sequence[int]]) -> np.ndarray:
    """Add up classes into groups: (..., C, P) -> (..., G, G + P - C)."""
    classes, outputs = matrix.shape[-2:]
    columns = [*groups, *([extra] for extra in range(classes, outputs))]
    member = np.zeros((len(columns), outputs), dtype=matrix.dtype)
    for row, group in enumerate(columns):
        member[row, list(group)] = 1
    return member[: len(groups), :classes] @ matrix @ member.T


def scores(matrix: np.ndarray, categories: Mapping[str, Sequence[int]] | None = None) -> dict[str, float]:
    """Return the scores of a split in percent.

    Args:
        matrix: (C, P) counts over all images.
        categories: name -> class ids, if the dataset has categories.

    Returns:
        ``miou_percent``, ``mean_accuracy_percent`` (over classes that occur in the truth),
        ``pixel_accuracy_percent`` and, with categories, ``category_iou_percent``. A score without any defined
        value is NaN.
    """
    hits, truth = np.diagonal(matrix).astype(np.float64), matrix.sum(1)
    recall = hits[truth > 0] / truth[truth > 0]
    result = {
        "miou_percent": 100 * float(mean_iou(matrix)),
        "mean_accuracy_percent": 100 * float(recall.mean()) if recall.size else float("nan"),
        "pixel_accuracy_percent": 100 * float(hits.sum() / matrix.sum()) if matrix.any() else float("nan"),
    }
    if categories:
        result["category_iou_percent"] = 100 * float(
            mean_iou(merge_classes(matrix, list(categories.values())))
        )
    return result


def pack(counts: np.ndarray) -> dict[str, object]:
    """Pack confusion matrices, or other counts, for a record: int32 or float64 by zlib, in base64.

    Raises:
        ValueError: a whole number does not fit int32.
    """
    dtype = "<f8" if counts.dtype.kind == "f" else "<i4"
    if dtype == "<i4" and counts.size and counts.max() > np.iinfo(np.int32).max:
        raise ValueError("a count does not fit 32 bits")
    data = zlib.compress(np.ascontiguousarray(counts, dtype=dtype).tobytes(), 9)
    return {"shape": list(counts.shape), "dtype": dtype, "zlib_base64": base64.b64encode(data).decode()}


def unpack(packed: Mapping) -> np.ndarray:
    """Return the counts that :func:`pack` has packed, as int64 or float64.

    Raises:
        ValueError: the value was not made by :func:`pack`, or is damaged. Not more is unpacked than its shape
            announces.
    """
    try:
        shape, dtype, text = packed["shape"], packed["dtype"], packed["zlib_base64"]
        if dtype not in ("<i4", "<f8") or not isinstance(text, str):
            raise ValueError("neither int32 nor float64 numbers in base64")
        if not isinstance(shape, (list, tuple)) or not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError("its shape is not a list of numbers")
        size = np.dtype(dtype).itemsize * math.prod(shape)
        if size > LARGEST:
            raise ValueError(f"larger than {LARGEST >> 20} MiB")
        stream = zlib.decompressobj()
        data = stream.decompress(base64.b64decode(text, validate=True), size + 1)
        if len(data) != size or not stream.eof or stream.unused_data:
            raise ValueError("its length is not that of its shape")
        counts = np.frombuffer(data, dtype=dtype).reshape(shape)
        if counts.size and not (counts.min() >= 0 and counts.max() < np.inf):
            raise ValueError("a count is below 0 or not a number")
        return counts.astype(np.int64 if dtype == "<i4" else np.float64)
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        raise ValueError(f"damaged confusion matrices: {error}") from None
