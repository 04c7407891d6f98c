"""The content of a report: the evidence, and the results that several sections need, each computed once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import pandas as pd

from lednet_mm.reports.baselines import compare_with_baselines
from lednet_mm.reports.classes import class_table, reported_splits, summarise_classes
from lednet_mm.reports.differences import Differences
from lednet_mm.reports.drawing import Looks
from lednet_mm.reports.joining import join_runs, notes_on_runs
from lednet_mm.reports.latencies import LatencyCollection, collect_latencies
from lednet_mm.reports.measured import MeasuredRun, measured_runs
from lednet_mm.reports.reading import Evidence
from lednet_mm.reports.runs import ChosenRuns, choose_runs
from lednet_mm.reports.summary import summarise_runs
from lednet_mm.statistics import SCORES
from lednet_mm.studies.baseline import Baseline
from lednet_mm.studies.tuning import TuningResult, tuning_results
from lednet_mm.text import one_line


class Content:
    """The content of a report.

    Args:
        evidence: records and studies.
        title: title of the report; None takes the title of the evidence.
        baselines: baselines of the comparisons; if there are none, those that the studies define.
        pictures: number of images of each dataset that are predicted.

    Each frame has one row for each of its subjects; columns whose names begin with ``_`` hold the names of
    the records from which the row comes.
    """

    def __init__(
        self,
        evidence: Evidence,
        title: str | None = None,
        baselines: Sequence[Baseline] = (),
        pictures: int = 0,
    ) -> None:
        self.evidence = evidence
        self.title = one_line(title or evidence.title)
        self.baselines = tuple(baselines)
        self.pictures = pictures

    @cached_property
    def looks(self) -> Looks:
        """Colour, marker and line of every network and variant, the same in all plots and on the page."""
        return Looks((record.run.network, record.run.variant) for record in self.evidence.records)

    @cached_property
    def chosen(self) -> ChosenRuns:
        """The trainings and accuracies that the report shows."""
        return choose_runs(self.evidence.records)

    @cached_property
    def measured(self) -> list[MeasuredRun]:
        """What was measured beyond accuracy, see :mod:`lednet_mm.reports.measured`."""
        return measured_runs(self.evidence.records, self.chosen)

    @cached_property
    def latencies(self) -> LatencyCollection:
        """The newest latency of every network under every condition."""
        return collect_latencies(self.evidence.records)

    @cached_property
    def tunings(self) -> list[TuningResult]:
        """The newest tuning of every network and variant."""
        return tuning_results(self.evidence.records)

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row for each run, see :func:`lednet_mm.reports.joining.join_runs`."""
        return join_runs(self.evidence.records, self.chosen, self.latencies, self.tunings)

    @cached_property
    def notes_on_runs(self) -> tuple[str, ...]:
        """Conditions, mixed settings and omissions, see :func:`lednet_mm.reports.joining.notes_on_runs`."""
        return tuple(notes_on_runs(self.runs, self.latencies, self.chosen, self.tunings))

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row for each network and variant, see :func:`lednet_mm.reports.summary.summarise_runs`."""
        return summarise_runs(self.runs, self.latencies)

    @cached_property
    def differences(self) -> Differences:
        """Computes the differences of every score between any two rows of the summary."""
        return Differences(self.evidence.matrices, SCORES)

    @cached_property
    def against_baselines(self) -> pd.DataFrame:
        """One row for each variant and baseline, see :mod:`lednet_mm.reports.baselines`."""
        return compare_with_baselines(self.summary, self.evidence.studies, self.differences, self.baselines)

    @cached_property
    def classes(self) -> pd.DataFrame:
        """Class IoU of each run and split, see :mod:`lednet_mm.reports.classes`."""
        return class_table(self.chosen)

    @cached_property
    def class_means(self) -> pd.DataFrame:
        """Class IoU over seeds, for the splits that the summary shows."""
        return reported_splits(summarise_classes(self.classes), self.summary)
