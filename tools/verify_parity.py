"""Compare networks with their authors' code by reference vectors; exit with 1 if any figure differs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whether or not the package is installed

from lednet_mm.errors import InputError, describe_error, run_command
from lednet_mm.terminal import make_console
from lednet_mm.text import one_line


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="examples:\n"
        "  python tools/verify_parity.py tests/data/lednet_official.json\n"
        "  python tools/verify_parity.py toynet.json --network toynet.py",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("vectors", nargs="+", metavar="VECTOR.json", help="reference vectors")
    parser.add_argument(
        "--network",
        metavar="FILE.py",
        help="file of a network of your own that is compared (default: the project's network whose card "
        "names the vector)",
    )
    return parser


def main() -> int:
    """Check every given vector, print a table, and return 1 if a network differs from its vector."""
    arguments = build_parser().parse_args()
    from rich.table import Table
    from rich.text import Text

    import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)
    from lednet_mm.checkpoints.parity import TOLERANCE, check_parity, read_vector
    from lednet_mm.own_networks import read_own_network

    own = read_own_network(arguments.network) if arguments.network else None
    console = make_console()
    table = Table("network", "parameters", "cases", "worst error", "result")
    failed = []
    exceptions = []
    for path in arguments.vectors:
        with console.status(Text(one_line(path))) as status:
            try:
                vector = read_vector(path)
                result = check_parity(
                    vector, lambda case, path=path: status.update(Text(one_line(f"{path}: {case}"))), own
                )
            except InputError as error:
                reason = str(error)
            except (RuntimeError, ValueError, LookupError) as error:  # inputs that the network does not take
                reason = describe_error(error)
            else:
                reason = ""
        if reason:
            failed.append(reason if reason.startswith(path) else f"{path}: {reason}")
            table.add_row(one_line(path), "", "", "", Text("cannot be checked", style="red"))
            continue
        if result.training_tolerance is not None:
            looser = f"{result.training_tolerance:.0e}"
            exceptions.append(f"{result.network} in training mode: {looser}, for its rounding")
        shown = result.misses[:5]
        failed += [f"{result.network}: {miss}" for miss in shown]
        if len(result.misses) > len(shown):
            failed.append(f"{result.network}: and {len(result.misses) - len(shown)} more")
        table.add_row(
            result.network,
            f"{result.parameters:,}",
            str(len(result.errors)),
            f"{result.worst:.1e}",
            Text("MISSES", style="red") if result.misses else Text("equal", style="green"),
        )
    console.print(table)
    console.print(f"tolerance {TOLERANCE:.0e} of each output's standard deviation, float64")
    for line in exceptions:
        console.print(line)
    for line in failed:
        console.print(Text.assemble(("miss", "red"), f" {one_line(line)}"), soft_wrap=True)
    return 1 if failed else 0


if __name__ == "__main__":
    run_command(main)
