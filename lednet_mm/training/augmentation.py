"""Test-time augmentation for any config: average predictions at several scales, original and mirrored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmcv.transforms import LoadAnnotations, TestTimeAug
from mmengine.config import Config
from mmseg.datasets.transforms import PackSegInputs
from mmseg.registry import TRANSFORMS

from lednet_mm.config import innermost
from lednet_mm.datasets.registered import class_meant

SCALES = (1.0, 0.5, 0.75, 1.25, 1.5, 1.75)
"""MMSegmentation's scales, with the original size moved to the front."""


def augment(config: Config) -> None:
    """Let a config's model and test data predict each image at several scales, original and mirrored.

    The config's own ``tta_model`` and ``tta_pipeline`` are used where they exist, otherwise MMSegmentation's
    model and the config's test pipeline.

    Args:
        config: the config, whose ``model`` and ``test_dataloader`` are changed in place.
    """
    for dataset in innermost(config.test_dataloader.dataset):
        dataset["pipeline"] = config.get("tta_pipeline") or augmented(dataset.get("pipeline") or [])
    config.model = {**config.get("tta_model", {"type": "SegTTAModel"}), "module": config.model}


def augmented(pipeline: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a test pipeline that makes each image at 6 scales, original and mirrored.

    Labels are read last and keep their size: predictions are resized to it and mirrored back. A pipeline that
    already augments is returned unchanged.
    """
    if any(_is(step, TestTimeAug) for step in pipeline):
        return list(pipeline)
    labels = [step for step in pipeline if _is(step, LoadAnnotations)]
    pack = [step for step in pipeline if _is(step, PackSegInputs)]
    prepare = [step for step in pipeline if step not in labels and step not in pack]
    variants = [
        [{"type": "Resize", "scale_factor": scale, "keep_ratio": True} for scale in SCALES],
        [{"type": "RandomFlip", "prob": prob, "direction": "horizontal"} for prob in (0.0, 1.0)],
        *([step] for step in labels),
        pack or [{"type": "PackSegInputs"}],
    ]
    return [*prepare, {"type": "TestTimeAug", "transforms": variants}]


def _is(step: dict[str, Any], kind: type) -> bool:
    found = class_meant(TRANSFORMS, step)
    return isinstance(found, type) and issubclass(found, kind)
