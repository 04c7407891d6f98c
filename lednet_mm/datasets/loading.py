"""Loading that names a damaged file at once, and the random translation of LEDNet's authors."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform, LoadImageFromFile
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import TRANSFORMS
from PIL import Image

from lednet_mm.errors import InputError

IGNORE = 255


def read_ids(path: str | Path) -> np.ndarray:
    """Read a label image: 8-bit ids, greyscale or palette.

    Args:
        path: a PNG file.

    Returns:
        (H, W) uint8, the ids as stored.

    Raises:
        InputError: the file is missing, damaged or not an 8-bit id image.
    """
    try:
        data = Path(path).read_bytes()
        # Decoding ignores checksums: a flipped byte would give wrong ids without a word.
        Image.open(io.BytesIO(data)).verify()
        image = Image.open(io.BytesIO(data))
        ids = np.asarray(image)
    except FileNotFoundError:
        raise InputError(
            f"label {path} is missing: restore it, or make it with `python tools/prepare_dataset.py`"
        ) from None
    except (OSError, SyntaxError, ValueError) as error:
        reason = "the file is empty" if Path(path).stat().st_size == 0 else str(error).split("<")[0].strip()
        raise InputError(f"label {path} is unreadable ({reason}): replace the file") from error
    if image.mode not in ("L", "P"):
        raise InputError(
            f"label {path} is no 8-bit image of class ids (its mode is {image.mode}): give the id image"
        )
    return ids


@TRANSFORMS.register_module()
class LoadImage(LoadImageFromFile):
    """mmcv's ``LoadImageFromFile`` (BGR uint8) with one line for a missing or damaged file.

    Raises:
        InputError: naming the path, the fault and what to do.
    """

    def transform(self, results: dict) -> dict | None:
        """Add ``img`` (H, W, 3) uint8 BGR, ``img_shape`` and ``ori_shape`` (H, W)."""
        path = results["img_path"]
        try:
            return super().transform(results)
        except FileNotFoundError:
            raise InputError(f"image {path} is missing: restore it") from None
        except (AssertionError, cv2.error):
            reason = "the file is empty" if Path(path).stat().st_size == 0 else "truncated or no image"
            raise InputError(f"image {path} is unreadable ({reason}): replace the file") from None


@TRANSFORMS.register_module()
class LoadLabels(LoadAnnotations):
    """mmseg's ``LoadAnnotations`` for semantic labels, which trusts no file.

    Takes from ``results``: ``seg_map_path``; ``num_classes``; ``label_map``, a dict from ids in the file to
    class ids, or None; ``ori_shape``, the image's size on disk. Comes after ``LoadImage``; before or after
    a resize of the image, since the label is compared with the size on disk.

    Raises:
        InputError: naming the path, the fault and what to do: a missing or damaged label, a label of
            another size than its image, an id outside [0, num_classes) that is not 255.
    """

    def __init__(self) -> None:
        super().__init__()
        self._tables: dict[tuple, np.ndarray] = {}

    def _load_seg_map(self, results: dict) -> None:
        path, num_classes = results["seg_map_path"], results["num_classes"]
        ids = read_ids(path)
        if ids.shape != results["ori_shape"]:
            (height, width), (image_height, image_width) = ids.shape, results["ori_shape"]
            raise InputError(
                f"label {path} is {width}x{height}, but its image is {image_width}x{image_height}: "
                "replace the label by one of the image's size"
            )
        labels = cv2.LUT(ids, self._table(results.get("label_map")))
        # 255 + 1 wraps to 0 in uint8, so one maximum finds every id that is neither a class nor ignored.
        if (labels + np.uint8(1)).max() > num_classes:
            bad = np.unique(ids[(labels >= num_classes) & (labels != IGNORE)]).tolist()
            raise InputError(
                f"label {path} holds ids {bad}, which are neither 0 to {num_classes - 1} nor {IGNORE}: "
                "correct the label or the config's dataset type"
            )
        results["gt_seg_map"] = labels
        results["seg_fields"].append("gt_seg_map")

    def _table(self, label_map: dict[int, int] | None) -> np.ndarray:
        """Return the lookup table (256,) uint8 from ids in the file to class ids."""
        key = tuple((label_map or {}).items())
        if key not in self._tables:
            table = np.arange(256, dtype=np.uint8)
            for raw, class_id in key:
                table[raw] = class_id
            self._tables[key] = table
        return self._tables[key]

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


@TRANSFORMS.register_module()
class RandomTranslate(BaseTransform):
    """Shift image and labels right and down by 0 to ``max_shift`` pixels, each direction on its own.

    What is vacated becomes 0 in the image and 255 (ignored) in the labels; the size stays. With 2 pixels,
    this is the translation of LEDNet's (and ERFNet's) authors: https://github.com/xiaoyufenfei/LEDNet,
    ``train/main.py``.

    Args:
        max_shift: largest shift in pixels.
    """

    def __init__(self, max_shift: int = 2) -> None:
        self.max_shift = max_shift

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Shift ``img`` and every map of ``seg_fields``."""
        right, down = (int(shift) for shift in np.random.randint(0, self.max_shift + 1, size=2))
        results["img"] = _shift(results["img"], right, down, 0)
        for key in results.get("seg_fields", []):
            results[key] = _shift(results[key], right, down, IGNORE)
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}(max_shift={self.max_shift})"


def _shift(array: np.ndarray, right: int, down: int, fill: int) -> np.ndarray:
    shifted = np.full_like(array, fill)
    height, width = array.shape[:2]
    shifted[down:, right:] = array[: height - down, : width - right]
    return shifted
