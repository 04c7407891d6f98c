"""Count parameters and multiply-adds of networks by several counters, and write a record for each network."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whether or not the package is installed

from lednet_mm.counting.counts import HEADLINE, KINDS, Counts
from lednet_mm.errors import InputError, describe_os_error, run_command
from lednet_mm.files import check_outputs, require_writable, write_atomically
from lednet_mm.options import add_config, choices_of
from lednet_mm.terminal import make_console, tracked
from lednet_mm.text import one_line

EXPLAINED = 0.01
"""Counters whose totals differ by more than this share are explained."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example:\n  python tools/get_flops.py lednet lednet:no_apn erfnet --dataset camvid",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config(parser, several=True)
    parser.add_argument(
        "--shape", nargs=2, type=int, default=[512, 1024], metavar=("H", "W"), help="default 512 1024"
    )
    parser.add_argument("--json", metavar="OUT", help="write all counts to this file")
    parser.add_argument("--overwrite", action="store_true", help="replace the file of --json if it exists")
    parser.add_argument("--work-dir", help="where records go (default work_dirs/<name of the config>)")
    return parser


def main() -> None:
    """Count, print a table for each network, and name failures at the end."""
    from rich.table import Table

    arguments = build_parser().parse_args()
    height, width = arguments.shape
    if min(height, width) < 1:
        raise InputError(f"--shape {height} {width}: height and width are whole numbers above 0")

    import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)
    from lednet_mm.config import files_of, load_config, run_of
    from lednet_mm.counting.complexity import complexity_record, count_complexity
    from lednet_mm.counting.counters import COUNTERS
    from lednet_mm.records import write_record

    choices = choices_of(arguments)
    if arguments.json is not None:
        inputs = [file for choice in choices for file in files_of(choice)]
        check_outputs([arguments.json], inputs, overwrite=arguments.overwrite)
    folders = {choice: Path(arguments.work_dir or Path("work_dirs") / choice.name) for choice in choices}
    for folder in set(folders.values()):
        require_writable(folder)

    console = make_console()
    totals = Table(title=f"one image of {height}x{width}, final upsampling included")
    for column in ("network", "variant", "channels", "params (M)", "in training (M)"):
        totals.add_column(column, justify="left" if column in ("network", "variant") else "right")
    for counter in COUNTERS:
        totals.add_column(f"{counter} (G MACs)", justify="right")
    totals.add_column("spread", justify="right")
    rows, written, faults = [], {}, []
    for choice, folder in tracked(folders.items(), "counting", len(folders)):
        try:
            config = load_config(choice, arguments.cfg_options)
            counted = count_complexity(config, (height, width))
        except InputError as error:
            faults.append(str(error))
            continue
        run, counts = run_of(config), counted.counts
        named = [counter for counter in COUNTERS if counter in counts.counters]
        totals.add_row(
            *map(one_line, (run.network, run.variant, counted.channels)),
            f"{counted.params / 1e6:.3f}",
            f"{counted.params_train / 1e6:.3f}",
            *[f"{counts.total(c) / 1e9:.3f}" if c in named else "fails" for c in COUNTERS],
            f"{counts.spread():.1%}",
        )
        record = complexity_record(config, counted)
        rows.append(
            {
                "network": run.network,
                "variant": run.variant,
                **counted.values(),
                **record.details,
                "spread": counts.spread(),
                "explained": counts.explain(),
            }
        )
        console.print(kinds_table(one_line(f"{run.network} ({run.variant})"), counts))
        for line in remarks(counts):
            console.print(line, soft_wrap=True)
        console.print()
        try:
            written[write_record(record, folder).parent] = None
        except OSError as error:
            faults.append(f"a record is lost: {describe_os_error(error)}")
        if arguments.json is not None:
            try:
                write_atomically(Path(arguments.json), json.dumps(rows, indent=1).encode())
            except OSError as error:
                faults.append(describe_os_error(error))
    if rows:
        console.print(totals)
    for place in written:
        console.print(f"records in {one_line(place)}", soft_wrap=True)
    if faults:
        raise InputError("; ".join(dict.fromkeys(faults)))


def kinds_table(title: str, counts: Counts):
    """Return the table of one network: the multiply-adds of each kind of work by each counter."""
    from rich.table import Table

    table = Table(title=f"{title}: G MACs by operator")
    table.add_column("work")
    for counter in counts.counters:
        table.add_column(counter, justify="right")
    by_kind = {counter: counts.by_kind(counter) for counter in counts.counters}
    for kind in KINDS:
        if any(kinds[kind] for kinds in by_kind.values()):
            table.add_row(
                kind, *[f"{kinds[kind] / 1e9:.4f}" if kinds[kind] else "-" for kinds in by_kind.values()]
            )
    table.add_row("all", *[f"{counts.total(counter) / 1e9:.4f}" for counter in counts.counters])
    return table


def remarks(counts: Counts) -> list[str]:
    """Return lines that explain the differences between the counters."""
    lines = [f"{counter} fails: {reason}" for counter, reason in counts.failed.items()]
    for counter, missed in counts.missed.items():
        names = ", ".join(f"{name} ({times})" for name, times in sorted(missed.items()))
        lines.append(f"{counter} takes for free: {names or 'nothing'}")
    if counts.spread() > EXPLAINED:
        lines += [f"{counter} against {HEADLINE}: {line}" for counter, line in counts.explain().items()]
    return lines


if __name__ == "__main__":
    run_command(main)
