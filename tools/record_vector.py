"""Record the reference vector of any PyTorch network, so that another can be proven equal to it.

The network's own code is imported and run, in float64 on the CPU. It needs no weights: every tensor is filled
by the public rule of the project's vectors. The file keeps outputs in evaluation and training mode, the norms
of all gradients, the number of parameters and the multiply-adds.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whether or not the package is installed

from lednet_mm.errors import InputError, run_command
from lednet_mm.terminal import make_console
from lednet_mm.text import one_line

SIZES = ("64x128", "80x144")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="examples:\n"
        "  python tools/record_vector.py toy_package.net:ToyNet --classes 19 --out toynet.json\n"
        "  python tools/record_vector.py toynet/net.py:build --classes 19 --out toynet.json "
        '--set depth=18 --source "github.com/somebody/toynet @ 1a2b3c4"',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "builder", metavar="MODULE:NAME", help="class or function that builds the network; or FILE.py:NAME"
    )
    parser.add_argument("--classes", type=int, required=True, metavar="N", help="number of classes")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE.json", help="its name is the vector's"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="further argument of the builder, a Python literal; may be given several times",
    )
    parser.add_argument(
        "--sizes",
        nargs="+",
        default=list(SIZES),
        metavar="HxW",
        help=f"sizes of the inputs; all modes use the first (default {' '.join(SIZES)})",
    )
    parser.add_argument(
        "--macs-size",
        default="512x1024",
        metavar="HxW",
        help="input of the multiply-adds (default 512x1024)",
    )
    parser.add_argument("--source", default="", metavar="TEXT", help="repository, file and commit")
    parser.add_argument(
        "--salt", default="public", help="another text gives other numbers, for a vector that is kept back"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    return parser


def read_size(text: str) -> tuple[int, int]:
    """Read ``HxW``.

    Raises:
        InputError: it is something else.
    """
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InputError(f"{text}: a size is HxW, for example 64x128")
    return int(parts[0]), int(parts[1])


def read_argument(text: str) -> tuple[str, Any]:
    """Read ``NAME=VALUE``; a value that is no Python literal is a text.

    Raises:
        InputError: there is no name.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise InputError(f"--set {text}: give NAME=VALUE, for example --set depth=18")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def count_macs(network: Any, size: tuple[int, int]) -> dict[str, Any]:
    """Return a vector's entries of multiply-adds by fvcore; None if the network refuses the size."""
    import torch

    from lednet_mm.counting.counters import Subject, count_by_fvcore
    from lednet_mm.counting.counts import Counts

    key = f"macs_{size[0]}x{size[1]}"
    image = torch.zeros(1, 3, *size, dtype=torch.float64)
    network.eval()
    counts = Counts()
    try:
        with torch.no_grad():
            count_by_fvcore(Subject.of(network, image), counts)
    except Exception:  # the code of others refuses a size in any way
        return {key: None}
    return {key: counts.total("fvcore"), "macs_by_operator": dict(counts.counters["fvcore"])}


def main() -> int:
    """Build the network, record its figures, and write the file."""
    arguments = build_parser().parse_args()
    if arguments.classes < 1:
        raise InputError(f"--classes {arguments.classes}: a network has at least one class")
    sizes = [read_size(text) for text in arguments.sizes]
    macs_size = read_size(arguments.macs_size)
    settings = dict(map(read_argument, arguments.set))
    if arguments.out.exists() and not arguments.overwrite:
        raise InputError(f"{arguments.out}: it exists; --overwrite replaces it")

    import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)
    from lednet_mm.checkpoints.recording import build_network, find_builder, record_vector
    from lednet_mm.files import write_atomically

    console = make_console()
    network, constructor = build_network(find_builder(arguments.builder), arguments.classes, settings)
    with console.status(one_line(f"multiply-adds of {constructor}")) as status:
        macs = count_macs(network, macs_size)
        vector = record_vector(
            network,
            name=arguments.out.stem,
            source=arguments.source or arguments.builder,
            constructor=constructor,
            num_classes=arguments.classes,
            sizes=sizes,
            salt=arguments.salt,
            advance=lambda case: status.update(one_line(case)),
        )
    write_atomically(arguments.out, (json.dumps({**vector, **macs}) + "\n").encode())
    console.print(
        one_line(
            f"{arguments.out}: {vector['parameters']:,} parameters in {len(vector['state'])} tensors, "
            f"{len(vector['cases'])} cases"
        )
    )
    for _, reason in vector["rejected_inputs"]:
        console.print(one_line(f"refused: {reason}"))
    return 0


if __name__ == "__main__":
    run_command(main)
