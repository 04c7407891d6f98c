"""Tuning with the same budget for every network: trials, the choice of a setting, and its cost.

A study with ``tune`` searches for the best values of some config keys (the learning rate, for example) on
``val``, for each of its networks and variants. The reported runs then train with the chosen setting and with
other seeds. Every trial is an ordinary run with its own folder below ``tuning/``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product as product_of
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PositiveInt,
    Strict,
    Tag,
    model_validator,
)

from lednet_mm.config import keys_of, network_changes
from lednet_mm.errors import InputError
from lednet_mm.literals import read_literals
from lednet_mm.record_format import Seed
from lednet_mm.records import Record, Run, collect_provenance, new_record, plain, read_records, write_record
from lednet_mm.studies.jobs import (
    Attempts,
    Job,
    Outcome,
    Status,
    TrainingJob,
    look,
    planned_text,
    results_of,
    sha256,
)

FOLDER = "tuning"
"""The folder of the trials within a study's work folder."""
SPLIT = "val"
"""The only split on which a setting may be chosen."""
LARGEST_GRID = 100
"""The largest space whose settings are all tried; for a larger one, the number of trials must be given."""
RANDOM_TRIALS = 10
"""The number of an Optuna search's first trials, which are drawn at random and so can run in parallel."""
UNTUNED = ("val_dataloader", "val_cfg", "val_evaluator", "test_dataloader", "test_cfg", "test_evaluator")
NAMES = ("network", "dataset", "recipe", "variant", "study", "trial", "randomness")


class Range(BaseModel):
    """Numbers from ``low`` to ``high``, integers if both are; ``log`` makes them uniform on a log scale."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: Annotated[int, Strict()] | float
    high: Annotated[int, Strict()] | float
    log: bool = False

    @model_validator(mode="after")
    def _is_a_range(self) -> Range:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError("low must be below high, and both finite")
        if self.log and self.low <= 0:
            raise ValueError("log needs numbers above 0")
        return self

    @property
    def is_whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int)


def _check_split(split: str) -> str:
    if split != SPLIT:
        raise ValueError(
            f"settings are chosen on {SPLIT} alone: what is chosen on {split} looks better there"
        )
    return split


class Tune(BaseModel):
    """The tuning budget, which is the same for every network of a study.

    Attributes:
        space: config key -> the values to try, or a :class:`Range`.
        seeds: seeds of the trials; a setting's score is the mean over them. No reported run may use them.
        split: split on which settings are chosen: ``val``.
        trials: number of settings to try for each network, if not all of them are tried.
        prune: whether to end a hopeless trial early, see
            :meth:`lednet_mm.studies.jobs.TrainingJob.hopeless`.
        options: changes to the trials' configs alone, after those of the study: a shorter training, say.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    space: dict[
        str,
        Annotated[
            Annotated[list[Any], Field(min_length=1), Tag("values")] | Annotated[Range, Tag("range")],
            Discriminator(lambda values: "values" if isinstance(values, (list, tuple)) else "range"),
        ],
    ] = Field(min_length=1)
    seeds: Annotated[tuple[Annotated[Seed, Strict()], ...], Field(min_length=1)]
    split: Annotated[str, AfterValidator(_check_split)] = SPLIT
    trials: PositiveInt | None = None
    prune: bool = False
    options: dict[str, Any] = {}

    @model_validator(mode="after")
    def _can_be_searched(self) -> Tune:
        for key in (*self.space, *self.options):
            name = key.split(".")[0]
            if name in UNTUNED:
                raise ValueError(f"{key} affects how a trial is judged: it cannot be part of tune")
            if name in NAMES:
                raise ValueError(f"{key} identifies the run: it cannot be part of tune")
        if changes := network_changes({**self.space, **self.options}):
            raise ValueError(f"{changes[0]} changes the network: compare variants instead")
        if both := sorted(set(self.space) & set(self.options)):
            raise ValueError(f"{both[0]} is set by the options of tune and searched: leave it out of one")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("a seed is given twice")
        if self.trials is None and self.size is None:
            raise ValueError("a range needs a number of trials, such as trials=20")
        if self.trials is None and (self.size or 0) > LARGEST_GRID:
            raise ValueError(
                f"more than {LARGEST_GRID} settings: give each network a number of trials (such as trials=20)"
            )
        return self

    @property
    def size(self) -> int | None:
        """The number of settings in the space; None if a range makes it infinite."""
        sizes = [len(values) for values in self.space.values() if not isinstance(values, Range)]
        return math.prod(sizes) if len(sizes) == len(self.space) else None

    @property
    def is_exhaustive(self) -> bool:
        """Whether all settings are tried."""
        return self.size is not None and (self.trials is None or self.trials >= self.size)

    @property
    def budget(self) -> int:
        """The number of settings that are tried for each network."""
        return self.size if self.is_exhaustive and self.size else self.trials or 0

    def grid(self) -> list[dict[str, Any]]:
        """Return all settings of a space without ranges."""
        return [dict(zip(self.space, values, strict=True)) for values in product_of(*self.space.values())]

    def any_setting(self) -> dict[str, Any]:
        """Return one setting of the space."""
        return {
            key: values.low if isinstance(values, Range) else values[0] for key, values in self.space.items()
        }

    def describe(self) -> dict[str, Any]:
        """Return it as ``study.json`` and records keep it; those without options have no such key."""
        return plain(self.model_dump(mode="json", exclude=set() if self.options else {"options"}))


def import_optuna() -> Any:
    """Import Optuna.

    Raises:
        InputError: it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise InputError(
            "tune: a search that does not try every setting needs Optuna: pip install -e '.[tune]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def suggest(
    tune: Tune, number: int, past: Sequence[tuple[Mapping[str, Any], float | None]]
) -> dict[str, Any]:
    """Return the next setting that a search tries; it depends on the arguments alone.

    The first ``RANDOM_TRIALS`` settings are random and the same for every network. The others are chosen from
    the results so far by Optuna's tree-structured Parzen estimator.

    Args:
        tune: the budget, with the space.
        number: number of the trial, from 0.
        past: settings of the earlier trials, each with its mIoU on val in percent; None if the trial failed
            or was pruned.

    Raises:
        InputError: Optuna is not installed.
    """
    optuna = import_optuna()
    kinds: dict[str, Any] = {}
    for key, values in tune.space.items():
        if not isinstance(values, Range):
            kinds[key] = optuna.distributions.CategoricalDistribution(range(len(values)))
        elif values.is_whole:
            kinds[key] = optuna.distributions.IntDistribution(int(values.low), int(values.high), values.log)
        else:
            kinds[key] = optuna.distributions.FloatDistribution(values.low, values.high, values.log)

    def as_optuna(setting: Mapping[str, Any]) -> dict[str, Any]:
        return {
            key: setting[key] if isinstance(values, Range) else values.index(setting[key])
            for key, values in tune.space.items()
        }

    sampler = optuna.samplers.TPESampler(seed=number, n_startup_trials=RANDOM_TRIALS)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for setting, miou in past if number >= RANDOM_TRIALS else ():
        state = optuna.trial.TrialState.FAIL if miou is None else optuna.trial.TrialState.COMPLETE
        study.add_trial(
            optuna.trial.create_trial(state=state, params=as_optuna(setting), distributions=kinds, value=miou)
        )
    drawn = study.ask(kinds).params
    return {
        key: drawn[key] if isinstance(values, Range) else values[drawn[key]]
        for key, values in tune.space.items()
    }


@dataclass(frozen=True)
class Trial:
    """One setting with the runs that try it.

    Attributes:
        number: number of the trial, from 0.
        setting: config key -> value.
        runs: the runs, one for each seed of the tuning.
    """

    number: int
    setting: Mapping[str, Any]
    runs: tuple[TrainingJob, ...]

    def scores(self) -> list[float] | None:
        """Return the mIoU on val of every run, in percent; None if a run has not finished.

        Accuracies on other splits are never read.
        """
        found = []
        for run in self.runs:
            if look(run).state != "finished":
                return None
            of_val = [
                record.values["miou_percent"]
                for record in results_of(read_records([run.folder])[0], sha256(run.text))
                if record.details["split"] == SPLIT
            ]
            if not of_val or of_val[-1] is None:
                return None
            found.append(float(of_val[-1]))
        return found

    def statuses(self) -> list[Status]:
        """Return the status of every run."""
        return [look(run) for run in self.runs]

    def describe(self) -> dict[str, Any]:
        """Return the description of the trial for the record of the choice."""
        statuses = self.statuses()
        unfinished = [status for status in statuses if status.state != "finished"]
        return {
            "trial": self.number,
            "setting": plain(self.setting),
            "folders": [run.name for run in self.runs],
            "state": unfinished[0].state if unfinished else "finished",
            "reason": unfinished[0].reason if unfinished else "",
            "miou_percent": self.scores(),
            "hours": sum(hours_of(run) for run in self.runs),
        }


def hours_of(job: TrainingJob) -> float:
    """Return the hours that the processes of a run have taken so far."""
    attempts = Attempts.read(job.folder)
    return attempts.seconds / 3600 if attempts else 0.0


def best_of(trials: Iterable[Trial]) -> tuple[Trial, float] | None:
    """Return the trial with the highest mean mIoU on val, and this mean in percent.

    Returns:
        The first of equally good trials; None if no trial has finished on all its seeds.
    """
    means = [(trial, fmean(scores)) for trial in trials if (scores := trial.scores()) is not None]
    return max(means, key=lambda pair: pair[1], default=None)


MakeRuns = Callable[[Mapping[str, Any], Sequence[int], int | None], list[TrainingJob]]


@dataclass
class Search:
    """The search for the best setting of one network and variant on one dataset.

    Attributes:
        name: names of the network, the variant and the dataset.
        tune: the budget.
        make: function that plans a setting's runs: (setting, seeds, number of the trial or None) -> runs.
        place: function that returns the folder of a trial's run: (seed, number of the trial) -> folder.
        seeds: seeds of the reported runs.
        reported: the reported runs; before a setting is chosen, they are planned without one.
        folder: folder for the trials and the record of the choice.
        trials: the trials planned so far, which are all of them unless later trials depend on earlier ones.
        chosen: the trial whose setting the reported runs use; None until one is chosen.
        record: the record of the choice; None before it.
        failed: the record of an earlier sweep in which every trial failed; None if there is none.
        over: names of the trials' runs that have ended in this sweep. A run that failed in an earlier sweep
            is not among them, as the user may want to run it again.
    """

    name: str
    tune: Tune
    make: MakeRuns
    place: Callable[[int, int], Path]
    seeds: tuple[int, ...]
    reported: list[TrainingJob]
    folder: Path
    trials: list[Trial] = field(default_factory=list)
    chosen: Trial | None = None
    record: Record | None = None
    failed: Record | None = None
    over: set[str] = field(default_factory=set)

    def open(self) -> None:
        """Plan all trials that can be planned, and load an earlier choice.

        Raises:
            InputError: a setting does not fit the config, or Optuna is needed but not installed.
        """
        self._plan_trials()
        found = [
            record
            for record in read_records([self.folder])[0]
            if record.kind == "tuning"
            and record.details["tune"] == self.tune.describe()
            and (record.run.network, record.run.variant, record.run.dataset)
            == (self.run.network, self.run.variant, self.run.dataset)
        ]
        chosen = [record for record in found if record.details["chosen_trial"] is not None]
        self.failed = found[-1] if found else None
        if not chosen:
            return
        record = chosen[-1]
        number = record.details["chosen_trial"]
        settings = [self._exact(trial["setting"]) for trial in record.details["trials"]]
        known = [setting for setting in settings if setting is not None]
        if not number < len(known) == len(settings) == self.tune.budget:
            return  # it was changed by hand
        self.trials = [self._trial(k, setting) for k, setting in enumerate(known)]
        self._choose(self.trials[number], record)

    def _trial(self, number: int, setting: Mapping[str, Any]) -> Trial:
        if number < len(self.trials) and self.trials[number].setting == setting:
            return self.trials[number]
        return Trial(number, setting, tuple(self.make(setting, self.tune.seeds, number)))

    def _exact(self, kept: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the setting of the space that a record or a config holds; None if it holds none.

        Args:
            kept: config key -> value; lists may stand for tuples.
        """
        setting = {}
        for key, values in self.tune.space.items():
            value: Any = kept.get(key)
            if isinstance(values, Range):
                is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
                fits = is_number and (isinstance(value, int) or not values.is_whole)
                same = [value] if fits and values.low <= value <= values.high else []
            else:
                same = [one for one in values if plain(one) == plain(value)]
            if not same:
                return None
            setting[key] = same[0]
        return setting

    @property
    def run(self) -> Run:
        """The first of the reported runs."""
        return self.reported[0].run

    def _plan_trials(self) -> list[Trial]:
        """Plan the trials that do not depend on the results of unfinished trials; return the new ones."""
        new = []
        while len(self.trials) < self.tune.budget:
            number = len(self.trials)
            if self.tune.is_exhaustive:
                setting = self.tune.grid()[number]
            elif number < RANDOM_TRIALS or all(self._is_over(trial) for trial in self.trials):
                setting = self._there(number) or suggest(self.tune, number, self._past(number))
            else:
                break
            trial = self._trial(number, setting)
            self.trials.append(trial)
            new.append(trial)
        return new

    def _past(self, number: int) -> list[tuple[Mapping[str, Any], float | None]]:
        if number < RANDOM_TRIALS:
            return []
        scored = [(trial.setting, trial.scores()) for trial in self.trials]
        return [(setting, None if scores is None else fmean(scores)) for setting, scores in scored]

    def _there(self, number: int) -> dict[str, Any] | None:
        """Return the setting of a trial that was begun, as another version of Optuna may draw another one."""
        try:
            text = planned_text(self.place(self.tune.seeds[0], number))
            config = read_literals(text) if text is not None else {}
        except (InputError, ValueError):
            return None
        flat = dict(keys_of(config))
        return self._exact({key: flat.get(key) for key in self.tune.space})

    def _is_over(self, trial: Trial) -> bool:
        return all(run.name in self.over for run in trial.runs)

    def begin(self) -> list[TrainingJob]:
        """Return the runs that can start now."""
        if self.chosen is not None:
            return self.reported
        return self._compared([run for trial in self.trials for run in trial.runs])

    def _compared(self, runs: list[TrainingJob]) -> list[TrainingJob]:
        """Tell every trial its rivals, if hopeless trials are to be ended."""
        if not self.tune.prune:
            return runs
        everything = [run for trial in self.trials for run in trial.runs]
        return [
            replace(
                run, rivals=tuple(o.folder for o in everything if o.run.seed == run.run.seed and o != run)
            )
            for run in runs
        ]

    def follow(self, job: Job) -> list[TrainingJob]:
        """Return the runs that can start once a trial's run has ended: a further trial, or the reported runs.

        After the last trial, the choice is made and written down. If every trial has failed, the reported
        runs are blocked.

        Raises:
            OSError: the record of the choice cannot be written.
        """
        self.over.add(job.name)
        if self.record is not None or not all(self._is_over(trial) for trial in self.trials):
            return []
        if new := self._plan_trials():
            return self._compared([run for trial in new for run in trial.runs])
        best = best_of(self.trials)
        record = self._new_record(best)
        if self.failed is not None and self.failed.details == record.details:
            record = self.failed  # nothing has changed since then
        else:
            write_record(record, self.folder)
        if best is not None:
            self._choose(best[0], record)
            return self.reported
        self.record = record
        first = next(status.reason for trial in self.trials for status in trial.statuses() if status.reason)
        reason = f"none of the {len(self.trials)} trials of its tuning has finished (the first: {first})"
        self.reported = [replace(run, blocked=reason) for run in self.reported]
        return self.reported

    def _choose(self, trial: Trial, record: Record) -> None:
        self.chosen, self.record = trial, record
        self.reported = self.make(trial.setting, self.seeds, None)

    def _new_record(self, best: tuple[Trial, float] | None) -> Record:
        trials = [trial.describe() for trial in self.trials]
        values = {
            "trials": len(trials),
            "failed_trials": sum(trial["state"] == "failed" for trial in trials),
            "pruned_trials": sum(trial["state"] == "pruned" for trial in trials),
            "hours": sum(trial["hours"] for trial in trials),
            "val_miou_percent": best[1] if best else None,
        }
        details = {
            "tune": self.tune.describe(),
            "chosen_trial": best[0].number if best else None,
            "chosen": plain(best[0].setting) if best else None,
            "trials": trials,
        }
        text = self.make(best[0].setting, self.seeds[:1], None)[0].text if best else self.reported[0].text
        run = self.run.model_copy(update={"seed": None})
        return new_record("tuning", run, text, values, details, collect_provenance())

    def describe(self) -> dict[str, Any]:
        """Return the description of the search for ``study.json``."""
        names = ("network", "variant", "dataset")
        known = {name: getattr(self.run, name) for name in names}
        if self.record is None:
            return {**known, "chosen": None, "record": None}
        details = self.record.details
        return {
            **known,
            "chosen": details["chosen"],
            "chosen_trial": details["chosen_trial"],
            **{key: self.record.values[key] for key in ("trials", "failed_trials", "pruned_trials", "hours")},
            "val_miou_percent": self.record.values["val_miou_percent"],
            "folders": [name for trial in details["trials"] for name in trial["folders"]],
            "record": f"tuning-{self.record.id}",
        }


def follow_searches(
    searches: Sequence[Search], decided: Callable[[Search], None] = lambda search: None
) -> Callable[[Job, Outcome], list[TrainingJob]]:
    """Return the function that a scheduler calls after every job that has ended.

    Args:
        searches: all searches of a study.
        decided: function that is called with each search whose last trial has ended.
    """
    by_folder: dict[Path, Search] = {}

    def learn(search: Search) -> None:
        by_folder.update((run.folder, search) for trial in search.trials for run in trial.runs)

    for search in searches:
        learn(search)

    def follow(job: Job, outcome: Outcome) -> list[TrainingJob]:
        search = by_folder.get(job.folder)
        if search is None or search.record is not None:
            return []
        following = search.follow(job)
        learn(search)
        if search.record is not None:
            decided(search)
        return following

    return follow


# ---- what a report shows ----


@dataclass(frozen=True)
class TriedSetting:
    """One setting that was tried.

    Attributes:
        setting: config key -> value.
        miou_percent: mIoU on val for each seed of the tuning; None if the trial has not finished.
        state: ``finished``, ``failed`` or ``pruned``.
        reason: why the trial has not finished.
        hours: hours that its processes took.
    """

    setting: Mapping[str, Any]
    miou_percent: tuple[float, ...] | None
    state: str
    reason: str
    hours: float


@dataclass(frozen=True)
class TuningResult:
    """The result of tuning one network and variant on one dataset.

    Attributes:
        record: the record of the choice; ``record.run`` names the network, variant and dataset.
        chosen: config key -> chosen value; None if every trial failed.
        miou_percent: mean mIoU on val of the chosen setting over the seeds of the tuning.
        hours: hours that all trials took.
        tried: every setting, in the order of the trials.
    """

    record: Record
    chosen: Mapping[str, Any] | None
    miou_percent: float | None
    hours: float
    tried: tuple[TriedSetting, ...]


def tuning_results(records: Iterable[Record]) -> list[TuningResult]:
    """Return the results of all tunings; of several for one network, only the newest.

    Args:
        records: records of any kind, oldest first.
    """
    newest = {
        (record.run.study, record.run.dataset, record.run.network, record.run.variant): record
        for record in records
        if record.kind == "tuning"
    }
    return [
        TuningResult(
            record,
            record.details["chosen"],
            record.values["val_miou_percent"],
            record.values["hours"],
            tuple(
                TriedSetting(
                    trial["setting"],
                    None if trial["miou_percent"] is None else tuple(trial["miou_percent"]),
                    trial["state"],
                    trial["reason"],
                    trial["hours"],
                )
                for trial in record.details["trials"]
            ),
        )
        for record in newest.values()
    ]
