"""Count parameters and multiply-adds of networks by several counters; writes a complexity record for each."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import lednet_mm  # noqa: F401  (first: threads are set before PyTorch starts)
from lednet_mm.checkpoints import known_as
from lednet_mm.config import load_config, run_of
from lednet_mm.cost.complexity import complexity_record, count_complexity
from lednet_mm.cost.counters import COUNTERS
from lednet_mm.cost.counts import HEADLINE, KINDS, Counts
from lednet_mm.errors import InputError, run_command
from lednet_mm.files import write_atomically
from lednet_mm.options import add_config_options
from lednet_mm.records import write_record
from lednet_mm.terminal import make_console

EXPLAINED = 0.01
"""Counters whose totals differ by more than this share are explained."""


def main() -> None:
    """Parse the arguments, count, print tables; networks that cannot be counted are named at the end."""
    from rich.progress import track
    from rich.table import Table

    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example:\n  python tools/get_flops.py configs/lednet_camvid.py configs/erfnet_camvid.py",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("configs", nargs="+", metavar="CONFIG", help="config files, see configs/")
    parser.add_argument(
        "--shape", nargs=2, type=int, default=[512, 1024], metavar=("H", "W"), help="default 512 1024"
    )
    parser.add_argument("--json", metavar="OUT", help="write all counts to this file")
    parser.add_argument("--work-dir", help="where records go (default work_dirs/<name of the config>)")
    add_config_options(parser)
    arguments = parser.parse_args()

    console = make_console()
    height, width = arguments.shape
    totals = Table(title=f"one image 3x{height}x{width}, final upsampling included")
    for column in ("network", "variant", "params (M)", "in training (M)"):
        totals.add_column(column, justify="left" if column in ("network", "variant") else "right")
    for counter in COUNTERS:
        totals.add_column(f"{counter} (G MACs)", justify="right")
    totals.add_column("spread", justify="right")
    rows, faults = [], []
    for path in track(arguments.configs, "counting", console=make_console(stderr=True), transient=True):
        try:
            config = load_config(path, arguments.cfg_options)
            counted = count_complexity(config, (height, width))
        except InputError as error:
            faults.append(str(error))
            continue
        run, counts = run_of(config), counted.counts
        named = [counter for counter in COUNTERS if counter in counts.counters]
        totals.add_row(
            run.network,
            run.variant,
            f"{counted.params / 1e6:.3f}",
            f"{counted.params_train / 1e6:.3f}",
            *[f"{counts.total(c) / 1e9:.3f}" if c in named else "fails" for c in COUNTERS],
            f"{counts.spread():.1%}",
        )
        record = complexity_record(config, counted)
        rows.append(
            {
                "network": known_as(config.model, run.network) or run.network,
                "variant": run.variant,
                **counted.values(),
                **record.details,
                "spread": counts.spread(),
                "explained": counts.explain(),
            }
        )
        write_record(record, arguments.work_dir or Path("work_dirs") / Path(path).stem)
        console.print(kinds_table(f"{run.network} ({run.variant})", counts))
        for line in remarks(counts):
            console.print(line, highlight=False)
        console.print()
        if arguments.json:
            write_atomically(Path(arguments.json), json.dumps(rows, indent=1).encode())
    if rows:
        console.print(totals)
    if faults:
        raise InputError("; ".join(faults))


def kinds_table(title: str, counts: Counts):
    """Return the table of one network: kinds of work, and what each counter counts of them."""
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
    """Return what a reader must know of the counters, a line each."""
    lines = [f"{counter} fails: {reason}" for counter, reason in counts.failed.items()]
    for counter, missed in counts.missed.items():
        names = ", ".join(f"{name} ({times})" for name, times in sorted(missed.items()))
        lines.append(f"{counter} takes for free: {names or 'nothing'}")
    if counts.spread() > EXPLAINED:
        lines += [f"{counter} against {HEADLINE}: {line}" for counter, line in counts.explain().items()]
    return lines


if __name__ == "__main__":
    run_command(main)
