"""Make a report from records: comparison tables (CSV, Markdown) and a plot of accuracy over speed."""

from __future__ import annotations

import argparse
import sys

from lednet_mm.errors import run_command
from lednet_mm.reports.report import write_report


def main() -> None:
    """Parse the arguments and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example:\n  python tools/report.py work_dirs/lednet_camvid work_dirs/erfnet_camvid",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folders", nargs="*", default=["work_dirs"], help="work folders (default work_dirs)")
    parser.add_argument("--out", default="reports", help="folder of the report (default reports)")
    parser.add_argument(
        "--title", default="Comparison", help="of tables and plots; name a smaller setting here"
    )
    arguments = parser.parse_args()
    report = write_report(arguments.folders, arguments.out, arguments.title)
    for path, reason in report.problems.items():
        print(f"left out {path}: {reason}", file=sys.stderr)
    print(f"{report.records} records, report in {arguments.out}: {', '.join(f.name for f in report.files)}")


if __name__ == "__main__":
    run_command(main)
