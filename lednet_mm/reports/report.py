"""A report: tables and plots in one folder, from records alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lednet_mm.errors import InputError
from lednet_mm.records import read_records, write_atomically
from lednet_mm.reports.comparison import class_table, compare, to_markdown
from lednet_mm.reports.plots import plot_accuracy_over_speed, save


@dataclass(frozen=True)
class Report:
    """What was written.

    Attributes:
        files: all files of the report.
        records: how many records went in.
        problems: records left out, and why.
    """

    files: tuple[Path, ...]
    records: int
    problems: dict[Path, str]


def write_report(folders: Sequence[str | Path], out: str | Path, title: str = "Comparison") -> Report:
    """Write ``comparison.csv``, ``comparison.md``, ``class_iou.csv`` and the plots.

    Args:
        folders: work folders or studies; every record below them goes in.
        out: the report's folder.
        title: of tables and plots; it should name a smaller setting.

    Raises:
        InputError: a folder that does not exist, or no record in any.
    """
    for folder in folders:
        if not Path(folder).is_dir():
            raise InputError(f"{folder}: no such folder")
    records, problems = read_records(folders)
    if not records:
        seen = f" ({len(problems)} files are no records of this project)" if problems else ""
        raise InputError(f"no records below {', '.join(map(str, folders))}{seen}: train or measure something")
    comparison = compare(records)
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    files = [out / "comparison.csv", out / "comparison.md"]
    table = comparison.table.to_csv(index=False, lineterminator="\n", float_format="%.4f")
    write_atomically(files[0], table.encode())
    write_atomically(files[1], to_markdown(comparison, title).encode())
    classes = class_table(records)
    if not classes.empty:
        files.append(out / "class_iou.csv")
        text = classes.to_csv(index=False, lineterminator="\n", float_format="%.4f")
        write_atomically(files[-1], text.encode())
    figure = plot_accuracy_over_speed(comparison, title)
    if figure is not None:
        files += save(figure, out / "accuracy_over_speed")
    return Report(tuple(files), len(records), problems)
