"""The dataset that a YAML file describes: see :mod:`lednet_mm.datasets.card`."""

from __future__ import annotations

import os
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
    """Images and labels as a YAML file describes them; the arguments hold the whole content of the file.

    Args:
        metainfo: dict with ``classes`` (names in the order of the network's outputs) and ``palette`` (red,
            green and blue of each class).
        images: folder of the images below ``data_root``; None if ``ann_file`` lists pairs.
        labels: folder of the labels.
        image_suffix: part of the stems of images after the name that an image shares with its label.
        label_suffix: the same for labels.
        ids: ids in label files for each class; None for labels painted in the palette's colours.
        other_colors: further colours in painted labels for each class.
        ignore: ids, or colours, of pixels that are ignored. A label with any other value that is not a class
            is refused.
        unit: the independent unit: ``"image"``, or ``{"sequence": regular expression}`` as
            :meth:`sequence_and_frame` describes.
        get: how a user gets the data, see ``HOW_TO_GET``; None gives general advice.
        **kwargs: further arguments of :class:`~lednet_mm.datasets.base.SegDataset`. ``ann_file`` is a list of
            image names or, without folders, of pairs (the paths of an image and its label per line, below
            ``data_root``).

    Raises:
        InputError: on first use, if a folder or list is missing, empty or names files that are not there, or
            the regular expression does not fit the path of an image.
    """

    HOW_TO_GET = "a copy of the data, or correct root and splits in its YAML file (docs/datasets.md)"
    label_map: dict[Any, int]
    ann_file: str

    def __init__(
        self,
        *,
        metainfo: Mapping[str, Any],
        images: str | None = None,
        labels: str | None = None,
        image_suffix: str = "",
        label_suffix: str = "",
        ids: Sequence[Sequence[int]] | None = None,
        other_colors: Sequence[Sequence[Sequence[int]]] = (),
        ignore: Sequence[Any] = (),
        unit: str | Mapping[str, str] = "image",
        get: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.lists_pairs = images is None or labels is None
        self.pattern = re.compile(unit["sequence"]) if isinstance(unit, Mapping) else None
        self.label_colors = ids is None
        self.first_ids = None if ids is None else tuple(int(some[0]) for some in ids)
        if get is not None:
            self.HOW_TO_GET = get  # type: ignore[misc]
        values: Sequence[Sequence[Any]] = ids or []
        if ids is None:
            others = other_colors or [()] * len(metainfo["palette"])
            values = [
                [tuple(color), *map(tuple, more)]
                for color, more in zip(metainfo["palette"], others, strict=True)
            ]
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
        """Return the samples in the order of the list if there is one, else sorted by image path."""
        self.label_map = self.translation
        if self.ann_file:  # relative to the folder's name, even if it is a link to another place
            self.ann_file = os.path.normpath(self.ann_file)
        how_to_read = {"only_mapped": True, "label_colors": self.label_colors}
        samples = [
            {**sample, **how_to_read}
            for sample in (self._pairs() if self.lists_pairs else super().load_data_list())
        ]
        for sample in samples:
            self._match(sample["img_path"])
        return samples

    def ids_in_files(self) -> tuple[int, ...] | None:
        """Return the first id of each class; None if the labels are painted."""
        return self.first_ids

    def sequence_and_frame(self, index: int) -> tuple[str, int]:
        """Return the sequence to which an image belongs and the number of its frame there.

        The groups of ``unit``'s regular expression find both in the image's path below the root. If the
        expression has only one group, it finds the sequence, and the sample's index in the split is the
        number.
        """
        found = self._match(self.get_data_info(index)["img_path"])
        if found is None:
            return super().sequence_and_frame(index)
        return found[1], int(found[2]) if found.re.groups == 2 else index

    def _match(self, image: str) -> re.Match[str] | None:
        """Search an image's path for its sequence; None if every image is independent.

        Raises:
            InputError: the expression does not match.
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
                "not the number of a frame: correct it in the dataset's YAML file"
            )
        return found

    def _pairs(self) -> list[dict[str, Any]]:
        """Return the samples of a list of pairs."""
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
