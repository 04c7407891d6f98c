"""A study file and the plan made from it: every run with its folder, its resolved config and its state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from mmengine.config import Config
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError

from lednet_mm.config import config_text, load_config, run_of
from lednet_mm.errors import InputError
from lednet_mm.studies.jobs import CONFIG, LatencyJob, TrainingJob
from lednet_mm.training.splits import data_split

Size = tuple[PositiveInt, PositiveInt]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Runs(_Part):
    """A product of configs, variants and seeds.

    Attributes:
        configs: files, relative to the study file; ``../*_camvid.py`` stands for all that match.
        variants: ``baseline`` is the config as it is; any other name is the ablation beside it,
            ``ablations/<network>_<variant>_<dataset>.py``.
        seeds: one run for each.
        options: changes to these runs' configs, ``{"train_cfg.max_iters": 2}``, after those of the study.
    """

    configs: tuple[str, ...] = Field(min_length=1)
    variants: tuple[str, ...] = Field(("baseline",), min_length=1)
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    options: dict[str, Any] = {}


class Complexity(_Part):
    """Parameters and multiply-adds of one image of ``shape`` (height, width)."""

    shape: Size


class Latency(_Part):
    """Latency of one image of ``shape`` (height, width), all networks interleaved after the last training."""

    shape: Size
    samples: PositiveInt = 100
    seconds: PositiveFloat = 10.0


class Measure(_Part):
    """What is measured: the accuracy of a split always, cost where it is asked for."""

    accuracy: Literal["val", "test"] = "test"
    complexity: Complexity | None = None
    latency: Latency | None = None


class Baseline(_Part):
    """What every run is compared with on its dataset and seed; no ``network`` means the run's own."""

    network: str | None = None
    variant: str = "baseline"


class Study(_Part):
    """A study file.

    Attributes:
        title: of the report; it names a smaller setting.
        runs: one product or several.
        options: changes to every config.
        measure: what is measured.
        baseline: what is compared with.
        expectations: variant (or network, where networks are compared) -> what is expected of it, in words.
    """

    title: str = Field(min_length=1)
    runs: tuple[Runs, ...] = Field(min_length=1)
    options: dict[str, Any] = {}
    measure: Measure = Measure()
    baseline: Baseline = Baseline()
    expectations: dict[str, str] = {}


@dataclass(frozen=True)
class Plan:
    """What a study comes down to.

    Attributes:
        name: of the study: the file's.
        study: the file's content.
        work_dir: holds the folder of every job.
        runs: the trainings in the order in which they are taken up: everything on its first seed, then on
            its second, so that a study cut short still compares all.
        latency: the timing at the end, if any.
    """

    name: str
    study: Study
    work_dir: Path
    runs: tuple[TrainingJob, ...]
    latency: LatencyJob | None

    def describe(self) -> dict[str, Any]:
        """Return what a report must know of the study beside its records."""
        runs = [{**run.run.model_dump(), "folder": run.name} for run in self.runs]
        return {
            "name": self.name,
            "title": self.study.title,
            "split": self.runs[0].split,
            "baseline": self.study.baseline.model_dump(),
            "expectations": self.study.expectations,
            "runs": runs,
        }


def read_study(path: str | Path) -> Study:
    """Read a study file.

    Raises:
        InputError: no such file, an error in it, or a key that does not fit.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"{path}: no such study; the ones that come with the project are in configs/studies/"
        )
    try:
        content = Config.fromfile(str(path)).to_dict()
    except Exception as error:  # a study is code: anything may come out of it
        raise InputError(f"{path}: the study cannot be read: {type(error).__name__}: {error}") from error
    try:
        return Study.model_validate({key: value for key, value in content.items() if not key.startswith("_")})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{path}: {where}: {first['msg']}") from None


def make_plan(path: str | Path, work_dir: str | Path | None = None) -> Plan:
    """Make the plan of a study.

    Args:
        path: the study file.
        work_dir: holds the runs' folders; None is ``work_dirs/<study>``.

    Raises:
        InputError: anything wrong with the study or its configs, or two runs of one name.
    """
    path = Path(path)
    study = read_study(path)
    folder = Path(work_dir) if work_dir is not None else Path("work_dirs") / path.stem
    runs: dict[str, TrainingJob] = {}
    order: dict[str, int] = {}
    seeds: Counter[tuple[str, str, str]] = Counter()
    missing: list[Path] = []
    for product in study.runs:
        options = {**study.options, **product.options}
        for source, variant in _sources(path, product):
            if not source.is_file():
                missing.append(source)
                continue
            for job in _jobs(source, variant, product.seeds, options, path.stem, folder, study.measure):
                if job.name in runs:
                    both = f"{runs[job.name].source} and {source}"
                    raise InputError(f"{path}: two runs of the name {job.name}: from {both}")
                network = (job.run.network, job.run.variant, job.run.dataset)
                if seeds[network]:  # seeds do not change what a network costs
                    job = replace(job, shape=None)
                order[job.name] = seeds[network]
                seeds[network] += 1
                runs[job.name] = job
    if missing:
        names = ", ".join(str(source) for source in dict.fromkeys(missing))
        raise InputError(f"{path}: {len(set(missing))} of its configs do not exist: {names}")
    ordered = sorted(runs.values(), key=lambda job: order[job.name])
    return Plan(path.stem, study, folder, tuple(ordered), _latency(study, folder, runs))


def check_folders(plan: Plan) -> None:
    """Look for folders that hold a run of another config.

    Raises:
        InputError: there are some; the line names the first.
    """
    changed = []
    for run in plan.runs:
        planned = run.folder / CONFIG
        if planned.is_file() and planned.read_text() != run.text:
            changed.append(run.folder)
    if changed:
        raise InputError(
            f"{len(changed)} folders hold runs of another config (first: {changed[0]}), as the study or a "
            "config has changed since; move them away or choose another --work-dir"
        )


def _sources(path: Path, product: Runs) -> list[tuple[Path, str]]:
    """Return the config files of a product, each with its variant as the study names it."""
    sources = []
    for config in [file for name in product.configs for file in _matching(path, name)]:
        for variant in product.variants:
            if variant == "baseline" or not config.is_file():
                sources.append((_shorter(config), "baseline"))
                continue
            base = run_of(load_config(config))
            ablation = config.parent / "ablations" / f"{base.network}_{variant}_{base.dataset}.py"
            sources.append((_shorter(ablation), variant))
    return sources


def _matching(path: Path, name: str) -> list[Path]:
    """Return the file that a study names, or the files that its pattern matches, sorted.

    Raises:
        InputError: a pattern without a match.
    """
    if not set(name) & set("*?["):
        return [path.parent / name]
    folder = (path.parent / name).parent
    found = sorted(folder.glob(Path(name).name))
    if not found:
        raise InputError(f"{path}: no config matches {name}")
    return found


def _shorter(path: Path) -> Path:
    """Return a path without ``..``, relative to the current folder where it lies below it."""
    path = path.resolve()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _jobs(
    source: Path,
    variant: str,
    seeds: tuple[int, ...],
    options: Mapping[str, Any],
    study: str,
    folder: Path,
    measure: Measure,
) -> list[TrainingJob]:
    """Resolve one config for each seed."""
    config = load_config(source, options)
    if not config.get("train_dataloader"):
        raise InputError(f"{source}: no train_dataloader in this config, so it cannot be part of a study")
    run = run_of(config)
    if variant not in ("baseline", run.variant):
        raise InputError(f"{source}: says variant = {run.variant!r}, the study asks for {variant!r}")
    jobs = []
    for seed in seeds:
        config.merge_from_dict({"network": run.network, "dataset": run.dataset, "variant": run.variant})
        config.merge_from_dict({"study": study, "randomness.seed": seed})
        jobs.append(
            TrainingJob(
                run=run.model_copy(update={"seed": seed, "study": study}),
                folder=folder / f"{run.network}-{run.variant}-{run.dataset}-seed{seed}",
                text=config_text(config),
                source=source,
                split=data_split(config, measure.accuracy),
                shape=measure.complexity.shape if measure.complexity else None,
                max_iters=(config.get("train_cfg") or {}).get("max_iters") or 0,
            )
        )
    return jobs


def _latency(study: Study, folder: Path, runs: Mapping[str, TrainingJob]) -> LatencyJob | None:
    """Return the timing of the first run of each network and variant."""
    wanted = study.measure.latency
    if wanted is None:
        return None
    first: dict[tuple[str, str, str], TrainingJob] = {}
    for job in runs.values():
        first.setdefault((job.run.network, job.run.variant, job.run.dataset), job)
    return LatencyJob(folder / "latency", tuple(first.values()), wanted.shape, wanted.samples, wanted.seconds)
