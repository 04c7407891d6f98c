"""Load images and labels, with errors that name a damaged file, and the translation of LEDNet's authors.

Training, testing, prediction and pictures with overlays all read images by :func:`read_image`, so that they
use the same pixels.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Literal

import cv2
import mmcv
import numpy as np
from mmcv.transforms import BaseTransform, LoadImageFromFile
from mmengine import fileio
from mmseg.registry import TRANSFORMS
from PIL import Image

from lednet_mm.datasets.file_kinds import AVIF, VIDEO, kind_of_image, kind_of_other
from lednet_mm.errors import InputError
from lednet_mm.upstream.mmseg import LabelTransform

IGNORE = 255
UNKNOWN = 254
"""The id given to values of a label that a dataset's complete table does not name; no class has this id."""
LARGEST_ID: Literal[65535] = 65535
SHOWN_VALUES = 8

COLOR_TYPES = ("color", "grayscale", "unchanged", "color_ignore_orientation", "grayscale_ignore_orientation")
"""The values of mmcv's ``color_type`` that are supported."""

# OpenCV logs lines about files that can be read in spite of them, or that our errors name.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
# Labels of satellite images can have 400 megapixels; the limit is the one of OpenCV for images, 2**30 pixels.
Image.MAX_IMAGE_PIXELS = 1 << 30

ORIENTATION = 274  # the tag of EXIF and TIFF
# For each orientation, how to undo the rotation that made an array upright.
_TURNED_BACK = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}
_UPRIGHT = {**_TURNED_BACK, 6: _TURNED_BACK[8], 8: _TURNED_BACK[6]}  # the others are their own inverses


def read_image(
    path: str | Path,
    color_type: str = "color",
    *,
    upright: bool = True,
    backend: str = "cv2",
    backend_args: dict | None = None,
) -> np.ndarray:
    """Read an image.

    Images of 16 bits per channel are reduced to the upper 8 bits (in a colour TIFF, rounded to 8).
    Floating-point numbers from 0 to 1 are scaled to 0 to 255. Grey, 1-bit, palette and CMYK images become
    colour images; transparency is dropped. If there are several frames or pages, the first is read.

    Args:
        path: path of a file, or an address that mmengine's file backends can read.
        color_type: ``color`` (BGR), ``grayscale``, or ``unchanged`` (channels and numbers as stored). If
            ``_ignore_orientation`` is appended, ``upright`` has no effect.
        upright: whether to turn the image as its EXIF orientation says. Use False where there are labels,
            because these are drawn on the pixels as they are stored.
        backend: mmcv's name of the decoder; the conversions above are those of ``cv2``.
        backend_args: settings of mmengine's file backend.

    Returns:
        (H, W, 3) uint8 BGR, or (H, W) uint8 in ``grayscale``.

    Raises:
        InputError: the file is missing, damaged or not an image, or its numbers cannot be converted.
    """
    data = _fetch(path, "image", backend_args)
    as_stored = not upright or color_type.endswith("_ignore_orientation")
    if as_stored and color_type in ("color", "grayscale"):
        color_type = f"{color_type}_ignore_orientation"
    try:
        image = mmcv.imfrombytes(data, flag=color_type, backend=backend)
        if image is None and backend == "cv2":  # OpenCV does not convert floating-point numbers
            image = _in_eight_bits(mmcv.imfrombytes(data, flag="unchanged"), color_type, path)
    except (cv2.error, OSError, SyntaxError) as error:
        if "CV_IO_MAX_IMAGE" in str(error):
            raise InputError(f"image {path} has more than 2**30 pixels: cut it into smaller ones") from None
        raise InputError(_unreadable(path, data)) from None
    if image is None:
        raise InputError(_unreadable(path, data))
    if backend == "cv2" and as_stored and kind_of_image(data) == "TIFF":
        turns = _TURNED_BACK  # OpenCV turns a TIFF whatever it is told,
    elif backend == "cv2" and color_type in ("color", "grayscale") and kind_of_other(data) == AVIF:
        turns = _UPRIGHT  # and an AVIF never.
    else:
        return image
    orientation = Image.open(io.BytesIO(data)).getexif().get(ORIENTATION, 1)
    return np.ascontiguousarray(turns.get(orientation, lambda a: a)(image))


def _fetch(path: str | Path, what: str, backend_args: dict | None) -> bytes:
    """Return the content of a file, which must not be empty.

    Raises:
        InputError: the file is missing, unreadable or empty.
    """
    try:
        data = bytes(fileio.get(str(path), backend_args=backend_args))
    except FileNotFoundError:
        raise InputError(f"{what} {path} is missing: restore it") from None
    except OSError as error:
        raise InputError(f"{what} {path} cannot be read ({error.strerror or error})") from None
    if not data:
        raise InputError(f"{what} {path} is unreadable (the file is empty): replace the file")
    return data


def _unreadable(path: str | Path, data: bytes) -> str:
    """Return the message about a file that could not be read as an image, with the kind of file."""
    kind = kind_of_image(data)
    if kind is not None:
        return f"image {path} is unreadable (a damaged or truncated {kind}): replace the file"
    kind = kind_of_other(data)
    if kind is None:
        return f"image {path} is unreadable (not in a known image format, or truncated): replace the file"
    if kind.startswith(VIDEO):
        return (
            f"image {path} is {kind}, not an image: extract its frames as images "
            "(`ffmpeg -i VIDEO FOLDER/%06d.png`) and give that folder"
        )
    return f"image {path} is {kind}, not an image that can be read: give it as PNG or JPEG"


def _in_eight_bits(values: np.ndarray | None, color_type: str, path: str | Path) -> np.ndarray | None:
    """Convert an image whose numbers do not have 8 or 16 bits to the form that ``color_type`` asks for."""
    if values is None or values.dtype == np.uint8:
        return None
    if values.dtype.kind != "f":
        raise InputError(
            f"image {path} holds numbers of type {values.dtype}: save it with 8 or 16 bits a channel"
        )
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):  # true for NaN too
        raise InputError(
            f"image {path} holds floating-point numbers from {low:g} to {high:g}: scale them to 0 to 1, "
            "which is read as black to white"
        )
    scaled = np.rint(values * 255).astype(np.uint8)
    if scaled.ndim == 2:
        return scaled if color_type.startswith("grayscale") else cv2.cvtColor(scaled, cv2.COLOR_GRAY2BGR)
    if scaled.shape[2] not in (3, 4):
        raise InputError(f"image {path} has {scaled.shape[2]} channels: give one with 1, 3 or 4")
    colour = np.ascontiguousarray(scaled[:, :, :3])
    return cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY) if color_type.startswith("grayscale") else colour


def read_ids(
    path: str | Path, backend_args: dict | None = None, *, largest: Literal[255, 65535] = 255
) -> np.ndarray:
    """Read a label image of ids: greyscale, palette or 1 bit, or 16 and 32 bits if the ids are in range.

    Args:
        path: path of a PNG file, or of a file in another lossless format.
        backend_args: settings of mmengine's file backend.
        largest: the largest id that is allowed.

    Returns:
        The ids (H, W) as stored, whatever the file's orientation tag says: uint8, or uint16 if some are above
        255.

    Raises:
        InputError: the file is missing, damaged or not an image of ids up to the largest.
    """
    mode, ids = _decode_label(path, backend_args)
    if mode not in ("L", "P", "1", "I", "I;16", "I;16B"):
        raise InputError(
            f"label {path} is not an 8-bit image of class ids (its mode is {mode}): give the id image, or "
            "describe a dataset of painted labels by a YAML file with label_colors: true"
        )
    if mode not in ("L", "P") and (ids.min() < 0 or ids.max() > largest):
        raise InputError(f"label {path} holds ids from {ids.min()} to {ids.max()}; ids are 0 to {largest}")
    small = mode in ("L", "P", "1") or ids.max() <= 255
    return np.ascontiguousarray(ids, dtype=np.uint8 if small else np.uint16)


def read_colors(path: str | Path, backend_args: dict | None = None) -> np.ndarray:
    """Read a label image in which colours stand for classes; transparency is dropped.

    Args:
        path: path of a PNG file, or of a file in another lossless format.
        backend_args: settings of mmengine's file backend.

    Returns:
        (H, W) uint32: red * 65536 + green * 256 + blue of each pixel as stored.

    Raises:
        InputError: the file is missing, damaged or not an image of 8-bit colours.
    """
    mode, colors = _decode_label(path, backend_args, "RGB")
    if mode not in ("RGB", "RGBA", "P", "L", "LA", "1"):
        raise InputError(f"label {path} is not an image of colours (its mode is {mode}): give it as RGB")
    red, green, blue = (colors[..., channel].astype(np.uint32) for channel in range(3))
    return red << 16 | green << 8 | blue


def _decode_label(
    path: str | Path, backend_args: dict | None, convert_to: str | None = None
) -> tuple[str, np.ndarray]:
    """Return Pillow's mode of a label file and its values as stored, or converted to another mode."""
    data = _fetch(path, "label", backend_args)
    try:
        # Decoding ignores checksums, so a flipped byte would silently give wrong ids.
        Image.open(io.BytesIO(data)).verify()
        image = Image.open(io.BytesIO(data))
        # Pillow turns TIFF files, and no others, while decoding them, and then drops the orientation tag.
        orientation = image.getexif().get(ORIENTATION, 1) if image.format == "TIFF" else 1
        values = np.asarray(image.convert(convert_to) if convert_to else image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = kind_of_other(data) or str(error).split("<")[0].strip()
        raise InputError(f"label {path} is unreadable ({reason}): replace the file") from error
    if image.format == "JPEG":
        raise InputError(f"label {path} is a JPEG, whose compression changes ids: give the label as PNG")
    return image.mode, _TURNED_BACK.get(orientation, lambda a: a)(values)


@TRANSFORMS.register_module()
class LoadImage(LoadImageFromFile):
    """mmcv's ``LoadImageFromFile`` with the same arguments, implemented by :func:`read_image`.

    The EXIF orientation is ignored if the sample has a label, and applied if it has none.

    Raises:
        InputError: an image cannot be read; the message names the path, the fault and what to do.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.color_type not in COLOR_TYPES:
            raise InputError(f"color_type={self.color_type!r} is not one of {', '.join(COLOR_TYPES)}")

    def transform(self, results: dict) -> dict | None:
        """Add ``img`` (H, W, 3) uint8 BGR, ``img_shape`` and ``ori_shape`` (H, W)."""
        try:
            image = read_image(
                results["img_path"],
                self.color_type,
                upright=results.get("seg_map_path") is None,
                backend=self.imdecode_backend,
                backend_args=self.backend_args or self.file_client_args,
            )
        except InputError:
            if self.ignore_empty:
                return None
            raise
        results["img"] = image.astype(np.float32) if self.to_float32 else image
        results["img_shape"] = results["ori_shape"] = image.shape[:2]
        return results


@TRANSFORMS.register_module()
class LoadLabels(LabelTransform):
    """mmseg's ``LoadAnnotations`` for semantic labels, with a check of every label.

    It reads these keys of ``results``: ``seg_map_path``; ``label_map``, a dict from ids in the file to class
    ids, or None; ``reduce_zero_label``, which is applied before ``label_map``; ``num_classes`` (without it,
    any id is accepted); ``ori_shape``, the image's size on disk (without it, any size is accepted). With
    ``only_mapped``, ids are 0 to 65535, and one that ``label_map`` does not name is an error. If
    ``label_colors`` is set too, the label is painted, and the keys of ``label_map`` are its colours (red,
    green, blue). The transform comes after ``LoadImage``, before or after a resize of the image, since the
    label is compared with the size on disk. A sample without ``seg_map_path`` is an image to predict and
    passed on unchanged.

    Args:
        kwargs: arguments of mmseg's ``LoadAnnotations``; Pillow decodes the labels whatever backend they
            name.

    Raises:
        InputError: a label is missing or damaged, has another size than its image, or has an id outside [0,
            num_classes) other than 255; the message names the path, the fault and what to do.
    """

    TRANSLATION = ("label_map", "only_mapped", "label_colors", "reduce_zero_label", "num_classes")
    """Keys of a sample that define the meaning of its label's values."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._tables: dict[tuple, np.ndarray] = {}

    def transform(self, results: dict) -> dict:
        """Add ``gt_seg_map`` (H, W) uint8, and its name to ``seg_fields``."""
        return results if results.get("seg_map_path") is None else super().transform(results)

    def read_labels(self, results: dict) -> None:
        """Read the labels of one image into ``results``."""
        path, num_classes = results["seg_map_path"], results.get("num_classes", 256)
        only_mapped, colors = results.get("only_mapped", False), results.get("label_colors", False)
        if colors:
            values = read_colors(path, self.backend_args)
        else:
            values = read_ids(path, self.backend_args, largest=LARGEST_ID if only_mapped else 255)
        if values.shape != results.get("ori_shape", values.shape):
            (height, width), (image_height, image_width) = values.shape, results["ori_shape"]
            raise InputError(
                f"label {path} is {width}x{height}, but its image is {image_width}x{image_height}: "
                "replace the label by one of the image's size"
            )
        of_dataset = results.get("reduce_zero_label", False)
        reduce = of_dataset if self.reduce_zero_label is None else self.reduce_zero_label
        if reduce != of_dataset:
            raise InputError(
                f"reduce_zero_label is {reduce} in LoadLabels and {of_dataset} in the dataset: "
                "set it in the dataset alone"
            )
        table = self._table(results.get("label_map"), reduce, only_mapped, 1 << 24 if colors else 1 << 16)
        labels = cv2.LUT(values, table[:256]) if values.dtype == np.uint8 else table[values]
        # 255 + 1 wraps to 0 in uint8, so one maximum finds every id that is neither a class nor ignored.
        limit = min(num_classes, UNKNOWN) if only_mapped else num_classes
        if (labels + np.uint8(1)).max() > limit:
            bad = np.unique(values[(labels >= limit) & (labels != IGNORE)]).tolist()
            if only_mapped:
                raise InputError(f"label {path} holds {_unmapped(bad, colors)}")
            raise InputError(
                f"label {path} holds ids {bad}, which are neither 0 to {num_classes - 1} nor {IGNORE}: "
                "correct the label or the config's dataset type"
            )
        results["gt_seg_map"] = labels
        results["seg_fields"].append("gt_seg_map")

    def _table(
        self, label_map: dict | None, reduce_zero_label: bool, only_mapped: bool, size: int
    ) -> np.ndarray:
        """Return a lookup table (size,) uint8 from values in the file to class ids."""
        pairs = tuple((label_map or {}).items())
        key = (reduce_zero_label, only_mapped, size, pairs)
        if key not in self._tables:
            table = np.full(size, UNKNOWN, np.uint8)
            if not only_mapped:
                table[:256] = np.arange(256)
            for raw, class_id in pairs:
                table[raw[0] << 16 | raw[1] << 8 | raw[2] if isinstance(raw, tuple) else raw] = class_id
            if reduce_zero_label:  # 0 and 255 are ignored, the others move down by one
                table = table[[IGNORE, *range(254), IGNORE]]
            self._tables[key] = table
        return self._tables[key]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(reduce_zero_label={self.reduce_zero_label})"


def _unmapped(values: list[int], colors: bool) -> str:
    """Return the part of a message that names values of a label without a class, and what to do."""
    some = [[v >> 16, v >> 8 & 255, v & 255] if colors else v for v in values[:SHOWN_VALUES]]
    more = f" and {len(values) - len(some)} more" if len(values) > len(some) else ""
    what, where = ("colours", "color") if colors else ("ids", "ids")
    return (
        f"{what} {', '.join(map(str, some))}{more}, which no class has and `ignore` does not name: correct "
        f"the label, or add them to {where} of a class or to ignore in the dataset's YAML file"
    )


@TRANSFORMS.register_module()
class RandomTranslate(BaseTransform):
    """Shift image and labels right and down, each by a random 0 to ``max_shift`` pixels.

    Vacated pixels become 0 in the image and 255 (ignored) in the labels; the size stays the same. With 2
    pixels, this is the translation that LEDNet's and ERFNet's authors use:
    https://github.com/xiaoyufenfei/LEDNet, ``train/main.py``.

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
