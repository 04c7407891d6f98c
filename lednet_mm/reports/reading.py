"""Read what a report is made from: the records in some folders, and the studies to which they belong."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field, ValidationError

from lednet_mm.environment import without_garbage_collection
from lednet_mm.errors import InputError, describe_os_error
from lednet_mm.files import read_regular
from lednet_mm.record_format import Name, NotNegative, Record, Run, one_or_several
from lednet_mm.records import explain, find_records, read_record, sort_records
from lednet_mm.reports.alterations import find_alteration
from lednet_mm.reports.differences import TestedImages, read_images
from lednet_mm.reports.processes import map_in_processes
from lednet_mm.reports.runs import record_name
from lednet_mm.studies.baseline import Baseline
from lednet_mm.terminal import tracked
from lednet_mm.text import counted, one_line

BULK = "per_image_"
"""The beginning of the names of details that are not kept in memory, but read again when they are needed.

They make up most of a record, and few reports need all of them.
"""

TITLE_LENGTH = 300


class PlannedRun(Run):
    """A run that a study plans."""

    folder: Annotated[str, Field(max_length=1000)]


class StudyFacts(BaseModel):
    """The content of ``study.json`` in a study's work folder.

    :meth:`lednet_mm.studies.plan.Plan.describe` makes this content.

    Attributes:
        name: name of the study.
        title: title of the report.
        split: the split whose accuracy the study reports.
        baseline: the baselines; every run is compared with each of them.
        expectations: what is expected of each variant, or of each network where networks are compared.
        questions: the question that each variant is to answer; studies of earlier versions have none.
        runs: all planned runs.
        recipes: the recipe of each run, by the name of the run's folder; studies of earlier versions have
            none.
        hours: the hours that the processes of each run and of each trial took, by the name of its folder;
            studies of earlier versions have none.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    LARGEST: ClassVar[int] = 32 << 20

    name: Name
    title: Annotated[str, Field(min_length=1, max_length=2000)]
    split: Literal["val", "test"]
    baseline: Annotated[list[Baseline], BeforeValidator(one_or_several), Field(max_length=1000)]
    expectations: Annotated[dict[Name, Annotated[str, Field(max_length=2000)]], Field(max_length=10_000)]
    questions: Annotated[dict[Name, Annotated[str, Field(max_length=2000)]], Field(max_length=10_000)] = {}
    runs: Annotated[list[PlannedRun], FailFast(), Field(max_length=100_000)]
    recipes: Annotated[dict[str, Name], Field(max_length=100_000)] = {}
    hours: Annotated[dict[str, NotNegative], Field(max_length=1_000_000)] = {}

    @property
    def cost(self) -> str | None:
        """What the study cost, in a sentence; None if no hours were noted."""
        if not self.hours:
            return None
        planned = {run.folder for run in self.runs}
        reported = [hours for folder, hours in self.hours.items() if folder in planned]
        trials = [hours for folder, hours in self.hours.items() if folder not in planned]
        missing = len(reported) < len(self.runs)
        parts = []
        if reported:
            runs = f"{len(reported)} of the " * missing + counted(len(self.runs), "reported run")
            parts.append(f"{runs} took {sum(reported):.1f} hours")
        if trials:
            parts.append(f"{counted(len(trials), 'trial')} of the tuning took {sum(trials):.1f} hours")
        return f"The processes of {' and those of '.join(parts)}, with validation and tests."


@dataclass(frozen=True)
class Evidence:
    """The records and studies that were found.

    Attributes:
        records: records without duplicates, oldest first, less the details that are read when they are needed
            (``BULK``).
        paths: the file of each record, by the record's name.
        studies: studies by their names.
        problems: files that were left out, each with the reason.
        title: title of the study if there is exactly one, else the text in the folder's ``title.txt``, else
            "Comparison".
        notes: further remarks on the records, one line each.
    """

    records: tuple[Record, ...]
    paths: Mapping[str, Path]
    studies: Mapping[str, StudyFacts]
    problems: Mapping[Path, str]
    title: str
    notes: tuple[str, ...] = ()

    def whole(self, name: str) -> Record:
        """Read a record again, with all of its details.

        Raises:
            ValueError: the record can no longer be read.
        """
        return read_record(self.paths[name])

    def matrices(self, name: str) -> TestedImages:
        """Read the confusion matrices of an accuracy record's images again.

        Raises:
            ValueError: the record has no matrices, or they are damaged.
        """
        return read_images(self.whole(name))


def read_evidence(folders: Sequence[str | Path], out: str | Path | None = None) -> Evidence:
    """Read the records and studies below some folders.

    Args:
        folders: work folders, or folders of studies.
        out: the report's own folder. Of the files in it, only those directly in its ``records`` are read,
            unless one of ``folders`` contains it.

    Raises:
        InputError: a folder does not exist, or none of them has a record.
    """
    for folder in folders:
        if not Path(folder).is_dir():
            raise InputError(f"{folder}: no such folder")
    found = find_records(folders)
    belongs_to_report = _folders_of_report(folders, out)
    files = [path for path in found if not belongs_to_report(path.parent)]
    notes = []
    if len(files) < len(found):
        notes.append(f"{len(found) - len(files)} files in {out}, the report's own folder, are not read")
    records: dict[str, Record] = {}
    paths: dict[str, Path] = {}
    problems: dict[Path, str] = {}
    shared: dict[Any, Any] = {}
    unchecked = 0
    results = zip(files, map_in_processes(_read, files), strict=True)
    with without_garbage_collection():  # the records stay
        for path, result in tracked(results, "reading records", total=len(files)):
            if isinstance(result, str):
                problems[path] = result
                continue
            record, checked = result
            if record.run.trial is not None:  # it only served to choose a setting, so it is not a result
                continue
            name = record_name(record)
            if name not in records:
                records[name], paths[name] = _sharing(record, shared), path
                unchecked += not checked
            elif read_record(path) != read_record(paths[name]):
                problems[path] = f"another record has the same name: {paths[name]}"
    studies = _read_studies(files, problems)
    if not records:
        seen = ""
        if problems:
            path, reason = next(iter(problems.items()))
            seen = f" ({len(problems)} files cannot be used, the first is {path}: {reason})"
        raise InputError(f"no records in {', '.join(map(str, folders))}{seen}: train or measure something")
    if unchecked:
        notes.append(f"{unchecked} accuracies have no confusion matrices with which to check them")
    ordered = sort_records(records.values())
    notes += _notes_of_dates(ordered)
    title = _title(folders, studies, problems)
    return Evidence(tuple(ordered), paths, studies, problems, title, tuple(notes))


def _notes_of_dates(ordered: Sequence[Record]) -> list[str]:
    tomorrow = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)).isoformat()
    late = [record for record in ordered if record.provenance.date > tomorrow]
    if not late:
        return []
    what = f"{record_name(late[-1])} of {late[-1].provenance.date}"
    return [f"{len(late)} records have a date in the future, the last is {what}: a clock was wrong"]


def _folders_of_report(folders: Sequence[str | Path], out: str | Path | None) -> Callable[[Path], bool]:
    """Return a function that says whether a folder of records belongs to the report and is not read."""
    if out is None:
        return lambda place: False
    report = Path(out).resolve()
    given = {Path(name).resolve() for name in folders}
    if any(other == report or report in other.parents for other in given):
        return lambda place: False

    @cache
    def belongs(place: Path) -> bool:
        # A committed report is in the same folder as "records".
        real = place.resolve()
        return report in (real, *real.parents) and real != report / "records"

    return belongs


def _read(path: Path) -> tuple[Record, bool] | str:
    """Read a record and check it.

    Returns:
        The record less its bulk, and whether raw data were there to check it; or why it must be left out.
    """
    try:
        record = read_record(path)
        if reason := find_alteration(record):
            return reason
    except ValueError as error:
        return one_line(error)
    return _lightened(record), record.kind != "accuracy" or "per_image_confusion" in record.details


def _title(
    folders: Sequence[str | Path], studies: Mapping[str, StudyFacts], problems: dict[Path, str]
) -> str:
    titles = [study.title for study in studies.values()]
    for path in [] if titles else (Path(folder) / "title.txt" for folder in folders):
        try:
            text = read_regular(path, 1 << 20).decode().strip()
        except FileNotFoundError:
            continue
        except OSError as error:
            problems[path] = describe_os_error(error)
            continue
        except ValueError as error:
            problems[path] = f"no title: {one_line(error)}"
            continue
        if not text or len(text) > TITLE_LENGTH or len(text.splitlines()) > 1:
            problems[path] = f"no title: not one line of at most {TITLE_LENGTH} characters"
            continue
        titles.append(text)
    return one_line(titles[0]) if len(titles) == 1 else "Comparison"


def _lightened(record: Record) -> Record:
    """Return a record less its bulk, so that 10,000 runs fit into memory."""
    details = {key: value for key, value in record.details.items() if not key.startswith(BULK)}
    if record.kind == "latency" and "samples_ms" in details:
        details["samples_ms"] = np.asarray(details["samples_ms"], dtype=np.float64)
    return record.model_copy(update={"details": details})


def _sharing(record: Record, shared: dict[Any, Any]) -> Record:
    """Return a record that shares its config and versions with equal ones of other records.

    Args:
        record: a record.
        shared: the configs and versions so far, to which new ones are added.
    """
    config = shared.setdefault(record.config.sha256, record.config)
    versions = tuple(sorted(record.provenance.versions.items()))
    versions = shared.setdefault(versions, record.provenance.versions)
    provenance = record.provenance.model_copy(update={"versions": versions})
    return record.model_copy(update={"config": config, "provenance": provenance})


def _read_studies(files: Iterable[Path], problems: dict[Path, str]) -> dict[str, StudyFacts]:
    """Read each ``study.json`` in or above the folders of runs.

    Args:
        files: files of records.
        problems: files that cannot be used, to which new ones are added.
    """
    runs = dict.fromkeys(path.parent.parent for path in files)
    folders = dict.fromkeys(folder for run in runs for folder in (run, run.parent))
    studies: dict[str, StudyFacts] = {}
    places: dict[str, Path] = {}
    for folder in folders:
        path = folder / "study.json"
        try:
            study = StudyFacts.model_validate_json(read_regular(path, StudyFacts.LARGEST))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except ValidationError as error:
            problems[path] = f"not a study of this project ({explain(error)})"
            continue
        except (OSError, ValueError) as error:
            reason = describe_os_error(error) if isinstance(error, OSError) else one_line(error)
            problems[path] = f"not a study of this project ({reason})"
            continue
        if study.name in studies and studies[study.name] != study:
            problems[path] = f"another study called {study.name} was read before: {places[study.name]}"
        else:
            studies[study.name] = study
            places.setdefault(study.name, path)
    return studies
