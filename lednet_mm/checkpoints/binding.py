"""Compare the config that a checkpoint was trained under with the one that its weights are used under."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from lednet_mm.errors import InputError
from lednet_mm.literals import differing_keys, read_literals
from lednet_mm.text import DEFAULT, one_line, variant_name

TRAINING_ONLY = (
    "init_cfg",
    "pretrained",
    "train_cfg",
    "class_weight",
    "sampler",
    "ignore_index",
    "auxiliary_head",
)
"""Keys of a model, at any depth, that do not change what trained weights compute. The same is true of all
keys that begin with ``loss`` or ``drop``."""

OF_PREDICTION = ("data_preprocessor", "test_cfg", "size_multiple", "evaluation_dilation")
"""Keys of a model that say how images are prepared and predicted. They change its figures, but not the
network."""
OF_IMAGES = ("type", "mean", "std", "bgr_to_rgb", "rgb_to_bgr")
"""Keys of ``data_preprocessor`` that matter outside of training."""


def meta_of(checkpoint: Mapping[str, Any], where: str | Path) -> dict[str, Any]:
    """Return the ``meta`` of a checkpoint, or an empty dict if it has none.

    Raises:
        InputError: ``meta`` is not a mapping.
    """
    meta = checkpoint.get("meta")
    if meta is not None and not isinstance(meta, dict):
        raise InputError(f"{where}: not a checkpoint: its meta is a {type(meta).__name__}, not a mapping")
    return meta or {}


def seed_of(checkpoint: Mapping[str, Any], where: str | Path) -> int | None:
    """Return the seed that a checkpoint was trained with; None if it does not say.

    Raises:
        InputError: its value is not a seed.
    """
    seed = meta_of(checkpoint, where).get("seed")
    if seed is None:
        return None
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise InputError(
            f"{where}: its meta.seed is {one_line(repr(seed))[:40]}, and seeds are 0 to 4294967295"
        )
    return seed


def trained_config(checkpoint: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the resolved config that a checkpoint was trained under; None if it does not say.

    The text is read as literals and never executed. Checkpoints of MMSegmentation's own runner, and those of
    this project from before it kept the config, say nothing that can be compared.
    """
    meta = checkpoint.get("meta")
    text = meta.get("config") if isinstance(meta, dict) else None
    if not isinstance(text, str):
        return None
    try:
        return read_literals(text)
    except ValueError:
        return None


def compare_with_config(
    checkpoint: Mapping[str, Any], config: Config | Mapping[str, Any], where: str | Path
) -> list[str]:
    """Compare the config that a checkpoint was trained under with the one that its weights are used under.

    Args:
        checkpoint: as :func:`lednet_mm.checkpoints.reading.read_checkpoint` returns it.
        config: the config that the weights are used under.
        where: name of the checkpoint in messages.

    Returns:
        One line for each key that differs and matters when figures are compared, though not for the network:
        the dataset, the preparation of images and the way of predicting. Each line has both values.

    Raises:
        InputError: the weights are of another network or variant, or of a network with other settings.
    """
    theirs = trained_config(checkpoint)
    if theirs is None:
        return []
    ours = config.to_dict() if isinstance(config, Config) else dict(config)
    if "network" in theirs and "network" in ours:
        names = [
            f"{one.get('network')}, variant {variant_name(one.get('variant', DEFAULT))}"
            for one in (theirs, ours)
        ]
        if names[0] != names[1]:
            raise InputError(
                f"{where}: these are weights of {one_line(names[0])}, and the config is that of "
                f"{names[1]}: use the config that they were trained with"
            )
    models = [config.get("model") for config in (theirs, ours)]
    different = differing_keys(*(_network(model if isinstance(model, Mapping) else {}) for model in models))
    if different:
        raise InputError(
            f"{where}: another network than the config's: {_shown(different, 'model.')}; "
            "use the config that it was trained with"
        )
    different = differing_keys(_circumstances(theirs), _circumstances(ours))
    if not ("dataset" in theirs and "dataset" in ours):  # a config with only a model does not name its data
        different.pop("dataset", None)
    return _texts(different)


def _network(value: Any) -> Any:
    """Return the part of a model's config that decides what the network computes after training."""
    if isinstance(value, Mapping):
        kept = {
            key: _network(item)
            for key, item in value.items()
            if not (
                key in TRAINING_ONLY
                or key in OF_PREDICTION
                or (isinstance(key, str) and key.startswith(("loss", "drop")))
            )
        }
        if kept.get("type") == "SyncBN":  # batch normalisation whose statistics several GPUs share
            kept["type"] = "BN"
        return kept
    return [_network(item) for item in value] if isinstance(value, (list, tuple)) else value


def _circumstances(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a config that figures depend on besides the network."""
    model = config.get("model")
    model = model if isinstance(model, Mapping) else {}
    images = model.get("data_preprocessor")
    images = images if isinstance(images, Mapping) else {}
    loader = config.get("test_dataloader")
    dataset = loader.get("dataset") if isinstance(loader, Mapping) else None
    dataset = dataset if isinstance(dataset, Mapping) else {}
    return {
        "dataset": config.get("dataset"),
        "test pipeline": dataset.get("pipeline"),
        "model": {
            "data_preprocessor": {key: images.get(key) for key in OF_IMAGES},
            **{key: model.get(key) for key in OF_PREDICTION[1:]},
        },
    }


def _texts(different: Mapping[str, tuple[Any, Any]]) -> list[str]:
    return [f"{key} ({_short(old)} there, {_short(new)} here)" for key, (old, new) in different.items()]


def _shown(different: Mapping[str, tuple[Any, Any]], prefix: str) -> str:
    texts = [prefix + text for text in _texts(different)]
    more = f" and {len(texts) - 3} more keys" if len(texts) > 3 else ""
    return ", ".join(texts[:3]) + more


def _short(value: Any) -> str:
    text = one_line("nothing" if value is None else repr(value))
    return text if len(text) <= 60 else f"{text[:57]}..."
