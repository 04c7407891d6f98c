"""The quick check of the data before anything is built."""

from __future__ import annotations

from mmengine.config import Config

from lednet_mm.datasets.check import DatasetSummary, check_dataset
from lednet_mm.datasets.image_folder import check_image_folder
from lednet_mm.errors import InputError


def preflight(config: Config) -> dict[str, DatasetSummary]:
    """Check the splits that a training uses: pair all files, and decode a sample of them.

    Args:
        config: config with ``train_dataloader`` and, where the training validates, ``val_dataloader``.

    Returns:
        What was found in each split.

    Raises:
        InputError: a folder is missing, a file has a fault (the line names the first one), or a split has no
            labelled pixel at all.
    """
    summaries = {}
    for split in ("train", "val"):
        loader = config.get(f"{split}_dataloader")
        if not loader:
            continue
        if of_images := loader["dataset"].get("type") == "ImageFolder":
            summary = check_image_folder(loader["dataset"])
        else:
            summary = check_dataset(loader["dataset"], quick=True)
        if summary.problems:
            rest = len(summary.problems) - 1
            more = f" (and {rest} more; tools/check_dataset.py lists them)" if rest else ""
            raise InputError(f"{split} data: {summary.problems[0]}{more}")
        if not of_images and summary.decoded and not summary.class_pixels.any():
            everything = check_dataset(loader["dataset"])
            if not everything.class_pixels.any():
                raise InputError(
                    f"{split} data: all pixels of all {everything.decoded} labels are ignored (255): "
                    "nothing can be learned or measured; correct the labels or the config's dataset type"
                )
        summaries[split] = summary
    return summaries
