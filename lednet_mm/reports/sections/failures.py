"""Runs that failed, with the reasons, and planned runs that are not finished."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from lednet_mm.records import Record, in_plain_pytorch, sort_records
from lednet_mm.reports.reading import StudyFacts
from lednet_mm.reports.runs import KEY, key_of, record_name
from lednet_mm.reports.sections.section import TableSection
from lednet_mm.reports.tables import Column, Table, is_missing, names, to_markdown
from lednet_mm.text import for_markdown, one_line

COLUMNS = [*KEY, "state", "reason", "exit_status", "last_checkpoint", "record", "_failure", "_log_tail"]


class Failures(TableSection):
    """The table of runs that failed or are not finished, with the end of each log."""

    name = "failures"
    heading = "Runs without a result"
    order = 100
    caption = "runs without a result"

    def collect(self) -> pd.DataFrame:
        """Return the runs that failed, and those that are not finished."""
        return collect_failures(self.content.evidence.records, self.content.evidence.studies)

    def columns(self) -> Sequence[Column]:
        """Return columns that identify the run, and columns with the reason and the log."""
        return (
            *names("study", "network", "variant", "dataset", "seed", "state"),
            Column("reason", "reason", source="_failure", always=True),
            Column("exit_status", "exit status", source="_failure"),
            Column("last_checkpoint", "last checkpoint"),
            Column(
                "_log_tail",
                "log",
                show=lambda _: "end of the log",
                look="log",
                extra=lambda row: row["_log_tail"],
                page_only=True,
            ),
        )

    def markdown(self, table: Table) -> str:
        """Return the table as Markdown, with the end of each failed run's log below it."""
        parts = [to_markdown(table)]
        for row in table.rows:
            if not is_missing(row["_log_tail"]):
                seed = "" if pd.isna(row["seed"]) else f", seed {row['seed']}"
                tail = "\n".join(one_line(line).replace("```", "'''") for line in row["_log_tail"])
                heading = for_markdown(f"{row['network']}, {row['variant']}, {row['dataset']}{seed}")
                parts.append(f"## {heading}\n\n```text\n{tail}\n```\n")
        return "\n".join(parts)


def collect_failures(records: Iterable[Record], studies: Mapping[str, StudyFacts]) -> pd.DataFrame:
    """Return one row for each run that has failed, and for each planned run that has no accuracy yet.

    A run no longer counts as failed when it has a newer record.

    Args:
        records: records of any kind, in any order.
        studies: studies by their names.
    """
    newest: dict[tuple, Record] = {}
    tested: set[tuple] = set()
    for record in sort_records(records):
        if record.kind in ("train", "accuracy", "failure"):
            newest[key_of(record)] = record
        if record.kind == "accuracy" and in_plain_pytorch(record):
            tested.add((*key_of(record), record.details["split"]))
    rows: list[dict[str, Any]] = []
    failed = {key for key, record in newest.items() if record.kind == "failure"}
    for key in failed:
        record = newest[key]
        values = {name: record.values.get(name) for name in ("reason", "exit_status", "last_checkpoint")}
        name = record_name(record)
        evidence = {"record": name, "_failure": [name], "_log_tail": record.details.get("log_tail") or None}
        rows.append({**dict(zip(KEY, key, strict=True)), "state": "failed", **values, **evidence})
    for study in studies.values():
        for run in study.runs:
            key = (study.name, run.dataset, run.network, run.variant, run.seed)
            if key not in failed and (*key, study.split) not in tested:
                reason = f"no accuracy on {study.split} yet: the same sweep command continues the run"
                row = dict(zip(KEY, key, strict=True))
                rows.append({**row, "state": "unfinished", "reason": reason, "_failure": []})
    frame = pd.DataFrame(rows, columns=COLUMNS)
    frame["seed"] = frame["seed"].astype("Int64")
    frame["exit_status"] = frame["exit_status"].astype("Int64")
    return frame.sort_values(["state", *KEY], na_position="first", ignore_index=True)
