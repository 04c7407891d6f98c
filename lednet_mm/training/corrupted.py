"""Testing on corrupted images: which measurements exist already, and the step that corrupts loaded images."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine.config import Config
from mmengine.dist import broadcast_object_list

from lednet_mm.errors import InputError
from lednet_mm.evaluation import corruptions
from lednet_mm.evaluation.corruptions import CorruptImages, Corruption
from lednet_mm.records import Provenance, read_records


def describe_corruption(corruption: Corruption) -> dict[str, Any]:
    """Return the description of a corruption that a record keeps."""
    return {
        "corruption": corruption.name,
        "severity": corruption.severity,
        "library": corruptions.library(),
    }


def measure_each(
    wanted: Sequence[Corruption],
    done: Mapping[Corruption, float | None],
    measure: Callable[[Corruption], float | None],
    say: Callable[[str], None],
) -> dict[Corruption, float | None]:
    """Measure what is missing, and report after each measurement its result and the time left.

    Args:
        wanted: all corruptions that were asked for.
        done: mIoU in percent of each corruption that has a record already.
        measure: function that tests with a corruption and returns the mIoU, or None where there is none.
        say: function that prints a line.

    Returns:
        mIoU in percent of every corruption that was asked for.
    """
    missing = [corruption for corruption in wanted if corruption not in done]
    if len(missing) < len(wanted):
        say(f"{len(wanted) - len(missing)} of {len(wanted)} corruptions have records already")
    found = dict(done)
    begin = time.monotonic()
    for number, corruption in enumerate(missing, start=1):
        miou = found[corruption] = measure(corruption)
        left = (time.monotonic() - begin) / number * (len(missing) - number)
        score = "no mIoU" if miou is None or np.isnan(miou) else f"mIoU {miou:.2f}"
        say(f"corruption {number} of {len(missing)}, {corruption}: {score}; {left / 60:.1f} minutes left")
    return {corruption: found[corruption] for corruption in wanted}


SAME = ("split", "tta", "engine", "deployed", "file_sha256")
"""Details in which two tests of one network must agree, so that the second need not be run."""


def recorded_corruptions(
    work_dir: str | Path, config: str, provenance: Provenance, details: Mapping[str, Any]
) -> dict[Corruption, float | None]:
    """Return the corruptions that a folder has records of with the same weights, config, data and library.

    They must also have been tested in the same form, see ``SAME``.

    All processes of a distributed test get what the first one finds.

    Args:
        work_dir: work folder with the records.
        config: text of the config.
        provenance: provenance of the current test.
        details: details of the current test's records.

    Returns:
        Corruption -> mIoU in percent.
    """
    same = {"dataset_fingerprint", "checkpoint_sha256", "precision"}
    wanted = [details.get(key) for key in SAME]
    found = {
        Corruption(record.details["corruption"], record.details["severity"]): record.values["miou_percent"]
        for record in read_records([work_dir])[0]
        if record.kind == "corruption"
        and record.config.text == config
        and record.provenance.model_dump(include=same) == provenance.model_dump(include=same)
        and [record.details.get(key) for key in SAME] == wanted
        and record.details.get("library") == corruptions.library()
    }
    shared = [found]
    broadcast_object_list(shared)
    return shared[0]


def insert_corrupting(dataset: Any, config: Config) -> CorruptImages:
    """Insert a step that corrupts images after the loading of images, also in datasets within a wrapper.

    Raises:
        InputError: a pipeline loads no images.
    """
    step = CorruptImages()
    waiting = [dataset]
    while waiting:
        part = waiting.pop()
        within = list(getattr(part, "datasets", ())) or [getattr(part, "dataset", None)]
        if within != [None]:
            waiting += within
            continue
        steps = part.pipeline.transforms
        loading = [i for i, transform in enumerate(steps) if isinstance(transform, LoadImageFromFile)]
        if not loading:
            raise InputError(f"{config.filename}: the test pipeline has no LoadImage whose images to corrupt")
        steps.insert(loading[-1] + 1, step)
    return step
