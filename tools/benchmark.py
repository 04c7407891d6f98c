"""Time networks by one protocol, interleaved, on any engine; writes a latency record for each row."""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import lednet_mm  # noqa: F401  (first: threads are set before PyTorch starts)
from lednet_mm.config import load_config
from lednet_mm.cost.candidates import TIMED, Way
from lednet_mm.cost.engines import ENGINES
from lednet_mm.cost.measuring import Latencies, latency_records
from lednet_mm.cost.precision import PRECISIONS
from lednet_mm.environment import choose_threads, resolve_device
from lednet_mm.errors import InputError, run_command
from lednet_mm.options import add_config_options
from lednet_mm.records import write_record
from lednet_mm.terminal import make_console

FORMS = {"no": (False,), "yes": (True,), "both": (False, True)}


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="examples:\n"
        "  python tools/benchmark.py configs/lednet_camvid.py configs/erfnet_camvid.py --shape 360 480\n"
        "  python tools/benchmark.py configs/lednet_cityscapes.py --engine eager onnxruntime openvino \\\n"
        "      --deployed both --roofline\n\n"
        "Weights are random, the same in every run, unless --checkpoint gives them. Before it is timed,\n"
        "every row's output is compared with that of eager fp32. What cannot be run here is one line.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("configs", nargs="+", metavar="CONFIG", help="config files, see configs/")
    add("--checkpoint", metavar="CKPT", help="weights, for one config")
    add(
        "--shape",
        nargs=2,
        type=int,
        action="append",
        metavar=("H", "W"),
        help="height and width; may be given several times (default 512 1024)",
    )
    add("--batch-size", nargs="+", type=int, default=[1], metavar="N", help="images a call (default 1)")
    add(
        "--engine",
        nargs="+",
        choices=[*ENGINES, "all"],
        default=["eager"],
        help="how the network is run (default eager)",
    )
    add("--precision", nargs="+", choices=list(PRECISIONS), default=["fp32"], help="(default fp32)")
    add(
        "--deployed",
        choices=list(FORMS),
        nargs="?",
        const="yes",
        default="no",
        help="in the form for deployment (normalisation folded into the convolutions), or in both forms",
    )
    add("--timed", choices=list(TIMED), default="network", help="to logits (network) or to class ids")
    add("--roofline", action="store_true", help="measure the device's ceilings, and what share is reached")
    add("--device", default="auto", help="cpu, cuda, cuda:1 ... (default: a GPU if there is one)")
    add("--samples", type=int, default=100, help="of each row (default 100)")
    add("--seconds", type=float, default=10.0, help="for each row, if samples take longer (default 10)")
    add("--work-dir", help="where records go (default work_dirs/<name of the config>)")
    add_config_options(parser)
    return parser.parse_args()


def show(timed: Latencies, title: str) -> None:
    """Print what was timed, what makes a row unstable, and what was left out and why."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title)
    words = ["network", "variant", "engine", "precision", "form"]
    numbers = ["p50 (ms)", "± (ms)", "p90 (ms)", "p99 (ms)", "FPS (p50)", "samples", "memory (MiB)"]
    extra = {"energy_joule": ("energy (J)", "{:.3f}"), "roofline_fraction": ("of roofline", "{:.0%}")}
    present = [key for key in extra if any(key in r.values for r in timed.records.values())]
    for column in words:
        table.add_column(column)
    for column in [*numbers, *(extra[key][0] for key in present)]:
        table.add_column(column, justify="right")
    table.add_column("unstable")
    for row, record in timed.records.items():
        values, way = record.values, row.way
        low, high = values["latency_ms_p50_low"], values["latency_ms_p50_high"]
        memory = values.get("peak_memory_bytes")
        table.add_row(
            *(record.run.network, record.run.variant, way.engine, way.precision),
            "deployed" if way.deployed else "",
            f"{values['latency_ms_p50']:.2f}",
            "" if low is None else f"{(high - low) / 2:.2f}",
            *(f"{values[f'latency_ms_{p}']:.2f}" for p in ("p90", "p99")),
            f"{values['fps_p50']:.1f}",
            str(values["samples"]),
            f"{memory / 2**20:.0f}" if memory else "",
            *(extra[key][1].format(values[key]) if key in values else "" for key in present),
            Text("; ".join(record.details["unstable_because"]), style="yellow"),
        )
    make_console().print(table)
    for reason in dict.fromkeys(timed.left_out.values()):
        rows = [row for row, why in timed.left_out.items() if why == reason]
        engines = dict.fromkeys(f"{row.way.engine} {row.way.precision}" for row in rows)
        # What an engine cannot do at all is one line, whatever the networks.
        general = all(row in rows for row in timed.rows if f"{row.way.engine} {row.way.precision}" in engines)
        print(f"left out: {', '.join(engines) if general else '; '.join(map(str, rows))}: {reason}")


def main() -> None:
    """Measure and print a table for each shape and batch size."""
    from rich.progress import Progress

    arguments = parse()
    shapes = [tuple(shape) for shape in arguments.shape or [[512, 1024]]]
    if min(*map(min, shapes), *arguments.batch_size, arguments.samples) < 1 or arguments.seconds <= 0:
        raise InputError("--shape, --batch-size, --samples and --seconds take numbers above 0")
    threads = choose_threads()
    device = resolve_device(arguments.device)
    configs = {path: load_config(path, arguments.cfg_options) for path in arguments.configs}
    engines = list(ENGINES) if "all" in arguments.engine else arguments.engine
    ways = [Way(*way) for way in product(engines, arguments.precision, FORMS[arguments.deployed])]
    where = f"{device} with {threads.count} threads (waiting: {threads.wait_policy or 'default'})"
    for (height, width), batch_size in product(shapes, arguments.batch_size):
        with Progress(transient=True) as progress:
            task = progress.add_task("preparing", total=1.0)
            timed = latency_records(
                configs,
                shape=(height, width),
                batch_size=batch_size,
                ways=ways,
                timed=arguments.timed,
                checkpoint=arguments.checkpoint,
                device=device,
                threads=threads,
                samples=arguments.samples,
                seconds=arguments.seconds,
                with_roofline=arguments.roofline,
                advance=lambda step, done, p=progress, t=task: p.update(t, description=step, completed=done),
            )
        for row, record in timed.records.items():
            write_record(record, arguments.work_dir or Path("work_dirs") / Path(row.config).stem)
        if not timed.records:
            raise InputError("; ".join(f"{row}: {reason}" for row, reason in timed.left_out.items()))
        place = where if device.type == "cpu" else str(device)
        show(timed, f"{batch_size}x3x{height}x{width}, {place}; {TIMED[arguments.timed]}")


if __name__ == "__main__":
    run_command(main)
