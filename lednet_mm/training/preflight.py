"""What is checked before the first iteration: the data, in the quick form."""

from __future__ import annotations

import hashlib

from mmengine.config import Config

from lednet_mm.datasets.check import check_dataset
from lednet_mm.errors import InputError


def preflight(config: Config) -> str:
    """Check the splits that a training uses: pairs of all files, and a sample of them decoded.

    Args:
        config: with ``train_dataloader`` and, where the training validates, ``val_dataloader``.

    Returns:
        The fingerprint of the data, over names and sizes of all files.

    Raises:
        InputError: a folder is missing, or something is wrong with a file; the line names the first one.
    """
    digest = hashlib.sha256()
    for split in ("train", "val"):
        loader = config.get(f"{split}_dataloader")
        if not loader:
            continue
        summary = check_dataset(loader["dataset"], quick=True)
        if summary.problems:
            rest = len(summary.problems) - 1
            more = f" (and {rest} more; tools/check_dataset.py lists them)" if rest else ""
            raise InputError(f"{split} data: {summary.problems[0]}{more}")
        digest.update(summary.fingerprint.encode())
    return f"sizes:{digest.hexdigest()}"
