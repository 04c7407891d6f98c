"""The common base of this project's datasets: early, clear errors and checks of label ids."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from mmseg.datasets import BaseSegDataset

from lednet_mm.datasets.cache import Cached, split_pipeline
from lednet_mm.datasets.frames import find_frame
from lednet_mm.datasets.listing import Endings, first_of, paired_files, read_names
from lednet_mm.datasets.loading import IGNORE, LoadLabels
from lednet_mm.errors import InputError
from lednet_mm.files import find_files


class SettingsError(InputError):
    """A dataset cannot be built from its settings; the library's exception is the cause."""


class SegDataset(BaseSegDataset):
    """A folder of images and a folder of labels, which are checked before they are listed.

    Every sample carries what :class:`~lednet_mm.datasets.loading.LoadLabels` needs: ``num_classes``, and
    ``label_map``, a table from ids in the file to class ids. This is mmseg's key, so mmseg's loading
    transform can read these datasets too.

    Args:
        layout: layout of the dataset as published: ``data_prefix``, ``img_suffix`` and ``seg_map_suffix``;
            each of the last two is one ending or a tuple of several.
        cache_dir: folder for the decoded results of the pipeline's first, deterministic transforms
            (:class:`~lednet_mm.datasets.cache.Cached`); None reads the files every time.
        kwargs: any arguments of mmseg's ``BaseSegDataset``, which replace those of the layout. A list of
            names (``ann_file``) or ``indices`` select a part of the images. ``reduce_zero_label`` and an
            ``ignore_index`` other than 255 are refused: id 0 is a class here, and void is read as 255.

    Raises:
        InputError: on first use, a folder is missing or holds no file of the expected name.
    """

    HOW_TO_GET: ClassVar[str]
    """How a user gets the data: a command that completes the sentence "get it with ..."."""

    FRAMES: ClassVar[re.Pattern[str] | None] = None
    """Pattern that finds sequence and frame in an image's path; None if every image is its own sequence."""

    def __init__(
        self, layout: Mapping[str, Any], *, cache_dir: str | Path | None = None, **kwargs: Any
    ) -> None:
        name = type(self).__name__
        if kwargs.get("reduce_zero_label"):
            raise InputError(
                f"{name}: reduce_zero_label=True would drop the class {self._first_class(kwargs)!r}, "
                "which has id 0 here: leave it out"
            )
        if kwargs.get("ignore_index", IGNORE) != IGNORE:
            raise InputError(
                f"{name}: ignore_index={kwargs['ignore_index']}: pixels without a label are read as {IGNORE} "
                "here: leave it out"
            )
        folders = {**layout["data_prefix"], **(kwargs.get("data_prefix") or {})}
        try:
            super().__init__(**{**layout, **kwargs, "data_prefix": folders})
        except ValueError as error:  # from mmseg: unknown classes, or colours for other classes
            raise SettingsError(f"{name}: {str(error)[:200]}: correct its settings in the config") from error
        if cache_dir is not None:
            before, same_every_time, rest = split_pipeline(self.pipeline.transforms)
            if same_every_time:
                self.pipeline.transforms = [*before, Cached(same_every_time, cache_dir), *rest]

    def load_data_list(self) -> list[dict[str, Any]]:
        """List the samples in the order of the list of names, or sorted by image path."""
        num_classes = len(self.metainfo["classes"])
        if "://" in self.data_prefix["img_path"]:  # on a server, which mmengine's backends access
            return [{**sample, "num_classes": num_classes} for sample in super().load_data_list()]
        images, labels = Path(self.data_prefix["img_path"]), Path(self.data_prefix["seg_map_path"])
        for folder in (images, labels):
            if not folder.is_dir():
                raise InputError(f"dataset folder {folder} is missing: get it with {self.HOW_TO_GET}")
        image_of, label_of = paired_files(images, self.img_suffix, labels, self.seg_map_suffix)
        for folder, endings, found in (
            (images, self.img_suffix, image_of),
            (labels, self.seg_map_suffix, label_of),
        ):
            if not found:
                raise self._none(folder, endings)
        names = (
            read_names(self.ann_file, self.img_suffix)
            if self.ann_file
            else sorted(image_of, key=lambda name: str(image_of[name]))
        )
        return [
            {
                "img_path": str(image_of.get(name, images / f"{name}{first_of(self.img_suffix)}")),
                "seg_map_path": str(label_of.get(name, labels / f"{name}{first_of(self.seg_map_suffix)}")),
                "label_map": self.label_map,
                "reduce_zero_label": self.reduce_zero_label,
                "seg_fields": [],
                "num_classes": num_classes,
            }
            for name in names
        ]

    def get_cat_ids(self, idx: int) -> list[int]:
        """Return the classes in one image; mmengine's ``ClassBalancedDataset`` calls this."""
        found = LoadLabels()({**self.get_data_info(idx), "seg_fields": []})["gt_seg_map"]
        return sorted({*np.unique(found).tolist()} - {IGNORE})

    def sequence_and_frame(self, index: int) -> tuple[str, int]:
        """Return the sequence and the frame of a sample; frames of one sequence are not independent.

        Args:
            index: index of the sample.

        Returns:
            The name of the sequence to which the image belongs, and the number of its frame there, as
            ``FRAMES`` finds them. An image whose path does not match is a sequence of its own, named by its
            path in the dataset's folder.
        """
        path = self._path_within(self.get_data_info(index)["img_path"])
        frame = find_frame(self.FRAMES, path) if self.FRAMES else None
        return frame or (path, 0)

    def ids_in_files(self) -> tuple[int, ...] | None:
        """Return the id of each class in the dataset's own label files; None if these are the class ids."""
        return None

    def _path_within(self, path: str) -> str:
        """Return a file's path within the dataset's folder, with slashes."""
        return Path(os.path.relpath(path, self.data_root or self.data_prefix["img_path"])).as_posix()

    def _first_class(self, settings: Mapping[str, Any]) -> str:
        """Return the name of class 0, before the dataset is built."""
        return {**self.METAINFO, **(settings.get("metainfo") or {})}["classes"][0]

    def _none(self, folder: Path, endings: Endings) -> InputError:
        """Return the error for a folder without files of the expected name: what it holds, how to get it."""
        wanted = endings if isinstance(endings, str) else ", *".join(endings)
        others = Counter(path.suffix for path in find_files(folder)).most_common(1)
        seen = "".join(
            f", but {count} *{ending} (img_suffix and seg_map_suffix of the config say what is read)"
            for ending, count in others
        )
        return InputError(f"dataset folder {folder} holds no *{wanted}{seen}: get it with {self.HOW_TO_GET}")
