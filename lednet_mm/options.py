"""The options that several commands share, each declared once."""

from __future__ import annotations

import argparse
import ast
import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lednet_mm.errors import InputError

if TYPE_CHECKING:
    from lednet_mm.config import Choice
    from lednet_mm.evaluation.tiling import Tiles

LAUNCHERS = ("none", "pytorch", "slurm", "mpi")
STARTED_BY = {
    "pytorch": ("torchrun", ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")),
    "slurm": ("srun", ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_NODELIST")),
    "mpi": ("mpirun", ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK")),
}
"""Launcher -> the program that starts its processes, and the environment variables that this program sets."""


def parse_value(text: str) -> Any:
    """Read the value of a ``--cfg-options`` setting.

    ``1``, ``0.5``, ``true``, ``none`` and quoted text have their usual meaning; ``a,b`` and ``[a,b]`` are
    lists and ``(a,b)`` is a tuple, which can be nested; anything else is text, with its spaces.

    Raises:
        ValueError: brackets or quotation marks do not match.
    """
    stripped = text.strip()
    constants = {"true": True, "false": False, "none": None}
    if stripped.lower() in constants:
        return constants[stripped.lower()]
    try:
        parts = _split(stripped)
    except ValueError:
        if stripped[:1] in ("[", "(", "{"):
            raise
        return text  # for example an unmatched bracket in a path
    if len(parts) > 1:
        return [parse_value(part) for part in parts if part.strip()]
    try:
        return ast.literal_eval(stripped)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        pass
    if stripped[:1] + stripped[-1:] in ("[]", "()"):
        items = [parse_value(part) for part in _split(stripped[1:-1]) if part.strip()]
        return items if stripped[0] == "[" else tuple(items)
    return text


def positive(text: str) -> int:
    """Read an argument that is a whole number above 0.

    Raises:
        argparse.ArgumentTypeError: it is something else.
    """
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def _split(text: str) -> list[str]:
    """Split text at the commas outside brackets and quotation marks."""
    parts, open_brackets, quote, begin = [], [], "", 0
    for i, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'" and (i == begin or text[i - 1] in ",[({:= "):
            quote = character
        elif character in "[({":
            open_brackets.append({"[": "]", "(": ")", "{": "}"}[character])
        elif open_brackets and character == open_brackets[-1]:
            open_brackets.pop()
        elif character == "," and not open_brackets:
            parts.append(text[begin:i])
            begin = i + 1
    if open_brackets or quote:
        raise ValueError(f"a {open_brackets[-1] if open_brackets else quote} is missing in {text!r}")
    return [*parts, text[begin:]]


class _Settings(argparse.Action):
    """Collects ``KEY=VALUE`` settings in a dict."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        settings = dict(getattr(namespace, self.dest) or {})
        for setting in values or ():
            key, equals, value = setting.partition("=")
            if not equals or not key.strip():
                parser.error(
                    f"{option_string}: {setting!r} is not KEY=VALUE (such as train_cfg.max_iters=2000)"
                )
            try:
                settings[key.strip()] = parse_value(value)
            except ValueError as error:
                parser.error(f"{option_string} {key}: {error}")
        setattr(namespace, self.dest, settings)


def add_config(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Add CONFIG and the options that belong to it; :func:`choices_of` reads them.

    Args:
        parser: parser of the command.
        several: whether the command takes several configs at once.
    """
    more: dict[str, Any] = {"nargs": "+"} if several else {}
    parser.add_argument(
        "config",
        metavar="CONFIG",
        help="a config file (see configs/); or with --dataset a network's name, or the file of one's own; "
        "NAME:VARIANT also works",
        **more,
    )
    parser.add_argument(
        "--dataset", metavar="NAME", help="the dataset, where a network is named (see tools/list.py datasets)"
    )
    parser.add_argument(
        "--recipe", metavar="NAME", help="the recipe, where a network is named (default common)"
    )
    parser.add_argument(
        "--variant", metavar="NAME", help="a variant of the network (see tools/list.py variants)"
    )
    add_config_options(parser)


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options``, which changes settings of a config."""
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=_Settings,
        metavar="KEY=VALUE",
        help="change settings of the config, for example train_cfg.max_iters=2000",
    )


def choices_of(arguments: argparse.Namespace) -> list[Choice]:
    """Return the configs that a command line names."""
    from lednet_mm.config import Choice

    choices = []
    for named in arguments.config if isinstance(arguments.config, list) else [arguments.config]:
        name, colon, variant = named.rpartition(":")
        if not colon or Path(named).exists():
            name, variant = named, arguments.variant
        choices.append(Choice(name, arguments.dataset, arguments.recipe, variant))
    return choices


def choice_of(arguments: argparse.Namespace) -> Choice:
    """Return the one config that a command line names."""
    (choice,) = choices_of(arguments)
    return choice


def add_tiles(parser: argparse.ArgumentParser) -> None:
    """Add the options for large images; :func:`tiles_of` reads them."""
    parser.add_argument(
        "--tile",
        nargs=2,
        type=positive,
        metavar=("H", "W"),
        help="predict each image in tiles of this size, so that large images need little memory",
    )
    parser.add_argument(
        "--overlap",
        type=int,
        metavar="N",
        help="number of pixels that neighbouring tiles share; their scores are averaged there (default 0)",
    )


def tiles_of(arguments: argparse.Namespace) -> Tiles | None:
    """Return the tiles that a command line asks for; None without ``--tile``.

    Raises:
        InputError: the overlap is as large as the tile, or there is an overlap without a tile.
    """
    if arguments.tile is None:
        if arguments.overlap is not None:
            raise InputError(f"--overlap {arguments.overlap} belongs to --tile: give the size of a tile too")
        return None
    from lednet_mm.evaluation.tiling import Tiles

    height, width = arguments.tile
    return Tiles(height, width, arguments.overlap or 0)


TRACKERS = {"tensorboard": "TensorboardVisBackend"}
"""Tracker -> MMEngine's backend; the tracker is also the name of its package."""


def add_tracker(parser: argparse.ArgumentParser) -> None:
    """Add ``--tracker``; :func:`backend_of` reads it."""
    parser.add_argument(
        "--tracker",
        choices=list(TRACKERS),
        help="where loss, scores and pictures go too; its files are in the folder of the log",
    )


def backend_of(arguments: argparse.Namespace) -> str | None:
    """Return the name of MMEngine's backend for ``--tracker``.

    Raises:
        InputError: the tracker is not installed.
    """
    name = arguments.tracker
    if name is not None and find_spec(name) is None:
        raise InputError(
            f"--tracker {name}: {name} is not installed: pip install -e '.[track]' in the checkout"
        )
    return TRACKERS[name] if name else None


def add_launcher(parser: argparse.ArgumentParser) -> None:
    """Add ``--launcher`` and the option that PyTorch's old launcher appends to a command."""
    parser.add_argument(
        "--launcher", choices=LAUNCHERS, default="none", help="what started the processes (default none)"
    )
    parser.add_argument("--local_rank", "--local-rank", type=int, help=argparse.SUPPRESS)


def announce_rank(arguments: argparse.Namespace) -> None:
    """Pass this process's number on its machine to mmengine, if the launcher gave it as an option.

    Raises:
        InputError: the named launcher did not start this process.
    """
    started_by, needed = STARTED_BY.get(arguments.launcher, ("", ()))
    if missing := [name for name in needed if name not in os.environ]:
        raise InputError(
            f"--launcher {arguments.launcher}: this process was not started by {started_by} "
            f"({', '.join(missing)} not set): use tools/dist_train.sh, dist_test.sh or slurm_train.sh"
        )
    if arguments.local_rank is not None:
        os.environ.setdefault("LOCAL_RANK", str(arguments.local_rank))
