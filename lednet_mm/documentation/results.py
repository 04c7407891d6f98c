"""Tables of committed reports inside Markdown pages, between markers, made by a command and not by hand.

``<!-- table: reports/NAME/TABLE -->`` begins a part that holds that report's table, its notes and a link to
it; ``<!-- end of table -->`` ends it. ``reports/NAME/records`` holds the records that it is made from, and
``study.json`` or ``title.txt`` beside it what it is called.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from lednet_mm.errors import InputError
from lednet_mm.reports.content import Content
from lednet_mm.reports.reading import read_evidence
from lednet_mm.reports.report import write_report
from lednet_mm.reports.sections import make_sections
from lednet_mm.reports.sections.section import TableSection
from lednet_mm.reports.tables import to_markdown
from lednet_mm.text import for_markdown

PART = re.compile(r"(<!-- table: (\S+)/(\w+) -->\n)(.*?)(<!-- end of table -->)", re.DOTALL)


def committed_reports(root: Path) -> list[Path]:
    """Return the folders of the committed reports: those with records of their own."""
    return sorted(path.parent for path in (root / "reports").glob("*/records"))


def rewrite_report(folder: Path, out: Path) -> None:
    """Make a committed report again from its records; a study's with its page, which is large.

    Args:
        folder: the committed report.
        out: the folder to write to; the report's own folder brings it up to date.
    """
    is_study = (folder / "study.json").is_file()
    write_report([folder], out, page=is_study, overwrite=True, keep_list=False)


def fill_tables(page: Path, root: Path) -> str:
    """Return the text of a Markdown page with each of its tables as the records are now.

    Args:
        page: the page's file.
        root: the project's folder.

    Raises:
        InputError: a marker names a report or a table that does not exist.
    """
    sections: dict[Path, dict[str, TableSection]] = {}

    def fill(found: re.Match) -> str:
        begin, place, name, _, end = found.groups()
        folder = root / place
        if folder not in committed_reports(root):
            raise InputError(f"{page}: {place} is no committed report (reports/NAME with a folder records)")
        if folder not in sections:
            made = make_sections(Content(read_evidence([folder])))
            sections[folder] = {one.name: one for one in made if isinstance(one, TableSection)}
        section = sections[folder].get(name)
        if section is None or section.table is None:
            known = ", ".join(sorted(one.name for one in sections[folder].values() if one.table))
            raise InputError(f"{page}: {place} has no table {name}, but {known}")
        table = section.table
        where = Path(os.path.relpath(folder, page.parent)).as_posix()
        link = f"[{for_markdown(table.title)}]({where}/{name}.md), with its records."
        return f"{begin}\n{to_markdown(table, level=0)}\n{link}\n\n{end}"

    return PART.sub(fill, page.read_text())
