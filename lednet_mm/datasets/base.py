"""What all datasets of this project share: early, plain errors and the ids a label file may hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from mmseg.datasets import BaseSegDataset

from lednet_mm.datasets.cache import Cached, split_pipeline
from lednet_mm.errors import InputError
from lednet_mm.files import find_files


class SegDataset(BaseSegDataset):
    """An image folder and a label folder that are checked before they are listed.

    Every sample carries what :class:`~lednet_mm.datasets.loading.LoadLabels` needs: ``num_classes``, and in
    ``label_map`` the table from ids in the file to class ids (mmseg's own key, so that mmseg's own loading
    transform reads these datasets too).

    Args:
        cache_dir: keep what the pipeline's first, deterministic transforms make, decoded, in this folder
            (:class:`~lednet_mm.datasets.cache.Cached`); None reads the files every time.
        kwargs: of mmseg's ``BaseSegDataset``.

    Raises:
        InputError: on first use, if a folder is missing or holds no file of the expected name.
    """

    HOW_TO_GET: ClassVar[str]
    """What a user types to get the data: a command, completing the sentence "get it with ..."."""

    def __init__(self, *args: Any, cache_dir: str | Path | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if cache_dir is not None:
            before, same_every_time, rest = split_pipeline(self.pipeline.transforms)
            if same_every_time:
                self.pipeline.transforms = [*before, Cached(same_every_time, cache_dir), *rest]

    def load_data_list(self) -> list[dict[str, Any]]:
        """List the samples, sorted by image path."""
        self._require_files(Path(self.data_prefix["img_path"]), self.img_suffix)
        self._require_files(Path(self.data_prefix["seg_map_path"]), self.seg_map_suffix)
        samples = super().load_data_list()
        for sample in samples:
            sample["num_classes"] = len(self.metainfo["classes"])
        return samples

    def _require_files(self, folder: Path, suffix: str) -> None:
        if not folder.is_dir():
            raise InputError(f"dataset folder {folder} is missing: get it with {self.HOW_TO_GET}")
        if not find_files(folder, suffix):
            raise InputError(f"dataset folder {folder} holds no *{suffix}: get it with {self.HOW_TO_GET}")
