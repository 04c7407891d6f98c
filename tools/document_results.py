"""Make the committed reports again from their records, and fill the tables in README.md and docs/."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whether or not the package is installed

from lednet_mm.errors import run_command

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Make the reports and tables again, or check them; return 1 if a check finds one that is out of date."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="examples:\n  python tools/document_results.py\n  python tools/document_results.py --check",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--check", action="store_true", help="change nothing, and name the files that are out of date"
    )
    arguments = parser.parse_args()
    from lednet_mm.documentation.results import committed_reports, fill_tables, rewrite_report

    old = []
    for folder in committed_reports(ROOT):
        with tempfile.TemporaryDirectory() as temporary:
            rewrite_report(folder, Path(temporary) if arguments.check else folder)
            for made in Path(temporary).glob("*.*"):
                kept = folder / made.name
                # The bytes of plots depend on the version of Matplotlib, so tests compare the pictures.
                if made.suffix in (".csv", ".md", ".tex"):
                    old += [kept] * (not kept.is_file() or kept.read_bytes() != made.read_bytes())
                else:
                    old += [kept] * (not kept.is_file())
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = fill_tables(page, ROOT)
        if text != page.read_text():
            old.append(page)
            if not arguments.check:
                page.write_text(text)
    for path in old:
        print(f"{path.relative_to(ROOT)} {'is out of date' if arguments.check else 'written'}")
    return 1 if arguments.check and old else 0


if __name__ == "__main__":
    run_command(main)
