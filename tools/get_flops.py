"""Count parameters and multiply-adds of networks; writes a complexity record for each."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import lednet_mm  # noqa: F401  (first: threads are set before PyTorch starts)
from lednet_mm.config import load_config, run_of
from lednet_mm.cost.complexity import complexity_record, count_complexity
from lednet_mm.errors import run_command
from lednet_mm.records import write_atomically, write_record


def main() -> None:
    """Parse the arguments, count, print a table."""
    from mmengine.config import DictAction
    from rich.console import Console
    from rich.table import Table

    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example:\n  python tools/get_flops.py configs/lednet_camvid.py configs/erfnet_camvid.py",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("configs", nargs="+", metavar="CONFIG", help="config files, see configs/")
    parser.add_argument("--shape", nargs=2, type=int, default=[512, 1024], metavar=("H", "W"))
    parser.add_argument("--json", metavar="OUT", help="write all counts to this file")
    parser.add_argument("--work-dir", help="where records go (default work_dirs/<name of the config>)")
    parser.add_argument(
        "--cfg-options", nargs="+", action=DictAction, metavar="KEY=VALUE", help="change the config"
    )
    arguments = parser.parse_args()

    height, width = arguments.shape
    table = Table(title=f"one image 3x{height}x{width}, final upsampling included")
    for column in ("network", "variant", "params (M)", "in training (M)", "MACs (G, fvcore)"):
        table.add_column(column, justify="left" if column in ("network", "variant") else "right")
    rows = []
    for path in arguments.configs:
        config = load_config(path, arguments.cfg_options)
        run = run_of(config)
        counted = count_complexity(config, (height, width))
        table.add_row(
            run.network,
            run.variant,
            f"{counted.params / 1e6:.3f}",
            f"{counted.params_train / 1e6:.3f}",
            f"{counted.macs / 1e9:.3f}",
        )
        record = complexity_record(config, counted)
        rows.append({"network": run.network, "variant": run.variant, **counted.values(), **record.details})
        write_record(record, arguments.work_dir or Path("work_dirs") / Path(path).stem)
    Console().print(table)
    if arguments.json:
        write_atomically(Path(arguments.json), json.dumps(rows, indent=1).encode())


if __name__ == "__main__":
    run_command(main)
