"""Measure every network and write docs/networks.md (minutes on one CPU core)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whether or not the package is installed

from lednet_mm.cards import network_cards
from lednet_mm.catalog import recorded_sizes
from lednet_mm.errors import run_command
from lednet_mm.files import check_outputs, write_atomically
from lednet_mm.terminal import make_console
from lednet_mm.text import for_markup, one_line

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/networks.md"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example:\n  python tools/document_networks.py",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", default=PAGE, type=Path, help="the page (default docs/networks.md)")
    parser.add_argument("--overwrite", action="store_true", help="replace another page than the default one")
    return parser


def main() -> None:
    """Measure all networks and write the page."""
    arguments = build_parser().parse_args()
    check_outputs([arguments.out], overwrite=arguments.overwrite or arguments.out.resolve() == PAGE)
    import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)
    from lednet_mm.documentation.networks import measure_networks, render

    with make_console(stderr=True).status("") as status:
        networks = measure_networks(
            network_cards(),
            ROOT / "tests/data",
            recorded_sizes(),
            lambda name: status.update(for_markup(f"{name}: size and parity")),
        )
    write_atomically(arguments.out, render(networks).encode())
    print(f"{one_line(arguments.out)}: {len(networks)} networks")


if __name__ == "__main__":
    run_command(main)
