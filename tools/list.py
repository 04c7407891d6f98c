"""List the networks, datasets, recipes or variants that configs are combined of."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whether or not the package is installed

from lednet_mm.cards import network_cards
from lednet_mm.catalog import (
    dataset_files,
    network_files,
    option_files,
    recipe_files,
    recorded_sizes,
    variants_of,
)
from lednet_mm.errors import run_command
from lednet_mm.terminal import make_console
from lednet_mm.text import one_line


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="examples:\n  python tools/list.py networks\n  python tools/list.py variants --json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("kind", choices=list(KINDS))
    parser.add_argument("--json", action="store_true", help="print it for programs")
    return parser


def networks() -> list[dict[str, Any]]:
    """Return the networks, each with what its card says, its size as recorded, and its variants."""
    sizes = {name: record.values for name, record in recorded_sizes().items()}
    return [
        {
            "network": name,
            "title": card.title,
            "parameters": sizes.get(name, {}).get("params"),
            "MACs": sizes.get(name, {}).get("macs"),
            "paper": card.paper,
            "proven": card.vector is not None,
            "variants": list(variants_of(name)),
        }
        for name, card in sorted(network_cards().items())
    ]


def datasets() -> list[dict[str, Any]]:
    """Return the datasets, each with its number of classes and the size that networks see."""
    from lednet_mm.config import Choice, load_data_config

    rows = []
    for name in dataset_files():
        config = load_data_config(Choice(name))
        height, width = config.crop_size
        rows.append({"dataset": name, "classes": config.num_classes, "size": f"{height}x{width}"})
    return rows


def recipes() -> list[dict[str, Any]]:
    """Return the recipes and the options that go with any of them, each with what its file says."""
    named = [*recipe_files().items(), *((f"+{name}", path) for name, path in option_files().items())]
    return [{"recipe": name, "about": about(path)} for name, path in named]


def variants() -> list[dict[str, Any]]:
    """Return the variants of all networks, each with its question and what was expected."""
    return [
        {
            "network": network,
            "variant": name,
            "question": variant.question,
            "expectation": variant.expectation,
        }
        for network in network_files()
        for name, variant in variants_of(network).items()
    ]


def about(path: Path) -> str:
    """Return the first line of what a config file says of itself."""
    import ast

    return (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]


KINDS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "networks": networks,
    "datasets": datasets,
    "recipes": recipes,
    "variants": variants,
}


def main() -> None:
    """Parse the arguments and print."""
    arguments = build_parser().parse_args()
    rows = KINDS[arguments.kind]()
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(Text(one_line(shown(cell))) for cell in row.values()))
    console = make_console()
    console.print(table)
    if arguments.kind == "networks":
        console.print(
            "Parameters and multiply-adds: inference with 19 classes, one image of 512x1024, by the "
            "records in reports/networks. A network without one: tools/get_flops.py NAME --dataset "
            "cityscapes --work-dir reports/networks",
            soft_wrap=True,
        )
    elif arguments.kind == "recipes":
        console.print("An option (+NAME) goes with any recipe, and several can be named: common+focal+swa")


def shown(cell: Any) -> str:
    """Return a cell as people read it: large numbers in millions or billions, of a list its length."""
    match cell:
        case None:
            return "–"
        case bool():
            return "yes" if cell else "no"
        case list():
            return str(len(cell))
        case int() if cell >= 10**9:
            return f"{cell / 1e9:.2f} G"
        case int() if cell >= 10**4:
            return f"{cell / 1e6:.3f} M"
    return str(cell)


if __name__ == "__main__":
    run_command(main)
