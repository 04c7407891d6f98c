"""A report: tables, plots and a page in one folder, from records alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lednet_mm.reports.content import Content
from lednet_mm.reports.folder import ReportFolder
from lednet_mm.reports.page import write_page
from lednet_mm.reports.reading import Baseline, read_evidence
from lednet_mm.reports.sections import make_sections

PAGE = "index.html"


@dataclass(frozen=True)
class Report:
    """What was written.

    Attributes:
        files: all files of the report, less the list of them.
        changed: the files whose content is new.
        records: number of records that went in.
        problems: files that were left out, each with the reason.
        notes: what could not be shown, and why.
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
    """Write the report; files whose content is as it was are left alone.

    Args:
        folders: work folders or studies; every record below them goes in.
        out: the report's folder.
        title: title of tables and plots; it should name a smaller setting. None takes the study's, or that of
            a ``title.txt`` in the folder.
        baselines: what the ablation table compares with; without any it is what the studies say.
        pictures: number of images of each dataset that are predicted by the networks whose checkpoints are
            there.
        page: whether the HTML page is written.
        overwrite: whether files in ``out`` that no report wrote may be replaced.
        keep_list: see :class:`~lednet_mm.reports.folder.ReportFolder`.

    Raises:
        InputError: a folder that does not exist, no record in any, nothing can be written to ``out``, or a
            file of others would be replaced there.
    """
    folder = ReportFolder(out, overwrite=overwrite, keep_list=keep_list)
    evidence = read_evidence(folders, out)
    content = Content(evidence, title, baselines, pictures)
    sections = make_sections(content)
    files: dict[str, bytes] = {}
    for section in sections:
        files |= section.files()
    folder.check(files)  # before the plots and predictions, which take long
    for section in sections:
        for plot in section.plots():
            files |= plot.files()
    folder.check(files)
    if page:
        files[PAGE] = write_page(content, sections, folder.place).encode()
    changed = folder.write(files)
    written = tuple(folder.place / name for name in files)
    remarks = (remark for section in sections for remark in section.remarks())
    notes = (*evidence.notes, *content.chosen.notes, *remarks)
    return Report(written, changed, len(evidence.records), evidence.problems, notes)
