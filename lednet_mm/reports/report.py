"""Write a report: tables, plots and a page in one folder, made from records alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lednet_mm.reports.content import Content
from lednet_mm.reports.folder import ReportFolder
from lednet_mm.reports.page import write_page
from lednet_mm.reports.processes import map_in_processes
from lednet_mm.reports.reading import read_evidence
from lednet_mm.reports.sections import make_sections
from lednet_mm.studies.baseline import Baseline

PAGE = "index.html"


@dataclass(frozen=True)
class Report:
    """What :func:`write_report` has written.

    Attributes:
        files: all files of the report, except the list of these files.
        changed: the files whose content has changed.
        records: number of records from which the report was made.
        problems: files that were left out, each with the reason.
        notes: lines that say what could not be shown, and why.
    """

    files: tuple[Path, ...]
    changed: tuple[Path, ...]
    records: int
    problems: Mapping[Path, str]
    notes: tuple[str, ...] = ()


def write_report(
    folders: Sequence[str | Path],
    out: str | Path,
    title: str | None = None,
    *,
    baselines: Sequence[Baseline] = (),
    pictures: int = 0,
    page: bool = True,
    overwrite: bool = False,
    keep_list: bool = True,
) -> Report:
    """Write the report; files whose content has not changed are not written again.

    Args:
        folders: work folders, or folders of studies; the report is made from every record in them.
        out: the report's folder.
        title: title of tables and plots, which should say if the setting is smaller than usual. None takes
            the title of the study, or that in the folder's ``title.txt``.
        baselines: baselines of the ablation table; if there are none, those that the studies define.
        pictures: number of images of each dataset for which the report shows predictions of the networks
            whose checkpoints exist.
        page: whether the HTML page is written.
        overwrite: whether files in ``out`` that no report wrote may be replaced.
        keep_list: see :class:`~lednet_mm.reports.folder.ReportFolder`.

    Raises:
        InputError: a folder does not exist, none of them has a record, ``out`` cannot be written to, or a
            file there that no report wrote would be replaced.
    """
    folder = ReportFolder(out, overwrite=overwrite, keep_list=keep_list)
    evidence = read_evidence(folders, out)
    content = Content(evidence, title, baselines, pictures)
    sections = make_sections(content)
    files: dict[str, bytes] = {}
    for section in sections:
        files |= section.files()
    folder.check(files)  # before predictions and plots, which take long
    remarks = [remark for section in sections for remark in section.remarks()]

    def write_whole_page() -> dict[str, bytes]:
        return {PAGE: write_page(content, sections, folder.place).encode()}

    # The page takes longest and goes first, so that the other processes draw meanwhile.
    makers = [*([write_whole_page] if page else []), *(section.draw for section in sections)]
    for made in map_in_processes(lambda index: makers[index](), range(len(makers)), least=2, chunk=1):
        files |= made
    changed = folder.write(files)
    written = tuple(folder.place / name for name in files)
    notes = (*evidence.notes, *content.chosen.notes, *remarks)
    return Report(written, changed, len(evidence.records), evidence.problems, notes)
