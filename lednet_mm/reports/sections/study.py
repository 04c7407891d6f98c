"""The questions of a study, what was expected, and the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lednet_mm.reports.parts import Part, Sources, facts_part, table_part
from lednet_mm.reports.reading import StudyFacts
from lednet_mm.reports.sections.section import Section
from lednet_mm.reports.tables import Column, Table, is_missing, names, rows_of
from lednet_mm.text import DEFAULT, counted


class Study(Section):
    """The questions and answers of each study, on the page only; the table of differences has the numbers."""

    name = "question"
    heading = "The question"
    order = 0

    def parts(self, sources: Sources) -> Sequence[Part]:
        """Return, for each study, its description and a table of questions and answers."""
        parts: list[Part] = []
        for study in self.content.evidence.studies.values():
            parts.append(facts_part(_facts(study)))
            rows = [
                _answer(study, row)
                for row in rows_of(self.content.against_baselines)
                if row["study"] == study.name
            ]
            frame = pd.DataFrame(
                row for row in rows if not (is_missing(row["question"]) and is_missing(row["expectation"]))
            )
            if len(frame):
                parts.append(
                    table_part(Table(f"{self.name}_{study.name}", study.title, COLUMNS, frame), sources)
                )
        return parts


COLUMNS = (
    *names("network", "variant", "dataset"),
    Column("question", "question"),
    Column("expectation", "expected"),
    Column("verdict", "result", look="verdict", always=True),
    Column("answer", "mIoU difference (points), 95% interval", source="_accuracy", always=True),
)


def _facts(study: StudyFacts) -> list[tuple[str, str]]:
    def listed(names: Sequence[str]) -> str:
        return ", ".join(dict.fromkeys(names))

    baselines = [
        f"{one.network or 'each network itself'}{'' if one.variant == DEFAULT else f', {one.variant}'}"
        for one in study.baseline
    ]
    seeds = len({run.seed for run in study.runs})
    return [
        ("study", f"{study.name}: {study.title}"),
        ("networks", listed([run.network for run in study.runs])),
        ("variants", listed([run.variant for run in study.runs])),
        ("datasets", f"{listed([run.dataset for run in study.runs])}, accuracy on {study.split}"),
        ("runs", f"{len(study.runs)}, {counted(seeds, 'seed')}"),
        ("compared with", listed(baselines)),
        *([("cost", study.cost)] if study.cost else []),
    ]


def _answer(study: StudyFacts, row: Mapping[str, Any]) -> dict[str, Any]:
    answer = None
    if not is_missing(row["low_points"]):
        answer = f"{row['difference_points']:+.2f} ({row['low_points']:+.2f} to {row['high_points']:+.2f})"
    keys = ("network", "variant", "dataset", "expectation", "verdict", "_accuracy")
    return {
        **{key: row[key] for key in keys},
        "question": study.questions.get(row["variant"]),
        "answer": answer,
    }
