"""The dataset that a YAML file describes: see :mod:`lednet_mm.datasets.card`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmseg.registry import DATASETS

from lednet_mm.datasets.base import SegDataset
from lednet_mm.datasets.listing import endings_of, read_pairs
from lednet_mm.datasets.loading import IGNORE
from lednet_mm.errors import InputError
from lednet_mm.text import one_line


@DATASETS.register_module()
class CardDataset(SegDataset):
    """Images and labels that a YAML file describes, without the file: a config that names it says all.

    Args:
        metainfo: ``classes`` (names in the order of the network's outputs) and ``palette`` (red, green, blue
            each).
        images: folder of the images below ``data_root``; None where ``ann_file`` lists pairs.
        labels: folder of the labels.
        image_suffix: how the stems of images end beyond the name that a pair shares.
        label_suffix: the same of labels.
        ids: of each class, the ids in label files; None for labels painted in the palette's colours.
        ignore: ids, or colours, of pixels that count nowhere. A label with any other value is refused.
        unit: ``"image"``, or ``{"sequence": regular expression}``: see :meth:`sequence_and_frame`.
        **kwargs: as in :class:`~lednet_mm.datasets.base.SegDataset`. ``ann_file`` is a list of names of
            images, or without folders of pairs (image and label a line, below ``data_root``).

    Raises:
        InputError: on first use, if a folder or list is missing, empty or names files that are not there, or
            the regular expression does not fit the path of an image.
    """

    HOW_TO_GET = "a copy of the data, or correct root and splits in its YAML file (docs/datasets.md)"
    label_map: dict[Any, int]

    def __init__(
        self,
        *,
        metainfo: Mapping[str, Any],
        images: str | None = None,
        labels: str | None = None,
        image_suffix: str = "",
        label_suffix: str = "",
        ids: Sequence[Sequence[int]] | None = None,
        ignore: Sequence[Any] = (),
        unit: str | Mapping[str, str] = "image",
        **kwargs: Any,
    ) -> None:
        self.lists_pairs = images is None or labels is None
        self.pattern = re.compile(unit["sequence"]) if isinstance(unit, Mapping) else None
        self.label_colors = ids is None
        values = [[tuple(color)] for color in metainfo["palette"]] if ids is None else ids
        ignored = [tuple(value) if isinstance(value, (list, tuple)) else value for value in ignore]
        self.translation = {
            **dict.fromkeys(ignored, IGNORE),
            **{value: class_id for class_id, some in enumerate(values) for value in some},
        }
        layout = {
            "data_prefix": {"img_path": images or "", "seg_map_path": labels or ""},
            "img_suffix": endings_of(image_suffix),
            "seg_map_suffix": endings_of(label_suffix),
        }
        super().__init__(layout, metainfo=metainfo, **kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """List the samples: in the order of a list, or sorted by image path."""
        self.label_map = self.translation
        how_to_read = {"only_mapped": True, "label_colors": self.label_colors}
        samples = [
            {**sample, **how_to_read}
            for sample in (self._pairs() if self.lists_pairs else super().load_data_list())
        ]
        for sample in samples:
            self._match(sample["img_path"])
        return samples

    def sequence_and_frame(self, index: int) -> tuple[str, int]:
        """Return the sequence that an image belongs to, and its frame's number there.

        Both are what the groups of ``unit``'s regular expression find in the image's path below the root. An
        expression of one group finds the sequence; the number then is the sample's in the split.
        """
        found = self._match(self.get_data_info(index)["img_path"])
        if found is None:
            return super().sequence_and_frame(index)
        return found[1], int(found[2]) if found.re.groups == 2 else index

    def _match(self, image: str) -> re.Match[str] | None:
        """Search an image's path for its sequence; None where every image is one of its own.

        Raises:
            InputError: the expression does not fit.
        """
        if self.pattern is None:
            return None
        path = self._path_within(image)
        found = self.pattern.search(path)
        if found is None or None in found.groups():
            raise InputError(
                f"image {image}: unit: {self.pattern.pattern!r} does not fit {one_line(path)!r}: correct it "
                "in the dataset's YAML file"
            )
        if found.re.groups == 2 and not (found[2].isascii() and found[2].isdigit() and len(found[2]) < 19):
            raise InputError(
                f"image {image}: unit: group 2 of {self.pattern.pattern!r} is {one_line(found[2])!r}, "
                "no frame's number: correct it in the dataset's YAML file"
            )
        return found

    def _pairs(self) -> list[dict[str, Any]]:
        """Return the samples that a list of pairs names."""
        root = Path(self.data_root or "")
        return [
            {
                "img_path": str(root / image),
                "seg_map_path": str(root / label),
                "label_map": self.label_map,
                "reduce_zero_label": self.reduce_zero_label,
                "seg_fields": [],
                "num_classes": len(self.metainfo["classes"]),
            }
            for image, label in read_pairs(self.ann_file)
        ]
