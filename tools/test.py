"""Test a checkpoint: class IoU, category IoU where the dataset has categories, accuracy; writes a record."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whether or not the package is installed

from lednet_mm.errors import run_command
from lednet_mm.options import add_config, add_launcher, announce_rank, choice_of
from lednet_mm.terminal import make_console
from lednet_mm.text import one_line

if TYPE_CHECKING:
    from lednet_mm.evaluation.metric import Accuracy


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example:\n"
        "  python tools/test.py configs/lednet_camvid.py work_dirs/lednet_camvid/iter_10000.pth --split test",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config(parser)
    parser.add_argument("checkpoint", help="weights of that network")
    parser.add_argument(
        "--split", choices=["val", "test"], default="test", help="whose loader is used (default test)"
    )
    parser.add_argument("--tta", action="store_true", help="test-time augmentation: several scales and flips")
    parser.add_argument("--show-dir", help="write every image beside its prediction here")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace pictures in the folder of --show-dir"
    )
    parser.add_argument("--work-dir", help="where the record goes (default work_dirs/<name of the config>)")
    add_launcher(parser)
    return parser


def main() -> None:
    """Parse the arguments, test, print the scores."""
    arguments = build_parser().parse_args()
    announce_rank(arguments)

    import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)
    from lednet_mm.config import load_config
    from lednet_mm.training.testing import evaluate_checkpoint

    choice = choice_of(arguments)
    config = load_config(choice, arguments.cfg_options)
    config.launcher = arguments.launcher
    result = evaluate_checkpoint(
        config,
        arguments.checkpoint,
        split=arguments.split,
        work_dir=arguments.work_dir or Path("work_dirs") / choice.name,
        tta=arguments.tta,
        show_dir=arguments.show_dir,
        overwrite=arguments.overwrite,
        announce=lambda accuracy, split: show(accuracy, split, arguments.split),
    )
    if result is None:
        return
    _, record = result
    print(f"record: {one_line(record)}")
    if arguments.show_dir is not None:
        print(f"pictures: {one_line(arguments.show_dir)}")


def show(accuracy: Accuracy, split: str, loader: str) -> None:
    """Print the scores, and what a reader must know of them."""
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


if __name__ == "__main__":
    run_command(main)
