"""Time networks by one protocol, interleaved; writes a latency record for each."""

from __future__ import annotations

import argparse
from pathlib import Path

import lednet_mm  # noqa: F401  (first: threads are set before PyTorch starts)
from lednet_mm.config import load_config
from lednet_mm.cost.measuring import latency_records
from lednet_mm.environment import choose_threads, resolve_device
from lednet_mm.errors import run_command
from lednet_mm.records import write_record


def main() -> None:
    """Parse the arguments, measure, print a table."""
    from mmengine.config import DictAction
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example:\n"
        "  python tools/benchmark.py configs/lednet_camvid.py configs/erfnet_camvid.py --shape 360 480",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("configs", nargs="+", metavar="CONFIG", help="config files, see configs/")
    parser.add_argument("--shape", nargs=2, type=int, default=[512, 1024], metavar=("H", "W"))
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument(
        "--device", default="auto", help="cpu, cuda, cuda:1 ... (default: a GPU if there is one)"
    )
    parser.add_argument("--samples", type=int, default=100, help="of each network (default 100)")
    parser.add_argument("--seconds", type=float, default=10.0, help="at most, for each network (default 10)")
    parser.add_argument("--work-dir", help="where records go (default work_dirs/<name of the config>)")
    parser.add_argument(
        "--cfg-options", nargs="+", action=DictAction, metavar="KEY=VALUE", help="change the config"
    )
    arguments = parser.parse_args()

    threads = choose_threads()
    device = resolve_device(arguments.device)
    height, width = arguments.shape
    configs = {path: load_config(path, arguments.cfg_options) for path in arguments.configs}
    console = Console()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("timing", total=1.0)
        records = latency_records(
            configs,
            shape=(height, width),
            batch_size=arguments.batch_size,
            device=device,
            threads=threads,
            samples=arguments.samples,
            seconds=arguments.seconds,
            advance=lambda done: progress.update(task, completed=done),
        )
    where = f"{device} with {threads.count} threads" if device.type == "cpu" else str(device)
    table = Table(
        title=f"{arguments.batch_size}x3x{height}x{width}, {where}, eager, fp32; "
        "logits at input resolution, no preprocessing, no argmax"
    )
    for column in ("network", "variant", "p50 (ms)", "p90 (ms)", "p99 (ms)", "FPS (p50)", "samples", ""):
        table.add_column(column, justify="left" if column in ("network", "variant", "") else "right")
    for path, record in records.items():
        run, values = record.run, record.values
        table.add_row(
            run.network,
            run.variant,
            *(f"{values[f'latency_ms_{p}']:.2f}" for p in ("p50", "p90", "p99")),
            f"{values['fps_p50']:.1f}",
            str(values["samples"]),
            "[yellow]unstable" if values["unstable"] else "",
        )
        write_record(record, arguments.work_dir or Path("work_dirs") / Path(path).stem)
    console.print(table)


if __name__ == "__main__":
    run_command(main)
