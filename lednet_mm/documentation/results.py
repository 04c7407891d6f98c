"""Parts of Markdown pages between markers, made by a command and not by hand.

``<!-- table: reports/NAME/TABLE -->`` begins a part that holds that report's table, its notes and a link to
it; ``<!-- end of table -->`` ends it. With ``(network, verdict)`` after the table's name, it holds these
columns alone, without the notes. With ``notes:`` in the place of ``table:`` (and ``<!-- end of notes -->``),
it holds the notes alone, for a table that is too long for the page. ``reports/NAME/records`` has the records
that the table is made from, and ``study.json`` or ``title.txt`` beside it has the title.
``<!-- networks -->`` to ``<!-- end of networks -->`` is the list of all networks.
"""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lednet_mm.cards import network_cards
from lednet_mm.errors import InputError
from lednet_mm.reports.content import Content
from lednet_mm.reports.reading import read_evidence
from lednet_mm.reports.report import write_report
from lednet_mm.reports.sections import make_sections
from lednet_mm.reports.sections.section import TableSection
from lednet_mm.reports.tables import Table, to_markdown
from lednet_mm.text import for_markdown

PART = re.compile(
    r"(<!-- (table|notes): (\S+)/(\w+)(?: \(([\w, ]+)\))? -->\n)(.*?)(<!-- end of \2 -->)", re.DOTALL
)
LIST = re.compile(r"(<!-- networks -->\n)(.*?)(<!-- end of networks -->)", re.DOTALL)


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
        begin, what, place, name, columns, _, end = found.groups()
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
        if columns:
            table = _with_columns(table, columns.split(", "), page)
        where = Path(os.path.relpath(folder, page.parent)).as_posix()
        link = f"[{for_markdown(table.title)}]({where}/{name}.md), with its records."
        text = to_markdown(table, level=0) if what == "table" else _notes(table)
        return f"{begin}\n{text}\n{link}\n\n{end}"

    return LIST.sub(_list_networks, PART.sub(fill, page.read_text()))


def _with_columns(table: Table, keys: Sequence[str], page: Path) -> Table:
    """Return a table with some of its columns, without its notes."""
    known = {column.key: column for column in table.shown()}
    for key in keys:
        if key not in known:
            raise InputError(f"{page}: {table.name} has no column {key}, but {', '.join(known)}")
    return replace(table, columns=tuple(known[key] for key in keys), notes=())


def _notes(table: Table) -> str:
    """Return the notes of a table as paragraphs."""
    lines = (textwrap.fill(for_markdown(note), 100, break_on_hyphens=False) for note in table.notes)
    return "\n\n".join(lines) + "\n"


def _list_networks(found: re.Match) -> str:
    """Return the list of all networks, by whose code each is proven to equal; those without proof last."""
    groups: dict[str, list[str]] = {}
    for card in sorted(network_cards().values(), key=lambda card: card.title.lower()):
        title, _, note = card.title.removesuffix(")").partition(" (")
        if card.vector is None:
            group = "Taken from MMSegmentation, not proven"
            title = card.title.removesuffix(" (MMSegmentation's)")
        elif note.startswith("re-implementation"):
            group = f"Proven equal to a {note}"
        else:
            group, title = "Proven equal to the code that their cards name", card.title
        groups.setdefault(group, []).append(for_markdown(title))
    lines = []
    for group in sorted(groups):
        line = f"{group} ({len(groups[group])}): {', '.join(groups[group])}."
        lines += [textwrap.fill(line, 100, break_on_hyphens=False), ""]
    return "\n".join([found[1], *lines, found[3]])
