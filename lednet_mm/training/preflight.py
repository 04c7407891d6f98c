"""What is checked before anything is built: the data, in the quick form."""

from __future__ import annotations

from mmengine.config import Config

from lednet_mm.datasets.check import DatasetSummary, check_dataset
from lednet_mm.errors import InputError

DOUBTFUL_SHARE = 0.5
"""The share of ignored pixels above which labels are probably not what the config takes them for."""


def preflight(config: Config) -> dict[str, DatasetSummary]:
    """Check the splits that a training uses: pairs of all files, and a sample of them decoded.

    Args:
        config: with ``train_dataloader`` and, where the training validates, ``val_dataloader``.

    Returns:
        What was found of each split.

    Raises:
        InputError: a folder is missing, something is wrong with a file (the line names the first one), or
            no label of a split has a labelled pixel.
    """
    summaries = {}
    for split in ("train", "val"):
        loader = config.get(f"{split}_dataloader")
        if not loader:
            continue
        summary = check_dataset(loader["dataset"], quick=True)
        if summary.problems:
            rest = len(summary.problems) - 1
            more = f" (and {rest} more; tools/check_dataset.py lists them)" if rest else ""
            raise InputError(f"{split} data: {summary.problems[0]}{more}")
        if summary.decoded and not summary.class_pixels.any():
            everything = check_dataset(loader["dataset"])
            if not everything.class_pixels.any():
                raise InputError(
                    f"{split} data: all pixels of all {everything.decoded} labels are ignored (255): "
                    "nothing can be learned or measured; correct the labels or the config's dataset type"
                )
        summaries[split] = summary
    return summaries


def doubt(split: str, summary: DatasetSummary) -> str | None:
    """Return a line about labels of one class only, or with more than half their pixels ignored, or None."""
    seen = [name for name, n in zip(summary.classes, summary.class_pixels, strict=True) if n]
    pixels = int(summary.class_pixels.sum()) + summary.ignored_pixels
    share = summary.ignored_pixels / pixels if pixels else 0.0
    if share <= DOUBTFUL_SHARE and len(seen) != 1:
        return None
    names = ", ".join(seen[:5]) + (f" and {len(seen) - 5} more" if len(seen) > 5 else "")
    mask = "; 255 means 'no label', so a mask of 0 and 255 has one class" if len(seen) == 1 and share else ""
    return (
        f"{split} data: in {summary.decoded} sampled labels {100 * share:.0f} % of the pixels are ignored "
        f"(255); classes seen: {names or 'none'}{mask}"
    )
