"""Bring a dataset into the layout that the configs expect, or draft the YAML file of one of your own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whether or not the package is installed

from lednet_mm.catalog import dataset_files
from lednet_mm.errors import InputError, run_command
from lednet_mm.files import check_outputs, write_atomically
from lednet_mm.terminal import tracked

JOINED = "voc2012_aug"
"""The dataset that is made of two downloads."""

EXAMPLES = """examples:
  python tools/prepare_dataset.py streets
  python tools/prepare_dataset.py cityscapes data/cityscapes
  python tools/prepare_dataset.py camvid /path/to/CamVid
  python tools/prepare_dataset.py ade20k /path/to/ADEChallengeData2016
  python tools/prepare_dataset.py voc2012_aug VOCdevkit/VOC2012 --sbd benchmark_RELEASE/dataset
  python tools/prepare_dataset.py new data/potholes/images data/potholes/masks --out potholes.yaml
"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = parser.add_subparsers(dest="name", required=True, metavar="NAME")

    streets = names.add_parser("streets", help="generate street scenes in Cityscapes' layout (seconds)")
    streets.add_argument("--root", type=Path, default=Path("data/streets"), help="default: %(default)s")
    streets.add_argument("--train", type=int, default=200, help="training images, default: %(default)s")
    streets.add_argument("--val", type=int, default=60, help="validation images, default: %(default)s")
    streets.add_argument(
        "--size", type=int, nargs=2, default=(128, 256), metavar=("H", "W"), help="size in pixels"
    )
    streets.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    streets.add_argument("--workers", type=int, default=1, help="number of processes, default: %(default)s")

    cityscapes = names.add_parser(
        "cityscapes",
        help="write *_labelTrainIds.png beside every *_labelIds.png (a folder without them is read too)",
    )
    cityscapes.add_argument("root", type=Path, nargs="?", default=Path("data/cityscapes"), metavar="ROOT")

    camvid = names.add_parser("camvid", help="check CamVid in SegNet's layout and link or copy it")
    camvid.add_argument(
        "source", type=Path, nargs="?", metavar="SRC", help="folder with train, trainannot, ..."
    )
    camvid.add_argument("--target", type=Path, default=Path("data/camvid"), help="default: %(default)s")
    camvid.add_argument("--copy", action="store_true", help="copy instead of linking")
    camvid.add_argument(
        "--download", action="store_true", help="clone SegNet's tutorial repository (needs git and network)"
    )

    for name, file in dataset_files().items():
        if file.suffix == ".yaml":
            of_card = names.add_parser(name, help="check and link the unpacked download")
            of_card.add_argument("source", type=Path, metavar="SRC", help="folder of the unpacked download")
            if name == JOINED:
                of_card.add_argument(
                    "--sbd", type=Path, required=True, metavar="DIR", help="benchmark_RELEASE/dataset of SBD"
                )

    new = names.add_parser("new", help="draft the YAML file of a dataset of your own from its folders")
    new.add_argument("images", type=Path, metavar="IMAGES", help="folder of the images")
    new.add_argument("labels", type=Path, metavar="LABELS", help="folder of the labels")
    new.add_argument("--out", type=Path, required=True, metavar="YAML", help="the file to write")
    new.add_argument("--seed", type=int, default=0, help="seed of the random splits, default: %(default)s")
    new.add_argument("--overwrite", action="store_true", help="replace the files that are there")
    return parser.parse_args()


def main() -> int:
    """Prepare the dataset that was asked for."""
    args = parse_args()

    import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)
    from lednet_mm.datasets.camvid import SPLITS, differing_splits, download_camvid, install_camvid
    from lednet_mm.datasets.check import check_dataset
    from lednet_mm.datasets.cityscapes import find_label_ids, write_train_ids
    from lednet_mm.datasets.drafting import draft_card
    from lednet_mm.datasets.streets import generate_streets

    if args.name == "streets":
        size = tuple(args.size)
        made = generate_streets(args.root, args.train, args.val, size, args.seed, args.workers)
        state = "made" if made else "there already, nothing to do"
        print(f"{args.root}: {args.train} train and {args.val} val images, {size[1]}x{size[0]}: {state}")
        return 0
    if args.name == "cityscapes":
        files = find_label_ids(args.root)
        written = write_train_ids(tracked(files, "labelTrainIds", len(files)))
        print(f"{args.root}: {written} labelTrainIds written, {len(files) - written} were there")
        return 0
    if args.name == "new":
        draft = draft_card(args.images, args.labels, args.out, args.seed)
        check_outputs(draft, overwrite=args.overwrite)
        for path, text in draft.items():
            write_atomically(path, text.encode())
        print(f"{args.out} is a draft: name the classes in it, then run `tools/check_dataset.py {args.out}`")
        return 0
    if args.name != "camvid":
        return install_card(args)
    if args.download == (args.source is not None):
        raise InputError("camvid: give either the folder SRC of SegNet's layout, or --download")
    if args.download:
        download_camvid(args.target)
    else:
        install_camvid(args.source, args.target, args.copy)
    problems = []
    for split in SPLITS:
        summary = check_dataset({"type": "CamVidDataset", "data_root": str(args.target), "split": split})
        problems += summary.problems
        print(f"{args.target}/{split}: {summary.images} images, {len(summary.problems)} problems")
    print("\n".join(problems[:20]), end="\n" if problems else "")
    if not problems and (other := differing_splits(args.target)):
        print(
            f"{args.target}: names or pixels of {', '.join(other)} are not those of CamVid as SegNet "
            "published it: figures on it do not compare with others'"
        )
    return 1 if problems else 0


def install_card(args: argparse.Namespace) -> int:
    """Install a dataset that a YAML file describes, check it, and return 1 if there is a problem."""
    from lednet_mm.config import Choice, load_data_config
    from lednet_mm.datasets.card import read_card
    from lednet_mm.datasets.check import check_dataset
    from lednet_mm.datasets.installing import install, join_voc_with_sbd

    file = dataset_files()[args.name]
    card = read_card(file)
    root = card.data_root
    if args.name == JOINED:
        join_voc_with_sbd(args.source, args.sbd, root, lambda names: tracked(names, "labels", len(names)))
    else:
        install(file, args.source)
    config = load_data_config(Choice(args.name))
    problems = []
    for split in ("train", "val", "test") if card.splits.test else ("train", "val"):
        summary = check_dataset(config[f"{split}_dataloader"].dataset)
        problems += summary.problems
        print(f"{root}, {split}: {summary.images} images, {len(summary.problems)} problems")
        if split == "train" and summary.images != card.train_images:
            print(
                f"{root}: {summary.images} training images, and {args.name} has {card.train_images}: "
                "figures on it do not compare with others'"
            )
    print("\n".join(problems[:20]), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    run_command(main)
