"""Read a study file and make its plan: every run with its folder, its resolved config and its state."""

from __future__ import annotations

import copy
import fnmatch
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product as product_of
from pathlib import Path
from typing import Annotated, Any, Literal

from mmengine.config import Config
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    Strict,
    ValidationError,
    model_validator,
)

from lednet_mm.catalog import COMMON, network_files, variants_of
from lednet_mm.config import (
    EARLIER,
    Choice,
    config_text,
    is_card,
    keys_of,
    load_config,
    network_changes,
    run_of,
)
from lednet_mm.config_files import read_config_file
from lednet_mm.errors import InputError, describe_os_error, suggest
from lednet_mm.evaluation.corruptions import SEVERITIES, Corruption, choose_corruptions
from lednet_mm.evaluation.measures import MEASURES
from lednet_mm.files import read_regular
from lednet_mm.literals import read_literals
from lednet_mm.own_networks import is_own_network
from lednet_mm.record_format import Seed, Variant, one_or_several
from lednet_mm.records import Run
from lednet_mm.studies.baseline import Baseline
from lednet_mm.studies.jobs import (
    PATIENCE_MINUTES,
    Job,
    LatencyJob,
    TrainingJob,
    Wanted,
    planned_text,
    sha256,
)
from lednet_mm.studies.jobs import differences as config_differences
from lednet_mm.studies.tuning import FOLDER, SPLIT, Search, Tune, hours_of
from lednet_mm.text import DEFAULT, NAME_RULE, is_name, one_line
from lednet_mm.training.splits import data_split

STUDY = "study.json"
"""The file in a work folder that describes the study whose runs are there, see :meth:`Plan.describe`."""
MOST_RUNS = 100_000
"""The largest number of runs in a study."""
LONGEST = 200
"""The largest number of bytes in the name of a run's folder; file systems allow 255."""


def _once(values: tuple[int, ...]) -> tuple[int, ...]:
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise ValueError(f"{twice[0]} is listed twice")
    return values


Size = tuple[PositiveInt, PositiveInt]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Runs(_Part):
    """All combinations of networks, datasets, recipes, variants and seeds, or of configs, variants and seeds.

    Attributes:
        networks: names of networks, where ``*`` stands for all networks and ``mininet*`` for those that
            match, or files of the user's own networks, relative to the study file.
        datasets: names of datasets, or their YAML files, relative to the study file.
        recipes: names of recipes.
        configs: config files, relative to the study file, that take the place of networks, datasets and
            recipes. A pattern stands for all files that match.
        variants: names of the networks' variants; ``default`` is the unchanged network.
        seeds: random seeds; each gives one run.
        options: changes to the configs of these runs, such as ``{"train_cfg.max_iters": 2}``, which are made
            after those of the whole study.
    """

    networks: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    recipes: tuple[str, ...] = Field((COMMON,), min_length=1)
    configs: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = Field((DEFAULT,), min_length=1)
    seeds: Annotated[tuple[Annotated[Seed, Strict()], ...], AfterValidator(_once)] = Field((0,), min_length=1)
    options: dict[str, Any] = {}

    @model_validator(mode="after")
    def _is_a_product(self) -> Runs:
        if bool(self.configs) == bool(self.networks) or bool(self.networks) != bool(self.datasets):
            raise ValueError("give networks and datasets, or configs")
        return self


class Complexity(_Part):
    """Settings for counting parameters and multiply-adds, for one image of ``shape`` (height, width)."""

    shape: Size


class Latency(_Part):
    """Settings for timing all networks interleaved after the last training.

    Attributes:
        shape: (height, width) of the image; the batch size is 1.
        samples: number of samples of each network.
        seconds: seconds after which a network needs no further samples.
    """

    shape: Size
    samples: PositiveInt = 100
    seconds: PositiveFloat = 10.0


class Corruptions(_Part):
    """The corruptions with which the images of the split are tested once more, each at each severity.

    Attributes:
        names: names from :data:`lednet_mm.evaluation.corruptions.NAMES`; ``all`` stands for all of them.
        severities: severities from 1 to 5.
    """

    names: Annotated[tuple[str, ...], BeforeValidator(one_or_several)] = Field(min_length=1)
    severities: tuple[Annotated[int, Strict()], ...] = Field(SEVERITIES, min_length=1)

    @model_validator(mode="after")
    def _can_be_made(self) -> Corruptions:
        try:
            self.chosen()
        except InputError as error:
            raise ValueError(str(error)) from None
        return self

    def chosen(self) -> tuple[Corruption, ...]:
        """Return each corruption at each severity.

        Raises:
            InputError: a corruption or severity does not exist, or the library is not installed.
        """
        return choose_corruptions(self.names, self.severities)


class Measure(_Part):
    """What is measured: always the accuracy on a split, and everything else only if the study asks for it.

    In a study file, each measure of :data:`lednet_mm.evaluation.measures.MEASURES` has a key of its own,
    which is set to True to ask for it: ``dict(accuracy="test", calibration=True)``.

    Attributes:
        accuracy: split that is tested.
        measures: names of further measures on that split.
        corruptions: corruptions with which the images of that split are tested once more.
        complexity: settings for counting multiply-adds.
        latency: settings for timing the networks.
    """

    accuracy: Literal["val", "test"] = "test"
    measures: tuple[str, ...] = ()
    corruptions: Corruptions | None = None
    complexity: Complexity | None = None
    latency: Latency | None = None

    @model_validator(mode="before")
    @classmethod
    def _collect_measures(cls, content: Any) -> Any:
        if not isinstance(content, Mapping):
            return content
        known = [*(name for name in cls.model_fields if name != "measures"), *MEASURES]
        for key, value in content.items():
            if key not in known:
                raise ValueError(
                    f"no measure is called {one_line(key)!r}; there are {', '.join(known)}"
                    f"{suggest(str(key), known)}"
                )
            if key in MEASURES and not isinstance(value, bool):
                raise ValueError(f"{key} is {one_line(repr(value))}, where True or False is needed")
        others = {key: value for key, value in content.items() if key not in MEASURES}
        return {**others, "measures": tuple(name for name in MEASURES if content.get(name))}

    def wanted(self, split: str) -> Wanted:
        """Return what is measured of one run.

        Args:
            split: split from which the data loader for ``accuracy`` takes its data.
        """
        return Wanted(
            split,
            self.complexity.shape if self.complexity else None,
            self.measures,
            self.corruptions.chosen() if self.corruptions else (),
        )


class Limits(_Part):
    """The time without progress in its log or checkpoints after which a run counts as hanging."""

    no_progress_minutes: float = Field(default=PATIENCE_MINUTES, gt=0, allow_inf_nan=False)


class Study(_Part):
    """The content of a study file.

    Attributes:
        title: title of the report, which says if the setting is smaller than usual.
        runs: one product or several.
        options: changes to every config.
        measure: what is measured.
        limits: time after which a run counts as hanging.
        baseline: one baseline or several. Each run is compared with all of them, for example with its own
            unchanged network and with one network that is the same for all.
        expectations: in words, what is expected of a variant, or of a network where networks are compared.
            For a variant that is missing here, the text in the network's file of variants counts.
        tune: budget with which every network is tuned before its reported runs; None trains them as the
            recipe says.
    """

    title: str = Field(min_length=1)
    runs: tuple[Runs, ...] = Field(min_length=1)
    options: dict[str, Any] = {}
    measure: Measure = Measure()
    limits: Limits = Limits()
    baseline: Annotated[tuple[Baseline, ...], BeforeValidator(one_or_several)] = (Baseline(),)
    expectations: dict[str, str] = {}
    tune: Tune | None = None


@dataclass(frozen=True)
class Plan:
    """All jobs of a study.

    Attributes:
        name: name of the study, which is the stem of the file's name.
        study: content of the file.
        work_dir: folder that contains the folder of every job.
        untuned: the reported trainings with the settings that they have without tuning. They are in the order
            in which they are started: all networks with their first seed, then all with their second, so that
            a study that is interrupted can still compare all networks.
        latency: the timing at the end, if the study asks for it.
        searches: searches for the settings of the reported trainings, if the study tunes them.
    """

    name: str
    study: Study
    work_dir: Path
    untuned: tuple[TrainingJob, ...]
    latency: LatencyJob | None
    searches: tuple[Search, ...] = ()

    @property
    def runs(self) -> tuple[TrainingJob, ...]:
        """The reported trainings, with the chosen settings if these have been chosen already."""
        tuned = {run.name: run for search in self.searches for run in search.reported}
        return tuple(tuned.get(run.name, run) for run in self.untuned)

    @property
    def decided(self) -> tuple[TrainingJob, ...]:
        """The reported trainings whose config is final: all except those that wait for a choice."""
        waiting = {run.name for s in self.searches if s.chosen is None for run in s.reported}
        return tuple(run for run in self.runs if run.name not in waiting)

    @property
    def trials(self) -> tuple[TrainingJob, ...]:
        """The runs of all trials that have been planned so far."""
        return tuple(run for search in self.searches for trial in search.trials for run in trial.runs)

    @property
    def first(self) -> tuple[TrainingJob, ...]:
        """The trainings that can start at once: first the trials, then the runs whose config is final."""
        open_searches = [search for search in self.searches if search.chosen is None]
        return (*(run for search in open_searches for run in search.begin()), *self.decided)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """All jobs of a sweep that are known so far, except the trials of searches that have ended."""
        open_searches = [search for search in self.searches if search.chosen is None]
        trials = (run for search in open_searches for trial in search.trials for run in trial.runs)
        return (*trials, *self.runs, *([self.latency] if self.latency else []))

    def describe(self) -> dict[str, Any]:
        """Return the content of ``study.json``, which a report needs besides the records.

        ``recipes`` and ``configs`` have the names of runs' folders as keys. The former has the recipe of each
        run, which is part of the variant's name unless it is the common one. The latter has the sha256 of
        each run's config, except for runs that wait for the choice of their setting. ``tuning`` has the
        choices. The file also has :meth:`hours`, which need not be read to compare two studies.
        """
        runs = [{**run.run.model_dump(exclude={"trial"}), "folder": run.name} for run in self.untuned]
        baselines = [baseline.model_dump() for baseline in self.study.baseline]
        return {
            "name": self.name,
            "title": self.study.title,
            "split": self.untuned[0].wanted.split,
            "baseline": baselines[0] if len(baselines) == 1 else baselines,
            "expectations": self._expectations(),
            "questions": {run.run.variant: run.question for run in self.untuned if run.question},
            "runs": runs,
            "recipes": {run.name: run.recipe for run in self.untuned},
            "configs": {run.name: sha256(run.text) for run in self.decided},
            "tune": self.study.tune.describe() if self.study.tune else None,
            "tuning": [search.describe() for search in self.searches],
        }

    def hours(self) -> dict[str, float]:
        """Return the hours that the processes of each trial and run have taken, by the name of its folder."""
        return {run.name: hours for run in (*self.trials, *self.decided) if (hours := hours_of(run))}

    def _expectations(self) -> dict[str, str]:
        """Return what is expected of the variants; texts of the study replace those of the variants."""
        known = {run.run.variant: run.expectation for run in self.untuned if run.expectation}
        return {**known, **self.study.expectations}


def read_study(path: str | Path) -> Study:
    """Read a study file.

    Raises:
        InputError: the file does not exist or has an error, or a key in it is wrong.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"{path}: no such study; the ones that come with the project are in configs/studies/"
        )
    if path.suffix != ".py":
        raise InputError(f"{path}: a study is a Python file, whose name ends in .py")
    if not is_name(path.stem):
        raise InputError(f"{one_line(path)}: the name of the file is the name of the study, but {NAME_RULE}")
    content = read_config_file(path, "the study").to_dict()
    try:
        return Study.model_validate({key: value for key, value in content.items() if not key.startswith("_")})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{path}: {where}: {first['msg']}") from None


def folder_of(path: str | Path, work_dir: str | Path | None = None) -> Path:
    """Return the folder of a study's runs.

    Args:
        path: the study file.
        work_dir: folder that the user chose; None means ``work_dirs/<study>``.
    """
    return Path(work_dir) if work_dir is not None else Path("work_dirs") / Path(path).stem


def make_plan(path: str | Path, work_dir: str | Path | None = None) -> Plan:
    """Make the plan of a study.

    Args:
        path: the study file.
        work_dir: see :func:`folder_of`.

    Raises:
        InputError: something is wrong with the study or its configs, or two runs have the same name.
    """
    path = Path(path)
    study = read_study(path)
    folder = folder_of(path, work_dir)
    runs: dict[str, TrainingJob] = {}
    searches: list[Search] = []
    order: dict[str, int] = {}
    seeds: Counter[tuple[str, str, str]] = Counter()
    missing: list[str] = []
    count = 0
    for product in study.runs:
        options = {**study.options, **product.options}
        if changes := network_changes(options):
            raise InputError(
                f"{path}: {changes[0]} changes the network: give the changed network a name of its own by "
                "adding the option variant"
            )
        choices = _choices(path, product)
        if study.tune is not None:
            _check_tune(path, study.tune, product.seeds, options)
            count += len(choices) * len(study.tune.seeds) * study.tune.budget
        count += len(choices) * len(product.seeds)
        if count > MOST_RUNS:
            raise InputError(f"{path}: more than {MOST_RUNS:,} runs; split the study")
        for choice in choices:
            if choice.is_file and not Path(choice.source).is_file():
                missing.append(choice.source)
                continue
            planned = _Planned(choice, options, path.stem, folder, study)
            jobs = planned.make({}, product.seeds, None)
            if study.tune is not None:
                searches.append(_search(path, planned, product.seeds, jobs, study.tune))
            for job in jobs:
                if job.name in runs:
                    both = f"{runs[job.name].source} and {choice}"
                    raise InputError(f"{path}: two runs have the name {job.name}: from {both}")
                network = (job.run.network, job.run.variant, job.run.dataset)
                if seeds[network]:  # seeds do not change what a network costs
                    job = replace(job, wanted=replace(job.wanted, shape=None))
                order[job.name] = seeds[network]
                seeds[network] += 1
                runs[job.name] = job
    if missing:
        names = ", ".join(dict.fromkeys(missing))
        raise InputError(f"{path}: {len(set(missing))} of its configs do not exist: {names}")
    ordered = sorted(runs.values(), key=lambda job: order[job.name])
    tuned = Counter(search.name for search in searches)
    if again := [name for name, number in tuned.items() if number > 1]:
        raise InputError(f"{path}: {again[0]} is tuned twice: list all its seeds in one entry of runs")
    for search in searches:
        search.open()
    return Plan(path.stem, study, folder, tuple(ordered), _latency(study, folder, runs), tuple(searches))


def _check_tune(path: Path, tune: Tune, seeds: Sequence[int], options: Mapping[str, Any]) -> None:
    """Check that a study's runs can be tuned.

    Args:
        path: the study file, for messages.
        tune: the budget of the tuning.
        seeds: seeds of the reported runs.
        options: changes to the configs of the runs.

    Raises:
        InputError: a reported run has the same seed as the tuning, or an option sets a key that is tuned.
    """
    if shared := sorted(set(tune.seeds) & set(seeds)):
        raise InputError(
            f"{path}: seed {shared[0]} is used for the tuning and for the runs: on the seed with which a "
            "setting was chosen, it looks better than it is; give the tuning seeds of its own"
        )
    if both := sorted(set(tune.space) & set(options)):
        raise InputError(f"{path}: {both[0]} is in options and in tune.space: remove it from one of them")


def _search(
    path: Path, planned: _Planned, seeds: tuple[int, ...], jobs: list[TrainingJob], tune: Tune
) -> Search:
    """Return the search for the setting of one network.

    Raises:
        InputError: the config validates on the data of test, so that the choice would be made on them; or the
            config has no section for a key that is tuned, so that tuning would change nothing.
    """
    config = planned.config
    if data_split(config, "val") == "test":
        raise InputError(
            f"{path}: {planned.choice}: val_dataloader has the data of test, which must not be used to choose"
        )
    known = {key for key, value in keys_of(config) if isinstance(value, (Mapping, Config))}
    for key in tune.space:
        section = key.rpartition(".")[0]
        if section and section not in known:
            raise InputError(f"{path}: tune.space: {planned.choice} has no {section}, where {key} would be")
    trial = {**planned.options, **tune.options, **tune.any_setting()}
    load_config(planned.choice, trial, imports=False)  # checks the keys
    run = jobs[0].run
    folder = planned.folder / FOLDER

    def place(seed: int, trial: int) -> Path:
        return folder / _folder_name(run, seed, trial)

    name = f"{run.network}-{run.variant}-{run.dataset}"
    return Search(name, tune, planned.make, place, seeds, jobs, folder)


class _Earlier(BaseModel):
    """The part of a work folder's ``study.json`` that is compared with the study of today."""

    class _Planned(BaseModel):
        folder: str

    name: str
    title: str
    split: str
    baseline: dict[str, str | None] | list[dict[str, str | None]]
    expectations: dict[str, str]
    runs: list[_Planned]
    configs: dict[str, str] = {}
    tune: dict[str, Any] | None = None


def check_work_dir(plan: Plan) -> None:
    """Check that the work folder has no runs of another study, or of this one before it was changed.

    Additional seeds, variants and configs are allowed, because the existing runs keep their meaning. A run
    whose planned config was edited by hand or cannot be read fails later, by itself.

    Raises:
        InputError: the folder has such runs; the message names what differs.
    """
    earlier = _read_earlier(plan.work_dir / STUDY)
    if earlier is not None:
        _compare(earlier, plan)
    recorded = earlier.configs if earlier else {}
    changed: list[tuple[Path, str]] = []
    for run in (*plan.decided, *plan.trials):
        try:
            planned = planned_text(run.folder)
        except InputError:
            continue
        by_hand = recorded.get(run.name) == sha256(run.text)
        if planned not in (None, run.text) and not by_hand:
            changed.append((run.folder, config_differences(planned, run.text)))
    if changed:
        folder, what = changed[0]
        raise InputError(
            f"{len(changed)} folders have runs of another config (first: {folder}): {what}; the study or a "
            "config has changed since: move the folders away or choose another --work-dir"
        )


def _read_earlier(path: Path) -> _Earlier | None:
    try:
        return _Earlier.model_validate_json(read_regular(path, 64 << 20))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(describe_os_error(error)) from None
    except ValidationError as error:
        fault = f"not a study of this project ({one_line(error.errors()[0]['msg'])})"
    except ValueError as error:
        fault = str(error)
    raise InputError(f"{path}: {fault}; move it away, and the sweep will write a new one")


def _compare(earlier: _Earlier, plan: Plan) -> None:
    """Compare a plan with the study whose runs are in its work folder.

    Raises:
        InputError: they differ, and at least one run of the earlier study is there.
    """
    names = [run.folder for run in earlier.runs if is_name(run.folder)]
    there = [name for name in names if (plan.work_dir / name).is_dir()]
    if not there:
        return
    ours = plan.describe()
    changed = [
        f"its {key} is {getattr(earlier, key)!r} there and {ours[key]!r} here"
        for key in ("name", "title", "split", "baseline", "tune")
        if getattr(earlier, key) != ours[key]
    ]
    changed += [
        f"what is expected of {key} is {text!r} there and {ours['expectations'].get(key)!r} here"
        for key, text in earlier.expectations.items()
        if ours["expectations"].get(key) != text
    ]
    planned = {run["folder"] for run in ours["runs"]}
    others = [name for name in there if name not in planned]
    if others:
        changed.append(f"{len(others)} of its runs are not in this study (first: {others[0]})")
    if changed:
        more = f" and {len(changed) - 3} more differences" if len(changed) > 3 else ""
        raise InputError(
            f"{plan.work_dir} has {len(there)} runs of another study, or of this one before a change: "
            f"{'; '.join(changed[:3])}{more}. Choose another --work-dir; or, if those runs should belong to "
            f"this study, remove {plan.work_dir / STUDY}"
        )


def _choices(path: Path, product: Runs) -> list[Choice]:
    """Return the choices of networks, datasets, recipes and variants that a product combines.

    Args:
        path: the study file.
        product: the product; all variants of one network or config file come before the next one.

    Raises:
        InputError: a pattern matches nothing.
    """
    if product.configs:
        files = [_shorter(file) for name in product.configs for file in _matching(path, name)]
        return [Choice(str(file), variant=variant) for file, variant in product_of(files, product.variants)]
    networks: list[str] = []
    for pattern in product.networks:
        if is_own_network(str(path.parent / pattern)):
            networks.append(str(_shorter(path.parent / pattern)))
            continue
        found = fnmatch.filter(network_files(), pattern) if set(pattern) & set("*?[") else [pattern]
        if not found:
            raise InputError(f"{path}: no network matches {pattern}")
        networks += found
    datasets = [str(_shorter(path.parent / d)) if is_card(d) else d for d in product.datasets]
    combined = product_of(dict.fromkeys(networks), datasets, product.recipes, product.variants)
    return [Choice(*names) for names in combined]


def _matching(path: Path, name: str) -> list[Path]:
    """Return the file that a study names, or the sorted files that its pattern matches.

    Raises:
        InputError: the pattern matches nothing.
    """
    if not set(name) & set("*?["):
        return [path.parent / name]
    folder = (path.parent / name).parent
    found = sorted(folder.glob(Path(name).name))
    if not found:
        raise InputError(f"{path}: no config matches {name}")
    return found


def _shorter(path: Path) -> Path:
    """Return a path without ``..``, relative to the current folder if it is in it."""
    path = path.resolve()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


@dataclass(frozen=True)
class _Planned:
    """One network of a study, from which its runs are made.

    Attributes:
        choice: the config, or the names from which it is composed.
        options: changes to the config.
        study: name of the study.
        folder: folder of the study.
        content: content of the study file.
    """

    choice: Choice
    options: Mapping[str, Any]
    study: str
    folder: Path
    content: Study

    @cached_property
    def config(self) -> Config:
        """The config with the options.

        Raises:
            InputError: something is wrong with the config or an option.
        """
        return load_config(self.choice, self.options, imports=False)

    def make(self, setting: Mapping[str, Any], seeds: Sequence[int], trial: int | None) -> list[TrainingJob]:
        """Make one run, with a resolved config, for each seed.

        Args:
            setting: further changes to the config, whose keys have been checked.
            seeds: seeds of the runs.
            trial: number of the trial to which the runs belong; None for reported runs.

        Raises:
            InputError: something is wrong with the config or the changes to it.
        """
        choice, measure = self.choice, self.content.measure
        config = copy.deepcopy(self.config)
        if trial is not None and self.content.tune is not None:
            config.merge_from_dict(dict(self.content.tune.options))
        config.merge_from_dict(dict(setting))
        if not config.get("train_dataloader"):
            raise InputError(f"{choice}: no train_dataloader in this config, so it cannot be part of a study")
        wanted = measure.wanted(_split(config, measure, choice)) if trial is None else Wanted(SPLIT)
        run = run_of(config)
        jobs: list[TrainingJob] = []
        variants = variants_of(choice.source if choice.is_own_network else run.network)
        expected = variants.get(config.get("variant", DEFAULT))
        iterations = _iterations(config)
        if not isinstance(config.get("randomness", {}), Mapping):
            raise InputError(f"{choice}: randomness is {config.randomness!r}, but must be dict(seed=...)")
        named = {} if trial is None else {"trial": str(trial)}
        for seed in seeds:
            variant = config.get("variant", DEFAULT)
            config.merge_from_dict({"network": run.network, "dataset": run.dataset, "variant": variant})
            config.merge_from_dict({"study": self.study, **named, **_seeds(config, seed)})
            text = config_text(config)
            if not jobs:  # the others differ from the first only in their seed
                try:
                    read_literals(text)
                except ValueError as error:
                    raise InputError(
                        f"{choice}: with the study's options, a value in it is not a plain one that a file "
                        f"can keep ({error}); objects and functions cannot be part of a config"
                    ) from None
            place = self.folder if trial is None else self.folder / FOLDER
            jobs.append(
                TrainingJob(
                    run=run.model_copy(update={"seed": seed, "study": self.study, **named}),
                    folder=place / _folder_name(run, seed, trial),
                    text=text,
                    source=str(choice),
                    wanted=wanted,
                    expectation=expected.expectation if expected else "",
                    question=expected.question if expected else "",
                    recipe=str(config.get("recipe", COMMON)),
                    max_iters=iterations,
                    patience_minutes=self.content.limits.no_progress_minutes,
                )
            )
        return jobs


def _seeds(config: Mapping[str, Any], seed: int, prefix: str = "") -> dict[str, int]:
    """Return the options that give a training and its earlier stages their seed."""
    earlier = config.get(EARLIER)
    before = _seeds(earlier, seed, f"{prefix}{EARLIER}.") if isinstance(earlier, Mapping) else {}
    return {f"{prefix}randomness.seed": seed, **before}


def _iterations(config: Mapping[str, Any]) -> int:
    """Return the iterations of a training and of its earlier stages; 0 where the config does not say."""
    training = config.get("train_cfg")
    own = training.get("max_iters") if isinstance(training, Mapping) else None
    earlier = config.get(EARLIER)
    before = _iterations(earlier) if isinstance(earlier, Mapping) else 0
    return own + before if isinstance(own, int) else 0


def _split(config: Config, measure: Measure, source: Choice) -> str:
    """Return the split whose accuracy a run reports.

    Raises:
        InputError: the config has no loader for the split, or its data are not of val or test.
    """
    wanted = measure.accuracy
    for name in dict.fromkeys(("val", wanted)):  # every training ends with the accuracy on val
        if not config.get(f"{name}_dataloader"):
            raise InputError(f"{source}: no {name}_dataloader in this config, so a study cannot measure it")
    split = data_split(config, wanted)
    if split not in ("val", "test"):
        raise InputError(
            f"{source}: {wanted}_dataloader has the data of the split {split!r}, but a study measures val or "
            f"test: set split of {wanted}_dataloader's dataset to one of them"
        )
    if split != wanted and (not config.get(f"{split}_dataloader") or data_split(config, split) != split):
        raise InputError(
            f"{source}: {wanted}_dataloader has the data of {split}, but {split}_dataloader has not, so a "
            f"study cannot measure them: give {split}_dataloader these data"
        )
    return split


def _folder_name(run: Run, seed: int, trial: int | None) -> str:
    """Return the name of a run's folder; names that are too long for a file system are shortened."""
    last = f"seed{seed}" if trial is None else f"trial{trial}-seed{seed}"
    name = f"{run.network}-{run.variant}-{run.dataset}-{last}"
    if len(name.encode()) <= LONGEST:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    end = f"-{digest}-{last}"
    return name.encode()[: LONGEST - len(end)].decode(errors="ignore") + end


def _latency(study: Study, folder: Path, runs: Mapping[str, TrainingJob]) -> LatencyJob | None:
    """Return the job that times the first run of each network and variant; None if no timing is wanted."""
    wanted = study.measure.latency
    if wanted is None:
        return None
    first: dict[tuple[str, str, str], TrainingJob] = {}
    for job in runs.values():
        first.setdefault((job.run.network, job.run.variant, job.run.dataset), job)
    # It writes nothing to its log while it measures.
    minutes = study.limits.no_progress_minutes + len(first) * wanted.seconds / 30
    jobs = tuple(first.values())
    return LatencyJob(folder / "latency", jobs, wanted.shape, wanted.samples, wanted.seconds, minutes)
