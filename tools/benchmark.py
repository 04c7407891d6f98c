"""Time networks by one protocol, interleaved; writes a latency record for each."""

from __future__ import annotations

import argparse
from pathlib import Path

import lednet_mm  # noqa: F401  (first: threads are set before PyTorch starts)
from lednet_mm.config import load_config, run_of
from lednet_mm.cost.complexity import Inference, build_network
from lednet_mm.cost.latency import measure, summarise
from lednet_mm.environment import choose_threads, resolve_device
from lednet_mm.errors import run_command
from lednet_mm.records import collect_provenance, new_record, write_record


def main() -> None:
    """Parse the arguments, measure, print a table."""
    import torch
    from mmengine.config import DictAction
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example:\n"
        "  python tools/benchmark.py configs/lednet_cityscapes.py configs/erfnet_cityscapes.py --shape 512 1024",
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
    images = torch.randn(arguments.batch_size, 3, height, width, device=device)
    configs = {path: load_config(path, arguments.cfg_options) for path in arguments.configs}
    networks = {path: Inference(build_network(config)).to(device) for path, config in configs.items()}

    def one_call(network: torch.nn.Module) -> None:
        with torch.inference_mode():
            network(images)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    console = Console()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("timing", total=1.0)
        times = measure(
            {path: lambda network=network: one_call(network) for path, network in networks.items()},
            min_samples=arguments.samples,
            max_seconds=arguments.seconds,
            advance=lambda done: progress.update(task, completed=done),
        )
    where = f"{device} with {threads.count} threads" if device.type == "cpu" else str(device)
    table = Table(
        title=f"{arguments.batch_size}x3x{height}x{width}, {where}, eager, fp32; "
        "logits at input resolution, no preprocessing, no argmax"
    )
    for column in ("network", "variant", "p50 (ms)", "p90 (ms)", "p99 (ms)", "FPS (p50)", "samples", ""):
        table.add_column(column, justify="left" if column in ("network", "variant", "") else "right")
    for path, config in configs.items():
        run, values = run_of(config), summarise(times[path])
        values["fps_p50"] *= arguments.batch_size
        table.add_row(
            run.network,
            run.variant,
            *(f"{values[f'latency_ms_{p}']:.2f}" for p in ("p50", "p90", "p99")),
            f"{values['fps_p50']:.1f}",
            str(values["samples"]),
            "[yellow]unstable" if values["unstable"] else "",
        )
        details = {
            "shape": [height, width],
            "batch_size": arguments.batch_size,
            "engine": "eager",
            "timed": "normalised images to logits at input resolution",
            "threads_reason": threads.reason,
            "interleaved_with": [Path(other).stem for other in configs if other != path],
            "samples_ms": [round(1000 * t, 4) for t in times[path]],
        }
        provenance = collect_provenance(str(device), threads=threads.count)
        record = new_record("latency", run, config.pretty_text, values, details, provenance)
        write_record(record, arguments.work_dir or Path("work_dirs") / Path(path).stem)
    console.print(table)


if __name__ == "__main__":
    run_command(main)
