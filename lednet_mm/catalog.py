"""The networks, datasets, recipes with their options, and variants that configs are combined from."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lednet_mm.errors import InputError, describe_error
from lednet_mm.own_networks import is_own_network, read_own_network
from lednet_mm.text import DEFAULT

if TYPE_CHECKING:
    from lednet_mm.record_format import Record

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
SIZES = Path(__file__).resolve().parents[1] / "reports/networks"
"""Folder with the complexity records of the networks; ``tools/get_flops.py`` writes them."""
CLASSES, SHAPE = 19, (512, 1024)
"""The number of classes, and the height and width of the image, for which these records were made."""

COMMON = "common"
"""The recipe that all networks share unless another one is named."""

PLANNED = Path("plan", "config.py")
"""The file with a run's config within its folder, if a study has planned the run."""


@dataclass(frozen=True)
class Variant:
    """A change to a network, and the question that it is to answer.

    Attributes:
        question: the question that a comparison with the network itself answers.
        claim: the claims about the change, and who makes them.
        expectation: the result that was expected before any run.
        change: the dotted keys of the config that change, with their new values.
    """

    question: str
    claim: str
    expectation: str
    change: Mapping[str, Any]


def network_files() -> dict[str, Path]:
    """Return the files of all networks by name."""
    return _files("networks")


def dataset_files() -> dict[str, Path]:
    """Return the files of all datasets by name: parts of configs, and YAML files."""
    return {**_files("datasets"), **_files("datasets", "yaml")}


def recipe_files() -> dict[str, Path]:
    """Return the files of all recipes by name."""
    return _files("recipes")


def option_files() -> dict[str, Path]:
    """Return the files of all options of recipes by name: ``common+focal`` is a recipe with one."""
    return _files("options")


def _files(kind: str, ending: str = "py") -> dict[str, Path]:
    return {path.stem: path for path in sorted((CONFIGS / "_base_" / kind).glob(f"*.{ending}"))}


def recorded_sizes() -> dict[str, Record]:
    """Return the complexity records of the networks in :data:`SIZES` by name."""
    from lednet_mm.literals import read_literals
    from lednet_mm.records import read_records

    return {
        record.run.network: record
        for record in read_records([SIZES])[0]
        if record.kind == "complexity"
        and record.run.variant == DEFAULT
        and list(record.details["shape"]) == list(SHAPE)
        and read_literals(record.config.text).get("num_classes") == CLASSES
    }


def file_of(kind: str, files: Mapping[str, Path], name: str) -> Path:
    """Return the file of a network, dataset or recipe.

    Args:
        kind: word for this kind of file in the message.
        files: all files of this kind by name.
        name: name to look up.

    Raises:
        InputError: none of them has the name.
    """
    if name not in files:
        close = difflib.get_close_matches(name, files, 3, cutoff=0.6) or sorted(files)
        raise InputError(f"no {kind} of the name {name!r}: there are {', '.join(close)}")
    return files[name]


def variants_of(network: str) -> Mapping[str, Variant]:
    """Return the variants of a network by name.

    Args:
        network: name of the network, whose variants are in ``configs/ablations/<network>.py``, or the file of
            a network of the user's own, which contains its variants.

    Raises:
        InputError: the file is damaged, or an entry is incomplete.
    """
    if is_own_network(network):
        return _variants(Path(network), read_own_network(network).variants)
    path = CONFIGS / "ablations" / f"{network}.py"
    return _variants_in(path, path.stat().st_mtime_ns) if path.is_file() else {}


@cache
def _variants_in(path: Path, changed: int) -> Mapping[str, Variant]:
    """Read a file of variants.

    Args:
        path: the file.
        changed: time of its last change, so that the cache does not return an older content.
    """
    from lednet_mm.config_files import read_config_file

    return _variants(path, read_config_file(path, "the file of variants").to_dict())


def _variants(path: Path, entries: Mapping[str, Any]) -> Mapping[str, Variant]:
    try:
        return {name: Variant(**entry) for name, entry in entries.items()}
    except TypeError as error:
        raise InputError(f"{path}: the variants cannot be read: {describe_error(error)}") from error


def variant_of(network: str, name: str) -> Variant:
    """Return a variant of a network.

    Raises:
        InputError: the network has no variant of this name.
    """
    variants = variants_of(network)
    if name not in variants:
        known = ", ".join([DEFAULT, *variants])
        raise InputError(f"{network} has no variant {name!r}: there are {known}")
    return variants[name]
