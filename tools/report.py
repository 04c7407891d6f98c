"""Make a report from records: tables, plots and one HTML page."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

# Records are resampled in one process per core, so NumPy's BLAS must not start threads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whether or not the package is installed

from lednet_mm.errors import run_command
from lednet_mm.text import one_line

if TYPE_CHECKING:
    from lednet_mm.studies.baseline import Baseline


def _pictures(text: str) -> int:
    if not text.isdecimal() or int(text) > 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 100")
    return int(text)


def _baseline(text: str) -> Baseline:
    from lednet_mm.studies.baseline import Baseline

    return Baseline.parse(text)


def main() -> None:
    """Parse the arguments and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="examples:\n"
        "  python tools/report.py work_dirs/lednet_camvid work_dirs/erfnet_camvid\n"
        "  python tools/report.py work_dirs/smoke --out work_dirs/smoke/report --pictures 3",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "folders", nargs="*", default=["work_dirs"], help="work folders or studies (default work_dirs)"
    )
    parser.add_argument("--out", default="reports", help="folder of the report (default reports)")
    parser.add_argument(
        "--title",
        help="title of tables and plots, which should say if the setting is smaller than usual (default: the "
        "title of the study, or that in title.txt)",
    )
    parser.add_argument(
        "--baseline",
        type=_baseline,
        action="append",
        default=[],
        metavar="NETWORK[:VARIANT]",
        help="baseline of the ablation table; may be given several times (default: the baselines of the "
        "study, else the unchanged network)",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="also replace files in --out that no report wrote"
    )
    parser.add_argument(
        "--pictures",
        type=_pictures,
        default=0,
        metavar="N",
        help="show N images of each dataset with the predictions of the networks whose checkpoints are there",
    )
    arguments = parser.parse_args()
    from lednet_mm.reports.report import write_report  # Pandas and Matplotlib take a second

    report = write_report(
        arguments.folders,
        arguments.out,
        arguments.title,
        baselines=arguments.baseline,
        pictures=arguments.pictures,
        overwrite=arguments.overwrite,
    )
    for path, reason in report.problems.items():
        print(one_line(f"left out {path}: {reason}"), file=sys.stderr)
    for note in report.notes:
        print(one_line(note), file=sys.stderr)
    where = one_line(arguments.out)
    changed = f"{len(report.files)} files, {len(report.changed)} of them new or changed"
    print(f"{report.records} records, report in {where}: {changed}")


if __name__ == "__main__":
    run_command(main)
