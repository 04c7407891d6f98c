"""The decoded cache: results of deterministic transforms are computed once and then read from disk."""

from __future__ import annotations

import ast
import copy
import hashlib
import math
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform, Resize
from mmseg.datasets.transforms import Resize as LabelResize
from mmseg.datasets.transforms import ResizeToMultiple

from lednet_mm.datasets.loading import LoadImage, LoadLabels
from lednet_mm.errors import InputError
from lednet_mm.files import read_regular, write_atomically

SAME_EVERY_TIME = (LoadImage, LoadLabels, Resize, LabelResize, ResizeToMultiple)
"""Transforms without randomness."""

LARGEST = 8 << 30
"""The largest cache file in bytes that is read: four bytes for each of 2**31 pixels."""


def split_pipeline(transforms: Sequence[Any]) -> tuple[list, list, list]:
    """Split a pipeline into the part before its first cacheable transforms, these, and the rest."""
    first = next((i for i, t in enumerate(transforms) if type(t) in SAME_EVERY_TIME), len(transforms))
    last = next(
        (i for i, t in enumerate(transforms) if i > first and type(t) not in SAME_EVERY_TIME), len(transforms)
    )
    return list(transforms[:first]), list(transforms[first:last]), list(transforms[last:])


class Cached(BaseTransform):
    """Deterministic transforms whose decoded results are kept in a folder.

    The key of a result consists of the transforms, the paths, and the files' sizes and times, so that a
    changed file is read again. Every cache file has a checksum, and one that was changed, truncated, renamed
    or written by something else is made again. An image takes height x width x 4 bytes at its size after the
    last ``Resize``: 8 MB for Cityscapes at full size, 2 MB at 1024x512, 0.7 MB for CamVid.

    Args:
        transforms: transforms of the pipeline, without randomness.
        folder: folder of the cache, which several processes may share.
    """

    def __init__(self, transforms: Sequence[BaseTransform], folder: str | Path) -> None:
        self.transforms = list(transforms)
        self.folder = Path(folder)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Return the sample as the transforms return it, from the cache if it is there.

        Raises:
            InputError: a transform raised it, or the folder cannot be written.
        """
        key = self._key(results)
        path = self.folder / f"{key}.decoded"
        try:
            return {**results, **_read(path, key)}
        except (OSError, ValueError):
            pass  # not there yet, or damaged
        before = copy.deepcopy(results)
        for transform in self.transforms:
            results = transform(results)
        added = {k: v for k, v in results.items() if k not in before or _differ(v, before[k])}
        try:
            _write(path, key, added)
        except OSError as error:
            raise InputError(
                f"cache folder {self.folder} cannot be written ({error.strerror}): "
                "free space there, or set cache_dir to None"
            ) from error
        return results

    def _key(self, results: dict[str, Any]) -> str:
        parts = [repr(self.transforms)]
        for name in ("img_path", "seg_map_path"):
            if results.get(name) is not None:
                path = Path(results[name]).absolute()
                parts.append(str(path))
                try:
                    status = path.stat()
                    parts.append(f"{status.st_size} {status.st_mtime_ns}")
                except FileNotFoundError:
                    parts.append("missing")  # the transform that needs the file reports it
        # Several datasets can use the same label file and translate or refuse its ids differently.
        parts += [repr(results.get(name)) for name in LoadLabels.TRANSLATION]
        return hashlib.sha256(os.fsencode("\n".join(parts))).hexdigest()[:32]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.transforms}, folder={str(self.folder)!r})"


def _differ(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return not np.array_equal(one, other)
    return one != other


def _write(path: Path, key: str, added: dict[str, Any]) -> None:
    """Write a checksum, a line that describes the arrays, and the arrays one after the other."""
    arrays = {name: np.ascontiguousarray(v) for name, v in added.items() if isinstance(v, np.ndarray)}
    plain = {name: value for name, value in added.items() if name not in arrays}
    shapes = {name: (str(array.dtype), array.shape) for name, array in arrays.items()}
    parts = [repr((key, shapes, plain)).encode() + b"\n", *(array.tobytes() for array in arrays.values())]
    content = b"".join(parts)
    write_atomically(path, _checksum(content) + content)


def _checksum(content: bytes | memoryview) -> bytes:
    """Return the CRC-32 of some content as nine bytes: hexadecimal digits and a line break."""
    return b"%08x\n" % zlib.crc32(content)


def _read(path: Path, key: str) -> dict[str, Any]:
    """Read what :func:`_write` wrote under this key.

    Raises:
        OSError: the file does not exist or cannot be read.
        ValueError: the content is not what was written.
    """
    whole = read_regular(path, LARGEST)
    content = memoryview(whole)  # slices of a memoryview are not copies
    start = len(_checksum(b""))
    if bytes(content[:start]) != _checksum(content[start:]):
        raise ValueError("damaged")
    end = whole.index(b"\n", start)
    try:
        written_as, shapes, added = ast.literal_eval(bytes(content[start:end]).decode())
        position = end + 1
        for name, (dtype, shape) in shapes.items():
            count = math.prod(shape)
            # Copy, because transforms may work in place and bytes are read-only.
            added[name] = np.frombuffer(content, dtype, count, position).reshape(shape).copy()
            position += added[name].nbytes
    except (SyntaxError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("not written here") from error
    if written_as != key or position != len(content):
        raise ValueError("of another sample, or of another length")
    return added
