"""Test a checkpoint, and write records with class IoU, category IoU (if there are categories) and accuracy.

Options add calibration, boundary IoU, IoU by the size of objects, and the accuracy on corrupted images.
A file of tools/export.py, or a checkpoint on another engine, in another precision or in its deployment form,
is tested in the same way, and its difference to the checkpoint is printed with a 95% interval.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whether or not the package is installed

from lednet_mm.deployment.precisions import PRECISIONS
from lednet_mm.errors import InputError, run_command
from lednet_mm.options import add_config, add_launcher, add_tiles, announce_rank, choice_of, tiles_of
from lednet_mm.terminal import make_console
from lednet_mm.text import one_line
from lednet_mm.timing.backends import ENGINES, Backend

if TYPE_CHECKING:
    from lednet_mm.deployment.onnx_file import OnnxFile
    from lednet_mm.evaluation.metric import Accuracy
    from lednet_mm.training.deployed import Form
    from lednet_mm.training.testing import Tested


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example:\n"
        "  python tools/test.py configs/lednet_camvid.py work_dirs/lednet_camvid/iter_10000.pth\n"
        "  python tools/test.py configs/lednet_camvid.py work_dirs/lednet_camvid/iter_10000.pth \\\n"
        "      --calibration --boundary --corruptions fog snow --severities 1 3 5\n"
        "  python tools/test.py configs/lednet_camvid.py lednet_camvid_int8.onnx --engine openvino",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config(parser)
    parser.add_argument(
        "checkpoint",
        help="checkpoint with the weights of that network, or FILE.onnx that was exported from it",
    )
    parser.add_argument(
        "--engine",
        choices=list(ENGINES),
        help="engine that runs the network (default: plain PyTorch, for FILE.onnx onnxruntime)",
    )
    parser.add_argument(
        "--precision", choices=list(PRECISIONS), help="number format (default fp32, for FILE.onnx its own)"
    )
    parser.add_argument(
        "--deployed",
        action="store_true",
        help="test the deployment form of a checkpoint's network (normalisation folded into convolutions)",
    )
    parser.add_argument(
        "--against",
        nargs="+",
        metavar="RECORD_OR_FOLDER",
        help="where the checkpoint's own accuracy is looked for, to compare such a form with it (default: "
        "the folder for the record)",
    )
    parser.add_argument(
        "--split",
        choices=["train", "val", "test"],
        default="test",
        help="split whose images are used (default test)",
    )
    parser.add_argument("--images", type=int, metavar="N", help="test N images, evenly spread over the split")
    parser.add_argument("--tta", action="store_true", help="test-time augmentation: several scales and flips")
    parser.add_argument(
        "--calibration",
        action="store_true",
        help="agreement of the network's confidence with its accuracy, in 15 bins",
    )
    parser.add_argument(
        "--boundary",
        action="store_true",
        help="IoU of pixels whose distance from a contour is at most 2%% of the diagonal",
    )
    parser.add_argument("--object-size", action="store_true", help="IoU of small, medium and large objects")
    parser.add_argument(
        "--corruptions",
        nargs="+",
        default=[],
        metavar="NAME",
        help="test on corrupted images too: all, or names such as gaussian_noise, motion_blur, fog",
    )
    parser.add_argument(
        "--severities",
        nargs="+",
        type=int,
        default=[1, 2, 3, 4, 5],
        metavar="N",
        help="severities of the corruptions, from 1 to 5 (default all five)",
    )
    add_tiles(parser)
    parser.add_argument("--show-dir", help="folder for pictures of every image beside its prediction")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace pictures in the folder of --show-dir"
    )
    parser.add_argument("--work-dir", help="folder for the record (default work_dirs/<name of the config>)")
    add_launcher(parser)
    return parser


def main() -> None:
    """Test the checkpoint that the command line names, and print the scores."""
    arguments = build_parser().parse_args()
    announce_rank(arguments)
    tiles = tiles_of(arguments)

    from lednet_mm.evaluation.corruptions import choose_corruptions
    from lednet_mm.evaluation.measures import MEASURES

    corruptions = choose_corruptions(arguments.corruptions, arguments.severities)
    import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)
    from lednet_mm.config import load_config
    from lednet_mm.training.testing import evaluate_checkpoint

    choice = choice_of(arguments)
    config = load_config(choice, arguments.cfg_options)
    config.launcher = arguments.launcher
    checkpoint, form = what_is_tested(arguments)
    work_dir = arguments.work_dir or Path("work_dirs") / choice.name
    tested = evaluate_checkpoint(
        config,
        checkpoint,
        form=form,
        split=arguments.split,
        images=arguments.images,
        work_dir=work_dir,
        tta=arguments.tta,
        show_dir=arguments.show_dir,
        overwrite=arguments.overwrite,
        measures=[name for name in MEASURES if getattr(arguments, name)],
        corruptions=corruptions,
        tiles=tiles,
        announce=lambda accuracy, split: show(accuracy, split, arguments.split),
    )
    if tested is None:
        return
    if corruptions:
        show_robustness(tested)
    print(f"record: {one_line(tested.record)}")
    if form is not None:
        show_difference(tested, arguments.against or [work_dir])
    if arguments.show_dir is not None:
        print(f"pictures: {one_line(arguments.show_dir)}")


def what_is_tested(arguments: argparse.Namespace) -> tuple[str | OnnxFile, Form | None]:
    """Return the checkpoint or exported file that the command line names, and the form in which it is tested.

    Raises:
        InputError: the file is no exported network, or an option does not belong to it.
    """
    from lednet_mm.deployment.onnx_file import ENDING, read_onnx
    from lednet_mm.training.deployed import Form

    if arguments.checkpoint.lower().endswith(ENDING):
        file = read_onnx(arguments.checkpoint)
        if arguments.deployed:
            raise InputError(f"--deployed: {file.path} was exported in its form already")
        if ENGINES[engine := arguments.engine or "onnxruntime"].library is None:
            raise InputError(f"--engine {engine}: {file.path} runs on {', '.join(files_run_on())}")
        precision = file.precision
        if arguments.precision not in (None, precision):
            raise InputError(f"--precision {arguments.precision}: {file.path} computes in {precision}")
        return file, Form(Backend(engine, precision, file.deployed), calibration=file.calibration)
    if not (arguments.engine or arguments.precision or arguments.deployed):
        if arguments.against is not None:
            raise InputError(
                f"--against: {arguments.checkpoint} is tested in plain PyTorch, with which other forms are "
                "compared: tools/compare.py compares two runs"
            )
        return arguments.checkpoint, None
    backend = Backend(arguments.engine or "eager", arguments.precision or "fp32", arguments.deployed)
    return arguments.checkpoint, Form(backend)


def files_run_on() -> list[str]:
    """Return the engines that run exported files."""
    return [name for name, engine in ENGINES.items() if engine.library is not None]


def show_difference(tested: Tested, places: list[str | Path]) -> None:
    """Print the difference of a deployed form to its checkpoint in plain PyTorch, with its interval."""
    from lednet_mm.reports.deployed import compare_with_checkpoint

    found = compare_with_checkpoint(tested.record, places)
    if found is None:
        looked = one_line(", ".join(map(str, places)))
        print(f"no difference: {looked} has no accuracy of its checkpoint on these images in plain PyTorch")
        return
    plain, difference = found
    if difference.interval is None:
        print(f"no difference: {difference.reason}")
        return
    interval = difference.interval
    print(
        f"mIoU {interval.difference:+.2f} points to the checkpoint in plain PyTorch "
        f"({plain.values['miou_percent']:.2f}%), 95% interval {interval.low:+.2f} to {interval.high:+.2f}: "
        f"{difference.verdict} ({difference.sampling})"
    )


def show(accuracy: Accuracy, split: str, loader: str) -> None:
    """Print the scores, with remarks on split and missing labels."""
    from rich.table import Table

    table = Table("class", "IoU (%)", title=f"{one_line(split)}: {len(accuracy.images)} images")
    for name, iou in accuracy.details()["class_iou_percent"].items():
        table.add_row(one_line(name), "absent" if math.isnan(iou) else f"{iou:.2f}")
    table.add_section()
    for name, value in accuracy.values.items():
        table.add_row(name.removesuffix("_percent").replace("_", " "), f"{value:.2f}")
    make_console().print(table)
    if split != loader:
        print(f"the {loader}_dataloader of this config holds the {one_line(split)} data: so the record says")
    if not accuracy.per_image.any():
        print("nan: none of these images has a pixel with a label, so there is nothing to score")


def show_robustness(tested: Tested) -> None:
    """Print the mIoU with each corruption, and the share of the clean mIoU that is retained."""
    from rich.table import Table

    from lednet_mm.evaluation.corruptions import Corruption, summarise_robustness

    known = {corruption: miou for corruption, miou in tested.corrupted.items() if miou is not None}
    if not known:
        return
    severities = sorted({corruption.severity for corruption in known})
    summary = summarise_robustness(tested.accuracy.values["miou_percent"], known)
    table = Table("corruption", *map(str, severities), "mean", title="mIoU (%) by corruption and severity")
    for name, mean in summary.by_corruption.items():
        cells = [known.get(Corruption(name, severity)) for severity in severities]
        table.add_row(
            name.replace("_", " "), *("" if v is None else f"{v:.2f}" for v in cells), f"{mean:.2f}"
        )
    make_console().print(table)
    print(
        f"mean mIoU on corrupted images: {summary.mean_miou:.2f}% ({summary.retention:.1f}% of the clean one)"
    )


if __name__ == "__main__":
    run_command(main)
