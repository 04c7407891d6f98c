"""Turn the config in a record into one from which its network can be built safely.

MMEngine takes more from a config than values: it imports what ``type`` and ``_scope_`` name, runs
``custom_imports``, reads ``_base_`` and unpickles what ``Pretrained`` names. A record may come from anywhere,
so this module reads the config as literals, removes everything of that kind, and accepts known parts only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry
from mmseg.registry import DATASETS, MODELS, TASK_UTILS, TRANSFORMS

from lednet_mm.errors import InputError
from lednet_mm.literals import read_literals
from lednet_mm.records import Record

DROPPED = {
    *("_scope_", "_base_", "_delete_"),
    *("init_cfg", "pretrained", "checkpoint", "checkpoint_path", "load_from"),
    *("backend_args", "file_client_args"),
    *("ann_file", "cache_dir"),
}
"""Keys at any depth that import modules, or read or write files. Weights come from a checkpoint instead."""


def config_of_record(record: Record, split: str) -> Config:
    """Return the parts of a record's config from which its network and its data can be built.

    Args:
        record: record with the config.
        split: split whose images are needed, ``val`` or ``test``.

    Raises:
        InputError: the text is not a config, or it names parts that neither MMSegmentation nor this project
            has.
    """
    try:
        values = read_literals(record.config.text)
    except ValueError as error:
        raise InputError(f"the config in its record cannot be read: {error}") from None
    kept = {}
    for key in ("model", "test_dataloader", f"{split}_dataloader"):
        if not isinstance(values.get(key), dict):
            raise InputError(f"the config in its record has no {key}")
        kept[key] = _without(values[key])
        _check_places(kept[key])
        is_model = key == "model"
        known = _names((MODELS, TASK_UTILS) if is_model else (DATASETS, TRANSFORMS))
        _check_types(kept[key] if is_model else kept[key].get("dataset"), known)
    return Config(kept)


def _without(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _without(item) for key, item in value.items() if key not in DROPPED}
    return [_without(item) for item in value] if isinstance(value, (list, tuple)) else value


def _check_places(value: Any, key: str | None = None) -> None:
    """Check that a config reads nothing but files in the dataset's folder.

    Raises:
        InputError: it has an internet address, a folder outside the dataset's, or metadata from a file.
    """
    if isinstance(value, Mapping):
        for name, item in value.items():
            # MMEngine treats a text in the metainfo as the name of a file.
            if key == "metainfo" and isinstance(item, str):
                raise _outside(item)
            _check_places(item, key if key == "data_prefix" else name)
    elif isinstance(value, list):
        for item in value:
            _check_places(item, key)
    elif isinstance(value, str):
        leads_out = Path(value).is_absolute() or ".." in Path(value).parts
        if "://" in value or (key == "data_prefix" and leads_out):
            raise _outside(value)


def _outside(place: str) -> InputError:
    return InputError(
        f"the config in its record would read {place[:100]!r}, but pictures are made only from files in the "
        "dataset's data_root"
    )


def _names(registries: Collection[Registry]) -> set[str]:
    """Return all names that registries or their parents know."""
    names: set[str] = set()
    for registry in registries:
        part: Registry | None = registry
        while part is not None:
            part.import_from_location()
            names.update(part.module_dict)
            part = part.parent
    return names


def _check_types(value: Any, known: Collection[str]) -> None:
    if isinstance(value, Mapping):
        if "type" in value and not (isinstance(value["type"], str) and value["type"] in known):
            raise InputError(
                f"the config in its record names {str(value['type'])[:100]!r}, which is not a part of "
                "MMSegmentation or this project"
            )
        for item in value.values():
            _check_types(item, known)
    elif isinstance(value, list):
        for item in value:
            _check_types(item, known)
