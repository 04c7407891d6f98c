"""Read an exported file again: what its metadata say, and whether it belongs to a config's network.

A file may come from elsewhere. It is data: no weights are read from other files, and what the metadata say is
checked before it is used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mmengine.config import Config
from pydantic import TypeAdapter, ValidationError

from lednet_mm.config import run_of
from lednet_mm.deployment.camera import FRAME_AXES
from lednet_mm.deployment.export import IMAGES, LOGITS, class_names, require_onnx
from lednet_mm.deployment.precisions import INT8
from lednet_mm.errors import InputError, describe_os_error
from lednet_mm.files import read_regular
from lednet_mm.record_format import Calibration
from lednet_mm.text import one_line

LARGEST = 2 << 30
"""The largest number of bytes of a file; ONNX keeps larger networks in several files."""

ENDING = ".onnx"


@dataclass(frozen=True)
class OnnxFile:
    """An exported file.

    Attributes:
        path: where it was read, for messages.
        content: its content.
        facts: its metadata, see :func:`~lednet_mm.deployment.export.describe`.
        shape: number of images, channels, height and width of its input; height, width and channels if it
            takes bytes. None for those that are free.
        takes_bytes: whether it takes one uint8 image (H, W, C) and gives class ids, because it contains pre-
            and postprocessing.
    """

    path: Path
    content: bytes
    facts: Mapping[str, str]
    shape: tuple[int | None, ...]
    takes_bytes: bool = False

    @property
    def precision(self) -> str:
        """``fp32`` or ``int8``."""
        return INT8 if self.facts.get("precision") == INT8 else "fp32"

    @property
    def deployed(self) -> bool:
        """Whether the network is in its deployment form."""
        return self.facts.get("deployed") == "true"

    @property
    def seed(self) -> int | None:
        """The seed of the training; None if it is not known."""
        seed = self._fact("seed")
        return seed if isinstance(seed, int) and 0 <= seed < 2**32 else None

    @property
    def checkpoint_sha256(self) -> str | None:
        """The sha256 of the checkpoint from which it was exported; None if it is not known."""
        stated = self.facts.get("checkpoint_sha256", "")
        return stated if re.fullmatch("[0-9a-f]{64}", stated) else None

    @cached_property
    def calibration(self) -> Calibration | None:
        """The images on which the file was calibrated; None for fp32, or if they are not known."""
        try:
            return TypeAdapter(Calibration).validate_python(self._fact("calibration"))
        except ValidationError:
            return None

    def _fact(self, key: str) -> Any:
        """Return an entry of the metadata that is JSON; None if it is missing or something else."""
        try:
            return json.loads(self.facts.get(key, "null"))
        except ValueError:
            return None

    def require_fitting(self, config: Config) -> None:
        """Check that the file is of a config's network, classes and preprocessing.

        Raises:
            InputError: it is not, or does not say.
        """
        run = run_of(config)
        theirs = self.facts.get("network"), self.facts.get("variant")
        if None in theirs:
            raise InputError(
                f"{self.path}: its metadata do not say of which network it is: use tools/export.py"
            )
        if theirs != (run.network, run.variant):
            raise InputError(
                f"{self.path} is of {_of(*theirs)}, the config of {_of(run.network, run.variant)}"
            )
        classes, ours = self._fact("classes"), list(class_names(config))
        if not isinstance(classes, list) or len(classes) != len(ours):
            number = len(classes) if isinstance(classes, list) else "no"
            raise InputError(f"{self.path} has {number} classes, the config's dataset has {len(ours)}")
        if classes != ours:
            first = next(i for i, (a, b) in enumerate(zip(classes, ours, strict=True)) if a != b)
            name = one_line(classes[first])
            raise InputError(
                f"{self.path}: class {first} is {name!r}, in the config's dataset {ours[first]!r}"
            )
        preprocessor = config.model.get("data_preprocessor") or {}
        for key in ("mean", "std"):
            if self._fact(key) != preprocessor.get(key):
                raise InputError(
                    f"{self.path}: it was exported with {key}={one_line(self.facts.get(key))[:100]}, and the "
                    f"config's data_preprocessor has {key}={preprocessor.get(key)}"
                )

    def require_logits(self) -> None:
        """Check that the file gives logits of normalised images.

        Raises:
            InputError: it gives class ids of a camera's image.
        """
        if self.takes_bytes:
            raise InputError(
                f"{self.path} gives class ids of whole images: export it without --end-to-end for this"
            )

    def require_accepting(self, shape: tuple[int, ...]) -> None:
        """Check that the file takes images of a shape: (N, C, H, W), or (H, W, C) if it takes bytes.

        Raises:
            InputError: its input is fixed to another one.
        """
        if len(shape) != len(self.shape) or any(
            own is not None and own != size for own, size in zip(self.shape, shape, strict=True)
        ):
            takes = "x".join("any" if own is None else str(own) for own in self.shape)
            given = "x".join(map(str, shape))
            raise InputError(
                f"{self.path} takes images of {takes} alone, and these are {given}: export it for this size "
                "(tools/export.py --shape), or predict in tiles of its size (--tile)"
            )


def _of(network: str | None, variant: str | None) -> str:
    return one_line(f"network {network}, variant {variant}")[:200]


def read_onnx(path: str | Path) -> OnnxFile:
    """Read an exported file.

    Raises:
        InputError: it is missing, no ONNX file, or none with the input and output of an export.
    """
    require_onnx()
    try:
        content = read_regular(path, LARGEST)
    except OSError as error:
        raise InputError(describe_os_error(error)) from error
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    return parse_onnx(path, content)


def parse_onnx(path: str | Path, content: bytes) -> OnnxFile:
    """Return an exported file from its content.

    Args:
        path: name of the file in messages.
        content: content of the file.

    Raises:
        InputError: it is no ONNX file, or none with the input and output of an export.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_from_string(content)
        onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError, ValueError):
        raise InputError(f"{path}: no valid ONNX file") from None
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise InputError(f"{path}: it keeps its weights in another file: export it with tools/export.py")
    inputs, outputs = ([value.name for value in values] for values in (model.graph.input, model.graph.output))
    sizes = model.graph.input[0].type.tensor_type.shape.dim if inputs else ()
    known = {(IMAGES, LOGITS): 4, tuple(FRAME_AXES): 3}
    if known.get((*inputs, *outputs)) != len(sizes):
        raise InputError(
            f"{path}: no network of tools/export.py: its inputs are {inputs}, its outputs {outputs}"
        )
    facts = {entry.key: entry.value for entry in model.metadata_props}
    shape = tuple(size.dim_value or None for size in sizes)
    return OnnxFile(Path(path), content, facts, shape, takes_bytes=len(sizes) == 3)
