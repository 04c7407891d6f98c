"""Compare two runs, or two groups of runs: differences with intervals, by class, size and worst images."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whether or not the package is installed

from lednet_mm.errors import run_command
from lednet_mm.terminal import make_console
from lednet_mm.text import one_line

if TYPE_CHECKING:
    from lednet_mm.reports.two_groups import TwoGroups

SHOWN = 5
"""The number of images whose names are printed."""


def main() -> None:
    """Compare what the command line names, print the differences, and write them if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="examples:\n"
        "  python tools/compare.py work_dirs/lednet_camvid work_dirs/lednet_camvid_changed\n"
        "  python tools/compare.py lednet lednet:no_apn --in work_dirs/camvid_ablations --out work_dirs/apn",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("a", metavar="A", help="the reference: a folder of runs, or NETWORK[:VARIANT]")
    parser.add_argument(
        "b", metavar="B", help="what is compared with A; differences are B - A, on the seeds that both have"
    )
    parser.add_argument(
        "--in",
        dest="folders",
        nargs="+",
        default=["work_dirs"],
        metavar="FOLDER",
        help="folder in which NETWORK[:VARIANT] is looked for (default work_dirs)",
    )
    parser.add_argument("--out", help="folder for the table and a picture of the images that differ most")
    parser.add_argument(
        "--pictures",
        type=int,
        default=4,
        metavar="N",
        help="number of images in that picture (default 4; 0 makes none)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files in the folder of --out")
    arguments = parser.parse_args()

    from lednet_mm.files import check_outputs, write_atomically
    from lednet_mm.reports.tables import to_csv, to_markdown
    from lednet_mm.reports.two_groups import compare_groups, find_groups

    ours, theirs = find_groups([arguments.a, arguments.b], arguments.folders)
    found = compare_groups(ours, theirs)
    show(found)
    if arguments.out is None:
        return
    table = found.table
    files = {f"{table.name}.md": to_markdown(table).encode(), f"{table.name}.csv": to_csv(table).encode()}
    picture = Path(arguments.out) / f"{table.name}.png"
    targets = [Path(arguments.out) / name for name in files]
    check_outputs([*targets, picture], overwrite=arguments.overwrite)
    for target, data in zip(targets, files.values(), strict=True):
        write_atomically(target, data)
        print(f"written: {one_line(target)}")
    if arguments.pictures < 1:
        return
    from lednet_mm.reports.two_groups_pictures import draw_images

    data, notes = draw_images(ours, theirs, found.images[: arguments.pictures])
    for note in notes:
        print(f"no picture: {one_line(note)}")
    if data is not None:
        write_atomically(picture, data)
        print(f"written: {one_line(picture)}")


def show(found: TwoGroups) -> None:
    """Print the table, its notes, and the images that differ most."""
    from rich.table import Table

    columns = found.table.shown()
    table = Table(*(one_line(column.header) for column in columns), title=one_line(found.table.title))
    for texts in found.table.row_texts(columns):
        table.add_row(*map(one_line, texts))
    make_console().print(table)
    for note in found.table.notes:
        print(one_line(note))
    if found.images:
        print(f"Images that differ most (mIoU of the image, A and B), of {len(found.images)}:")
    for image in found.images[:SHOWN]:
        print(f"  {one_line(image.name)}: {image.ours:.1f} and {image.theirs:.1f} ({image.difference:+.1f})")


if __name__ == "__main__":
    run_command(main)
