"""The decoded cache: what every pass over a dataset does alike is done once and read back from disk."""

from __future__ import annotations

import ast
import copy
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform, Resize
from mmseg.datasets.transforms import Resize as LabelResize

from lednet_mm.datasets.loading import LoadImage, LoadLabels
from lednet_mm.errors import InputError
from lednet_mm.files import write_atomically

SAME_EVERY_TIME = (LoadImage, LoadLabels, Resize, LabelResize)
"""Transforms without randomness."""


def split_pipeline(transforms: Sequence[Any]) -> tuple[list, list, list]:
    """Split a pipeline into what comes before its first cacheable transforms, these, and the rest."""
    first = next((i for i, t in enumerate(transforms) if type(t) in SAME_EVERY_TIME), len(transforms))
    last = next(
        (i for i, t in enumerate(transforms) if i > first and type(t) not in SAME_EVERY_TIME), len(transforms)
    )
    return list(transforms[:first]), list(transforms[first:last]), list(transforms[last:])


class Cached(BaseTransform):
    """Deterministic transforms whose result is kept, decoded, in a folder.

    A result is found again by the transforms, the paths, and the files' sizes and times, so that a changed
    file is read anew. Anything unreadable in the folder is made again. It needs height x width x 4 bytes an
    image after a last ``Resize``: 8 MB for Cityscapes at full size, 2 MB at 1024x512, 0.7 MB for CamVid.

    Args:
        transforms: of the pipeline, without randomness.
        folder: of the cache; several processes may share it.
    """

    def __init__(self, transforms: Sequence[BaseTransform], folder: str | Path) -> None:
        self.transforms = list(transforms)
        self.folder = Path(folder)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Return what the transforms return.

        Raises:
            InputError: as the transforms do, or the folder cannot be written.
        """
        path = self.folder / f"{self._key(results)}.decoded"
        try:
            return {**results, **_read(path)}
        except (OSError, ValueError, SyntaxError, EOFError):
            pass  # not there yet, or damaged
        before = copy.deepcopy(results)
        for transform in self.transforms:
            results = transform(results)
        added = {k: v for k, v in results.items() if k not in before or _differ(v, before[k])}
        try:
            _write(path, added)
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
                    parts.append("missing")  # the transform that needs it says so
        parts.append(repr(results.get("label_map")))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.transforms}, folder={str(self.folder)!r})"


def _differ(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return not np.array_equal(one, other)
    return one != other


def _write(path: Path, added: dict[str, Any]) -> None:
    """Write arrays one after the other, after a line that says what they are and holds the plain values."""
    arrays = {
        key: np.ascontiguousarray(value) for key, value in added.items() if isinstance(value, np.ndarray)
    }
    plain = {key: value for key, value in added.items() if key not in arrays}
    shapes = {key: (str(array.dtype), array.shape) for key, array in arrays.items()}
    data = io.BytesIO()
    data.write(repr((shapes, plain)).encode() + b"\n")
    for array in arrays.values():
        data.write(array.tobytes())
    write_atomically(path, data.getvalue())


def _read(path: Path) -> dict[str, Any]:
    """Read what :func:`_write` wrote.

    Raises:
        OSError, ValueError, SyntaxError: not there, or damaged.
    """
    content = path.read_bytes()
    end = content.index(b"\n")
    shapes, added = ast.literal_eval(content[:end].decode())
    position = end + 1
    for key, (dtype, shape) in shapes.items():
        count = int(np.prod(shape))
        # A copy: transforms may work in place, and bytes are read-only.
        added[key] = np.frombuffer(content, dtype, count, position).reshape(shape).copy()
        position += added[key].nbytes
    if position != len(content):
        raise ValueError(f"{len(content)} bytes, {position} expected")
    return added
