"""Test a checkpoint, and write records with class IoU, category IoU (if there are categories) and accuracy.

Options add calibration, boundary IoU, IoU by the size of objects, and the accuracy on corrupted images.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whether or not the package is installed

from lednet_mm.errors import run_command
from lednet_mm.options import add_config, add_launcher, add_tiles, announce_rank, choice_of, tiles_of
from lednet_mm.terminal import make_console
from lednet_mm.text import one_line

if TYPE_CHECKING:
    from lednet_mm.evaluation.metric import Accuracy
    from lednet_mm.training.testing import Tested


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example:\n"
        "  python tools/test.py configs/lednet_camvid.py work_dirs/lednet_camvid/iter_10000.pth\n"
        "  python tools/test.py configs/lednet_camvid.py work_dirs/lednet_camvid/iter_10000.pth \\\n"
        "      --calibration --boundary --corruptions fog snow --severities 1 3 5",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config(parser)
    parser.add_argument("checkpoint", help="checkpoint with the weights of that network")
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
    tested = evaluate_checkpoint(
        config,
        arguments.checkpoint,
        split=arguments.split,
        images=arguments.images,
        work_dir=arguments.work_dir or Path("work_dirs") / choice.name,
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
    if arguments.show_dir is not None:
        print(f"pictures: {one_line(arguments.show_dir)}")


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
