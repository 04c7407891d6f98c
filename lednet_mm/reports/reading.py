"""What a report is made of: the records below some folders, and the studies they belong to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ValidationError

from lednet_mm.errors import InputError
from lednet_mm.evaluation.confusion import unpack
from lednet_mm.records import Record, Run, find_records, read_record, sort_records

# Read again when they are needed: they are most of a record, and few reports need all of them.
BULK = ("per_image_confusion", "per_image_names")


class PlannedRun(Run):
    """A run that a study plans."""

    folder: str


class StudyFacts(BaseModel):
    """What ``study.json`` in a study's work folder says, see :meth:`lednet_mm.studies.plan.Plan.describe`."""

    name: str
    title: str
    split: str
    baseline: dict[str, str | None]
    expectations: dict[str, str]
    runs: list[PlannedRun]


@dataclass(frozen=True)
class Evidence:
    """What was found.

    Attributes:
        records: oldest first, each once, without their bulk (``BULK``).
        paths: name of a record -> its file.
        studies: name -> study.
        problems: files that were left out -> why.
        title: the study's where there is one; else what ``title.txt`` in the folder says, or "Comparison".
    """

    records: tuple[Record, ...]
    paths: Mapping[str, Path]
    studies: Mapping[str, StudyFacts]
    problems: Mapping[Path, str]
    title: str

    def matrices(self, name: str) -> tuple[tuple[str, ...], np.ndarray]:
        """Read an accuracy record's images again.

        Returns:
            File names, and confusion matrices (images, C, P) in their order.

        Raises:
            ValueError: the record keeps none, or they are damaged.
        """
        details = read_record(self.paths[name]).details
        if "per_image_confusion" not in details:
            raise ValueError(f"{name} keeps no confusion matrices")
        return tuple(details.get("per_image_names", ())), unpack(details["per_image_confusion"])


def record_name(record: Record) -> str:
    """Return a record's name, which is its file's."""
    return f"{record.kind}-{record.id}"


def read_evidence(folders: Sequence[str | Path]) -> Evidence:
    """Read the records and studies below some folders.

    Raises:
        InputError: a folder that does not exist, or no record in any.
    """
    for folder in folders:
        if not Path(folder).is_dir():
            raise InputError(f"{folder}: no such folder")
    records: dict[str, Record] = {}
    paths: dict[str, Path] = {}
    problems: dict[Path, str] = {}
    shared: dict[Any, Any] = {}
    files = find_records(folders)
    for path in files:
        try:
            record = _lightened(read_record(path), shared)
        except ValueError as error:
            problems[path] = str(error)
        else:
            name = record_name(record)
            if name in records and records[name].provenance != record.provenance:
                problems[path] = f"another record has the same name: {paths[name]}"
            elif name not in records:
                records[name], paths[name] = record, path
    studies = _read_studies(files, problems)
    if not records:
        seen = f" ({len(problems)} files are no records of this project)" if problems else ""
        raise InputError(f"no records below {', '.join(map(str, folders))}{seen}: train or measure something")
    ordered = sort_records(records.values())
    return Evidence(tuple(ordered), paths, studies, problems, _title(folders, studies))


def _title(folders: Sequence[str | Path], studies: Mapping[str, StudyFacts]) -> str:
    titles = [study.title for study in studies.values()]
    titles = titles or [
        path.read_text(encoding="utf-8").strip()
        for path in (Path(folder) / "title.txt" for folder in folders)
        if path.is_file()
    ]
    return titles[0] if len(titles) == 1 else "Comparison"


def _lightened(record: Record, shared: dict[Any, Any]) -> Record:
    """Drop a record's bulk and share what many records repeat: 10,000 runs must fit into memory."""
    for key in BULK:
        record.details.pop(key, None)
    if record.kind == "latency" and "samples_ms" in record.details:
        record.details["samples_ms"] = np.asarray(record.details["samples_ms"], dtype=np.float64)
    config = shared.setdefault(record.config.sha256, record.config)
    versions = tuple(sorted(record.provenance.versions.items()))
    versions = shared.setdefault(versions, record.provenance.versions)
    provenance = record.provenance.model_copy(update={"versions": versions})
    return record.model_copy(update={"config": config, "provenance": provenance})


def _read_studies(files: Iterable[Path], problems: dict[Path, str]) -> dict[str, StudyFacts]:
    """Read the ``study.json`` beside the runs' folders, or beside ``records``."""
    runs = dict.fromkeys(path.parent.parent for path in files)
    folders = dict.fromkeys(folder for run in runs for folder in (run, run.parent))
    studies: dict[str, StudyFacts] = {}
    for folder in folders:
        path = folder / "study.json"
        if not path.is_file():
            continue
        try:
            study = StudyFacts.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            problems[path] = f"no study of this project ({str(error).splitlines()[0]})"
            continue
        if study.name in studies and studies[study.name] != study:
            problems[path] = f"another study of the name {study.name} was read before"
        studies.setdefault(study.name, study)
    return studies
