"""Check every image and label of the splits that a config uses, or that a dataset's YAML file describes."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whether or not the package is installed

from lednet_mm.errors import InputError, run_command
from lednet_mm.files import check_outputs, find_files, write_atomically
from lednet_mm.options import add_config, choice_of
from lednet_mm.terminal import make_console
from lednet_mm.text import one_line

EXAMPLES = """examples:
  python tools/check_dataset.py camvid
  python tools/check_dataset.py configs/lednet_streets.py --split val --json streets.json
  python tools/check_dataset.py potholes.yaml --weights median
"""
SPLITS = ("train", "val", "test")
SHOWN_PROBLEMS = 20
WEIGHTS = ("log", "median", "none")


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_config(parser)
    parser.add_argument("--split", nargs="+", choices=SPLITS, default=SPLITS, help="default: all")
    parser.add_argument(
        "--weights",
        choices=WEIGHTS,
        default="log",
        help="rule of the class weights that are printed for the training split: 1 / ln(1.02 + share), "
        "median frequency, or none (default: log)",
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write everything found to this file")
    parser.add_argument("--overwrite", action="store_true", help="replace the file of --json if it is there")
    return parser.parse_args()


def main() -> int:
    """Check the files and print a table and the problems; return 1 if there is any problem."""
    args = parse_args()
    from rich.table import Table

    import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)
    from lednet_mm.config import files_of, load_data_config
    from lednet_mm.datasets.check import DatasetSummary, check_dataset

    choice = choice_of(args)
    config = load_data_config(choice, args.cfg_options)
    loaders = {split: config.get(f"{split}_dataloader") for split in args.split}
    lacking = [split for split, loader in loaders.items() if loader is None]
    if lacking:
        raise InputError(
            f"{choice}: no {lacking[0]}_dataloader in this config: leave {lacking[0]} out of --split"
        )
    if args.json:
        check_outputs([args.json], overwrite=args.overwrite)
        inputs = [*files_of(choice), *data_files(loader.dataset for loader in loaders.values())]
        check_outputs([args.json], inputs, overwrite=args.overwrite)
    summaries: dict[str, DatasetSummary] = {}
    checked: list[tuple[dict, DatasetSummary]] = []
    for split, loader in loaders.items():
        source = {key: value for key, value in loader.dataset.items() if key != "pipeline"}
        known = [summary for other, summary in checked if other == source]
        summaries[split] = known[0] if known else check_dataset(loader.dataset)
        checked.append((source, summaries[split]))

    table = Table("split", "images", "sizes", "absent classes", "ignored", "problems")
    for split, summary in summaries.items():
        table.add_row(
            split,
            str(summary.images),
            summary.sizes,
            one_line(", ".join(summary.absent_classes) or "none"),
            f"{summary.ignored_share:.1%}",
            str(len(summary.problems)),
        )
    make_console().print(table)
    make_console().print(_class_table(summaries))
    for split, summary in summaries.items():
        print(f"{split}: {summary.fingerprint} {summary.content}")
        for line in summary.warnings:
            print(f"{split}: warning: {one_line(line)}")
    if "train" in summaries and summaries["train"].class_pixels.any() and args.weights != "none":
        print(f"class_weight: {_weights(summaries['train'], args.weights)}")
    problems = list(dict.fromkeys(line for summary in summaries.values() for line in summary.problems))
    for line in problems[:SHOWN_PROBLEMS]:
        print(one_line(line))
    if len(problems) > SHOWN_PROBLEMS:
        print(f"... and {len(problems) - SHOWN_PROBLEMS} more (--json OUT writes them all)")
    if args.json:
        facts = {split: summary.as_dict() for split, summary in summaries.items()}
        write_atomically(args.json, (json.dumps(facts, indent=2) + "\n").encode())
    return 1 if problems else 0


def _class_table(summaries: dict[str, Any]) -> Any:
    """Return a table with each class's share of the labelled pixels and the number of images that show it."""
    from rich.table import Table

    from lednet_mm.text import for_markup

    table = Table("class", *(f"{split}: {what}" for split in summaries for what in ("pixels", "images")))
    facts = [summary.as_dict() for summary in summaries.values()]
    for name in dict.fromkeys(name for summary in summaries.values() for name in summary.classes):
        cells = []
        for found in facts:
            if name in found["class_shares"]:
                cells += [f"{found['class_shares'][name]:.2%}", str(found["class_images"][name])]
            else:  # splits may be of different datasets
                cells += ["", ""]
        table.add_row(for_markup(name), *cells)
    return table


def _weights(summary: Any, rule: str) -> list[float]:
    """Return the class weights that follow from a rule of ``--weights``."""
    from lednet_mm.datasets.check import class_weights, median_frequency_weights

    if rule == "log":
        return class_weights(summary.class_pixels)
    return median_frequency_weights(summary.class_pixels, summary.pixels_with_class)


def data_files(datasets: Iterable[Any]) -> set[str]:
    """Return the images, labels and lists of datasets, and the other pictures in their folders."""
    from lednet_mm.datasets.check import members_of

    found: set[str] = set()
    for member in (member for dataset in datasets for member in members_of(dataset)):
        samples = [member.get_data_info(index) for index in range(len(member))]
        listed = {sample.get(key) for sample in samples for key in ("img_path", "seg_map_path")}
        found |= {str(path) for path in (*listed, member.ann_file) if path}
        endings = tuple({Path(path).suffix for path in listed if path})
        for folder in filter(os.path.isdir, (str(place) for place in member.data_prefix.values())):
            found |= {str(path) for path in find_files(folder, endings)}
    return found


if __name__ == "__main__":
    run_command(main)
