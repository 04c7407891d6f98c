"""Insert tables of committed reports into Markdown pages between markers; a command writes them.

``<!-- table: reports/NAME/TABLE -->`` begins a part that holds this table of the report, its notes and a
link; ``<!-- end of table -->`` ends it. ``reports/NAME/records`` holds the records of the report, and
``study.json`` or ``title.txt`` beside it gives its title.
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
    """Return the folders of the committed reports, which are those with records of their own."""
    return sorted(path.parent for path in (root / "reports").glob("*/records"))


def rewrite_report(folder: Path, out: Path) -> None:
    """Make a committed report again from its records; the large page is made for studies only.

    Args:
        folder: folder of the committed report.
        out: folder for the result; the report's own folder updates the report.
    """
    is_study = (folder / "study.json").is_file()
    write_report([folder], out, page=is_study, overwrite=True, keep_list=False)


def fill_tables(page: Path, root: Path) -> str:
    """Return the text of a Markdown page with its tables made from the present records.

    Args:
        page: file of the page.
        root: folder of the project.

    Raises:
        InputError: a marker names a report or a table that does not exist.
    """
    sections: dict[Path, dict[str, TableSection]] = {}

    def fill(found: re.Match) -> str:
        begin, place, name, _, end = found.groups()
        folder = root / place
        if folder not in committed_reports(root):
            raise InputError(f"{page}: {place} is not a committed report (reports/NAME with records)")
        if folder not in sections:
            made = make_sections(Content(read_evidence([folder])))
            sections[folder] = {one.name: one for one in made if isinstance(one, TableSection)}
        section = sections[folder].get(name)
        if section is None or section.table is None:
            known = ", ".join(sorted(one.name for one in sections[folder].values() if one.table))
            raise InputError(f"{page}: {place} has no table {name}; its tables are {known}")
        table = section.table
        where = Path(os.path.relpath(folder, page.parent)).as_posix()
        link = f"[{for_markdown(table.title)}]({where}/{name}.md), with its records."
        return f"{begin}\n{to_markdown(table, level=0)}\n{link}\n\n{end}"

    return PART.sub(fill, page.read_text())
