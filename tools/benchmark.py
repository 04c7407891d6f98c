"""Time networks by one protocol, interleaved, on any engine, and write a latency record for each row."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whether or not the package is installed

from lednet_mm.deployment.precisions import INT8, PRECISIONS
from lednet_mm.errors import InputError, describe_os_error, run_command
from lednet_mm.files import require_writable
from lednet_mm.options import add_config, choices_of, positive
from lednet_mm.terminal import make_console
from lednet_mm.text import for_markup, fps_text, one_line
from lednet_mm.timing.backends import ENGINES, TIMED, Backend, Row

if TYPE_CHECKING:
    from mmengine.config import Config

    from lednet_mm.deployment.quantisation import Quantised
    from lednet_mm.records import Record
    from lednet_mm.timing.networks import Latencies

FORMS = {"no": (False,), "yes": (True,), "both": (False, True)}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="examples:\n"
        "  python tools/benchmark.py lednet erfnet dabnet --dataset camvid --shape 360 480\n"
        "  python tools/benchmark.py configs/lednet_cityscapes.py --engine eager onnxruntime openvino \\\n"
        "      --deployed both --roofline\n"
        "  python tools/benchmark.py configs/lednet_camvid.py --checkpoint weights.pth --shape 360 480 \\\n"
        "      --engine eager onnxruntime openvino --deployed both --precision fp32 int8 --accuracy test\n\n"
        "Weights are random, the same in every run, unless --checkpoint gives them. Before it is timed,\n"
        "every row's output is compared with that of eager fp32. What cannot be run here is one line.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add_config(parser, several=True)
    add("--checkpoint", metavar="CKPT", help="checkpoint with the weights, if a single config is given")
    add(
        "--shape",
        nargs=2,
        type=positive,
        action="append",
        metavar=("H", "W"),
        help="height and width; may be given several times (default 512 1024)",
    )
    add(
        "--batch-size", nargs="+", type=positive, default=[1], metavar="N", help="images per call (default 1)"
    )
    add(
        "--engine",
        nargs="+",
        choices=[*ENGINES, "all"],
        default=["eager"],
        help="engine that runs the network (default eager)",
    )
    add(
        "--precision",
        nargs="+",
        choices=[*PRECISIONS, INT8],
        default=["fp32"],
        help="number format (default fp32); int8 needs --checkpoint, and images of train for its calibration",
    )
    add(
        "--calibration",
        type=positive,
        metavar="N",
        help="number of images of the train split on which int8 is calibrated (default 64)",
    )
    add(
        "--accuracy",
        choices=["val", "test"],
        metavar="SPLIT",
        help="also measure the accuracy of every timed row on val or test; needs --checkpoint",
    )
    add("--images", type=positive, metavar="N", help="number of images for --accuracy (default: all)")
    add(
        "--deployed",
        choices=list(FORMS),
        nargs="?",
        const="yes",
        default="no",
        help="in the form for deployment (normalisation folded into the convolutions), or in both forms",
    )
    add(
        "--timed",
        choices=list(TIMED),
        default="network",
        help="what is timed: normalised images to logits (network) or to class ids (prediction), or a "
        "camera's uint8 image of --shape to class ids of its size, as the config's test pipeline resizes it "
        "(image)",
    )
    add("--roofline", action="store_true", help="measure the device's ceilings, and what share is reached")
    add("--device", default="auto", help="cpu, cuda, cuda:1 ... (default: a GPU if there is one)")
    add("--samples", type=positive, default=100, help="samples of each row (default 100)")
    add(
        "--seconds",
        type=float,
        default=10.0,
        help="time for each row if the samples take longer (default 10)",
    )
    add("--work-dir", help="where records go (default work_dirs/<name of the config>)")
    return parser


def show(timed: Latencies, title: str) -> None:
    """Print the table, the reasons why rows are unstable, and the reasons why rows were left out."""
    import numpy as np
    from rich.table import Table
    from rich.text import Text

    from lednet_mm.timing.latency import paired_ratio, wider_interval

    console = make_console()
    table = Table(title=title)
    samples = {row: np.array(record.details["samples_ms"]) for row, record in timed.records.items()}
    first = next(iter(samples.values()), np.array([]))
    words = ["network", "variant", "engine", "precision", "form"]
    numbers = ["p50 (ms)", "95% interval", "p90 (ms)", "p99 (ms)", "FPS (p50)", "samples"]
    numbers += ["memory (MiB)", "times as fast as the first"]
    extra = {"energy_joule": ("energy (J)", "{:.3f}"), "roofline_fraction": ("of roofline", "{:.0%}")}
    present = [key for key in extra if any(key in r.values for r in timed.records.values())]
    for column in words:
        table.add_column(column)
    for column in [*numbers, *(extra[key][0] for key in present)]:
        table.add_column(column, justify="right")
    table.add_column("stable")
    for row, record in timed.records.items():
        values, backend = record.values, row.backend
        low, high = wider_interval(samples[row])
        ratio = paired_ratio(first, samples[row])
        memory = values.get("peak_memory_bytes")
        table.add_row(
            *map(one_line, (record.run.network, record.run.variant, backend.engine, backend.precision)),
            "deployed" if backend.deployed else "",
            f"{values['latency_ms_p50']:.2f}",
            f"{low:.2f} to {high:.2f}" if np.isfinite(low) else "",
            *(f"{values[f'latency_ms_{p}']:.2f}" for p in ("p90", "p99")),
            fps_text(values["fps_p50"]),
            str(values["samples"]),
            f"{memory / 2**20:.0f}" if memory else "",
            "{:.2f} ({:.2f} to {:.2f})".format(*ratio) if np.isfinite(ratio[1]) else f"{ratio[0]:.2f}",
            *(extra[key][1].format(values[key]) if key in values else "" for key in present),
            Text("no", style="yellow") if values["unstable"] else "yes",
        )
    if timed.records:
        console.print(table)
    for row, record in timed.records.items():
        if reasons := record.details["unstable_because"]:
            console.print(Text(f"not stable: {one_line(row)}: {'; '.join(reasons)}"), soft_wrap=True)
    for reason in dict.fromkeys(timed.left_out.values()):
        rows = [row for row, why in timed.left_out.items() if why == reason]
        engines = dict.fromkeys(map(engine_of, rows))
        # Something that an engine cannot do for any network is reported in a single line.
        general = all(row in rows for row in timed.rows if engine_of(row) in engines)
        what = ", ".join(engines) if general else "; ".join(map(str, rows))
        console.print(Text(one_line(f"left out: {what}: {reason}")), soft_wrap=True)


def engine_of(row: Row) -> str:
    """Return the engine and precision of a row, which are the same for all networks."""
    return f"{row.backend.engine} {row.backend.precision}"


def keep(records: Mapping[Row, Record], folders: Mapping[str, Path]) -> list[str]:
    """Write the records, print where they are, and return a line for each folder that cannot be written."""
    from lednet_mm.records import write_record

    faults, written = {}, {}
    for row, record in records.items():
        folder = folders[row.config]
        try:
            written[write_record(record, folder).parent] = None
        except OSError as error:
            faults[folder] = f"a record is lost: {describe_os_error(error)}"
    for place in written:
        print(f"records in {one_line(place)}")
    return list(faults.values())


def int8_versions(
    arguments: argparse.Namespace, configs: Mapping[str, Config], shape: tuple[int, int]
) -> Callable[[], Quantised]:
    """Return a function that makes the INT8 version of the network's deployment form, once.

    Raises:
        InputError: there are several configs, or too few images for the calibration.
    """
    from lednet_mm.training.quantising import IMAGES, calibration_images, quantised_for_timing, read_trained

    if len(configs) > 1:
        raise InputError(f"--precision int8: {arguments.checkpoint} is of one config: give one")
    (config,) = configs.values()
    trained = read_trained(config, arguments.checkpoint)
    images = calibration_images(config, arguments.calibration or IMAGES, trained.channels)
    return cache(partial(quantised_for_timing, trained, images, shape))


def accuracies(
    arguments: argparse.Namespace,
    config: Config,
    folder: Path,
    backends: Iterable[Backend],
    int8: Callable[[], Quantised] | None,
    tested: dict[Backend, Path],
) -> None:
    """Measure the accuracy of what was timed, each backend once, and add the paths of the records."""
    from lednet_mm.training.deployed import Form
    from lednet_mm.training.testing import evaluate_checkpoint

    for backend in dict.fromkeys([Backend(), *backends]):
        if backend in tested:
            continue
        form = None if backend == Backend() else Form(backend)
        if backend.precision == INT8 and int8 is not None:
            quantised = int8()
            form = Form(backend, quantised.content, quantised.calibration)
        found = evaluate_checkpoint(
            config,
            arguments.checkpoint,
            form=form,
            split=arguments.accuracy,
            images=arguments.images,
            work_dir=folder,
        )
        if found is not None:
            tested[backend] = found.record


def show_accuracies(tested: Mapping[Backend, Path], folders: Iterable[Path]) -> None:
    """Print the mIoU of each backend and its difference to the checkpoint in plain PyTorch."""
    from lednet_mm.records import read_record
    from lednet_mm.reports.deployed import compare_with_checkpoint

    for backend, path in tested.items():
        record = read_record(path)
        miou = record.values["miou_percent"]
        line = f"{backend.engine} {backend.precision}{' deployed' if backend.deployed else ''}: "
        line += "no mIoU" if miou is None else f"mIoU {miou:.2f}%"
        found = compare_with_checkpoint(path, [tested[Backend()], *folders]) if backend != Backend() else None
        if found is not None and (interval := found[1].interval) is not None:
            line += f", {interval.difference:+.2f} points ({interval.low:+.2f} to {interval.high:+.2f})"
        print(f"{line} on {record.details['images']} images of {record.details['split']}")


def main() -> None:
    """Measure, print a table for each shape and batch size, and name failures at the end."""
    from rich.progress import Progress

    arguments = build_parser().parse_args()
    shapes = [tuple(shape) for shape in arguments.shape or [[512, 1024]]]
    if not arguments.seconds > 0:
        raise InputError(f"--seconds {arguments.seconds:g}: give a time above 0")
    for option, wanted in (
        ("--accuracy", arguments.accuracy),
        ("--precision int8", INT8 in arguments.precision),
    ):
        if wanted and not arguments.checkpoint:
            raise InputError(f"{option}: it is of trained weights: give them by --checkpoint")
    for option, given, needs, there in (
        ("--calibration", arguments.calibration, "--precision int8", INT8 in arguments.precision),
        ("--images", arguments.images, "--accuracy", arguments.accuracy),
    ):
        if given and not there:
            raise InputError(f"{option} belongs to {needs}, which is not given")
    import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)
    from lednet_mm.config import load_config
    from lednet_mm.environment import choose_threads, resolve_device
    from lednet_mm.timing.networks import latency_records

    device = resolve_device(arguments.device)
    configs, folders, faults = {}, {}, []
    for choice in choices_of(arguments):
        name = choice.name if choice.name not in configs else str(choice)
        try:
            configs[name] = load_config(choice, arguments.cfg_options)
            folders[name] = Path(arguments.work_dir or Path("work_dirs") / choice.name)
        except InputError as error:
            faults.append(str(error))
    if not configs:
        raise InputError("; ".join(faults))
    for folder in set(folders.values()):
        require_writable(folder)
    threads = choose_threads()
    engines = list(ENGINES) if "all" in arguments.engine else arguments.engine
    backends = [
        Backend(*backend) for backend in product(engines, arguments.precision, FORMS[arguments.deployed])
    ]
    where = f"{device} with {threads.count} threads (waiting: {threads.wait_policy or 'default'})"
    console = make_console(stderr=True)
    tested: dict[Backend, Path] = {}
    for (height, width), batch_size in product(shapes, arguments.batch_size):
        int8 = int8_versions(arguments, configs, (height, width)) if INT8 in arguments.precision else None
        with Progress(console=console, transient=True, disable=not console.file.isatty()) as progress:
            task = progress.add_task("preparing", total=1.0)

            def advance(step: str, done: float, progress: Progress = progress, task=task) -> None:
                progress.update(task, description=for_markup(step), completed=done)

            timed = latency_records(
                configs,
                shape=(height, width),
                batch_size=batch_size,
                backends=backends,
                timed=arguments.timed,
                checkpoint=arguments.checkpoint,
                device=device,
                threads=threads,
                samples=arguments.samples,
                seconds=arguments.seconds,
                with_roofline=arguments.roofline,
                int8=int8,
                advance=advance,
            )
        place = where if device.type == "cpu" else str(device)
        channels = sorted({record.details["channels"] for record in timed.records.values()})
        images = f"{batch_size}x{'/'.join(map(str, channels))}x{height}x{width}"
        show(timed, f"{images}, {place}; {TIMED[arguments.timed]}")
        faults += keep(timed.records, folders)
        faults += timed.faults.values()
        if arguments.accuracy and timed.records:
            (name,) = configs
            accuracies(
                arguments, configs[name], folders[name], [row.backend for row in timed.records], int8, tested
            )
        if not timed.records and not timed.faults:
            faults += [f"{row}: {reason}" for row, reason in timed.left_out.items()]
    if tested:
        show_accuracies(tested, folders.values())
    if faults:
        raise InputError("; ".join(dict.fromkeys(faults)))


if __name__ == "__main__":
    run_command(main)
