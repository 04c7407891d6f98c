"""A report: tables, plots and a page in one folder, from records alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lednet_mm.reports import plots, plots_accuracy
from lednet_mm.reports.ablation import Baseline, ablation_table, compare_with_baselines
from lednet_mm.reports.benchmarks import benchmark_table
from lednet_mm.reports.classes import class_summary_table, class_table, reported_splits, summarise_classes
from lednet_mm.reports.comparison import Comparison, compare, comparison_table
from lednet_mm.reports.differences import Differences
from lednet_mm.reports.drawing import Plot, render
from lednet_mm.reports.failures import collect_failures, failure_table, failures_markdown
from lednet_mm.reports.folder import ReportFolder
from lednet_mm.reports.latencies import latency_table
from lednet_mm.reports.measures import collect_measures, measure_table, plot_reliability
from lednet_mm.reports.page import write_page
from lednet_mm.reports.pictures import PictureSet
from lednet_mm.reports.published import published_table
from lednet_mm.reports.reading import Evidence, read_evidence
from lednet_mm.reports.robustness import collect_robustness, plot_robustness, robustness_table
from lednet_mm.reports.runs import choose_runs
from lednet_mm.reports.summary import summarise_runs, summary_table
from lednet_mm.reports.tables import Table, to_csv, to_latex, to_markdown
from lednet_mm.text import one_line

PAGE = "index.html"


@dataclass(frozen=True)
class Report:
    """What was written.

    Attributes:
        files: all files of the report, less the list of them.
        changed: those whose content is new.
        records: how many records went in.
        problems: files left out, and why.
        notes: what could not be shown, and why.
    """

    files: tuple[Path, ...]
    changed: tuple[Path, ...]
    records: int
    problems: Mapping[Path, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Content:
    """All tables of a report, and the frames of its plots.

    Attributes:
        title: of everything.
        comparison: one row a run.
        summary: one row a network and variant.
        ablation: differences to the baselines.
        classes: class IoU of each run and split.
        class_summary: the same over seeds, of the split that the summary shows.
        curves: validation mIoU by iteration.
        tables: for people, those with rows only.
    """

    title: str
    comparison: Comparison
    summary: pd.DataFrame
    ablation: pd.DataFrame
    classes: pd.DataFrame
    class_summary: pd.DataFrame
    curves: pd.DataFrame
    tables: dict[str, Table]


def make_content(evidence: Evidence, title: str | None = None, baselines: Sequence[Baseline] = ()) -> Content:
    """Compute everything that a report shows.

    Args:
        evidence: records and studies.
        title: of everything; None takes the evidence's.
        baselines: of the ablation table; without any the studies' count.
    """
    title = one_line(title or evidence.title)
    comparison = compare(evidence.records)
    summary = summarise_runs(comparison)
    differences = Differences(evidence.matrices)
    ablation = compare_with_baselines(summary, evidence.studies, differences, baselines)
    speed = str(comparison.condition or "")
    classes = class_table(evidence.records)
    class_summary = reported_splits(summarise_classes(classes), summary) if len(classes) else classes
    tables = [
        summary_table(summary, comparison, differences, title),
        ablation_table(ablation, title, speed),
        *([class_summary_table(class_summary, title)] if len(class_summary) else []),
        measure_table(collect_measures(evidence), title),
        robustness_table(collect_robustness(evidence.records), title),
        latency_table(comparison.latencies, title),
        benchmark_table(evidence.records, title),
        published_table(summary, title),
        failure_table(collect_failures(evidence.records, evidence.studies), title),
        comparison_table(comparison, title),
    ]
    return Content(
        title,
        comparison,
        summary,
        ablation,
        classes,
        class_summary,
        plots_accuracy.learning_curves(evidence.records),
        {table.name: table for table in tables if len(table.frame)},
    )


def make_plots(content: Content) -> list[Plot]:
    """Draw every plot that the records have something for."""
    title, latencies = content.title, content.comparison.latencies
    drawn = plots.plot_tradeoffs(content.summary, title, str(content.comparison.condition or ""))
    drawn += plots.plot_latencies(latencies, title)
    drawn += plots.plot_rooflines(latencies, title)
    drawn += plots_accuracy.plot_forest(content.ablation, title)
    drawn += plots_accuracy.plot_curves(content.curves, title)
    if len(content.class_summary):
        drawn += plots_accuracy.plot_classes(content.class_summary, title)
    if "measures" in content.tables:
        drawn += plot_reliability(content.tables["measures"].frame, title)
    if "robustness" in content.tables:
        drawn += plot_robustness(content.tables["robustness"].frame, title)
    if "published" in content.tables:
        drawn += plots_accuracy.plot_published(content.tables["published"].frame, title)
    return drawn


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
        title: of tables and plots; it should name a smaller setting. None takes the study's, or that of a
            ``title.txt`` in the folder.
        baselines: what the ablation table compares with; without any the studies' count.
        pictures: how many images of each dataset are predicted by the networks whose checkpoints are there.
        page: whether the HTML page is written.
        overwrite: whether files in ``out`` that no report wrote may be replaced.
        keep_list: see :class:`~lednet_mm.reports.folder.ReportFolder`.

    Raises:
        InputError: a folder that does not exist, no record in any, nothing can be written to ``out``, or a
            file of others would be replaced there.
    """
    folder = ReportFolder(out, overwrite=overwrite, keep_list=keep_list)
    evidence = read_evidence(folders, out)
    content = make_content(evidence, title, baselines)
    files: dict[str, bytes] = {}
    for name, table in content.tables.items():
        files[f"{name}.csv"] = to_csv(table).encode()
        markdown = failures_markdown(table) if name == "failures" else to_markdown(table)
        files[f"{name}.md"] = markdown.encode()
        files[f"{name}.tex"] = to_latex(table).encode()
    if len(content.classes):
        classes = Table("class_iou", content.title, (), content.classes)
        files["class_iou.csv"] = to_csv(classes).encode()
    folder.check(files)  # before the plots and predictions, which take long
    for plot in make_plots(content):
        files |= {plot.name + ending: data for ending, data in render(plot.figure).items()}
    folder.check(files)
    sets: list[PictureSet] = []
    notes = [*evidence.notes, *choose_runs(evidence.records).notes]
    if pictures:
        from lednet_mm.reports.predictions import predict_pictures  # takes PyTorch and seconds

        sets, more = predict_pictures(evidence, pictures)
        notes += more
        files |= {f"{pictured.name}.png": pictured.png() for pictured in sets}
    if page:
        files[PAGE] = write_page(content, evidence, sets, folder.place).encode()
    changed = folder.write(files)
    written = tuple(folder.place / name for name in files)
    return Report(written, changed, len(evidence.records), evidence.problems, tuple(notes))
