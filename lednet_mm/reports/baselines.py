"""The differences of every network and variant to its baselines, and what was expected of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import pandas as pd

from lednet_mm.reports.differences import Differences, adjust_family
from lednet_mm.reports.reading import StudyFacts
from lednet_mm.reports.tables import is_missing, rows_of
from lednet_mm.studies.baseline import Baseline
from lednet_mm.text import DEFAULT

COLUMNS = [
    *("study", "dataset", "split", "network", "variant", "baseline", "seeds"),
    *("difference_points", "low_points", "high_points", "verdict"),
    *("p_holm", "verdict_holm"),
    *("params_change_percent", "macs_change_percent", "latency_change_percent"),
    *("recipe_differs", "expectation", "_sampling", "_accuracy", "_complexity", "_latency"),
]


def compare_with_baselines(
    summary: pd.DataFrame,
    studies: Mapping[str, StudyFacts],
    differences: Differences,
    baselines: Sequence[Baseline] = (),
) -> pd.DataFrame:
    """Compare every variant with its baselines on the same study, dataset and split.

    Args:
        summary: result of :func:`lednet_mm.reports.summary.summarise_runs`.
        studies: studies by their names, which define what is compared with what and what is expected.
        differences: object that computes the differences.
        baselines: baselines to use instead of those that the studies define. If there are neither, each
            variant is compared with its unchanged network.

    Returns:
        A sorted table with one row for each variant and baseline, and the columns in ``COLUMNS``. A variant
        that a study plans has a row even if its accuracy has not been measured yet.
    """
    groups: dict[tuple, dict[tuple[str, str], dict[str, Any]]] = {}
    for row in rows_of(summary):
        if row["seeds"]:
            study = None if is_missing(row["study"]) else row["study"]
            known = groups.setdefault((study, row["dataset"], row["split"]), {})
            name = (row["network"], row["variant"])
            if name not in known or row["seeds"] > known[name]["seeds"]:
                known[name] = row
    pairs = []
    for place, rows in groups.items():
        asked = baselines or _asked(studies.get(place[0] or ""))
        for (network, variant), row in rows.items():
            others: dict[tuple[str, str], bool] = {}
            for one in asked:
                others.setdefault((one.network or network, one.variant), one.network is not None)
            for other, named in others.items():
                if other != (network, variant) and (other in rows or named or place[0]):
                    pairs.append((place, row, other, rows.get(other)))
    needed = [name for _, row, _, other in pairs if other for r in (row, other) for name in r["_accuracy"]]
    differences.prepare(needed)
    found = [_row(place, row, other, base, studies, differences) for place, row, other, base in pairs]
    _judge_families(found)
    found += _without_accuracy(groups, studies, baselines)
    table = pd.DataFrame(found, columns=COLUMNS)
    return table.sort_values(COLUMNS[:6], na_position="first", ignore_index=True)


def _judge_families(rows: Iterable[dict[str, Any]]) -> None:
    """Add p-values and verdicts that Holm's method adjusts for all comparisons with one baseline and split.

    Args:
        rows: rows to which ``p_holm`` and ``verdict_holm`` are added.
    """
    families: dict[tuple, list[dict[str, Any]]] = {}
    for row in rows:
        if "_difference" in row:
            key = tuple(row[name] for name in ("study", "dataset", "split", "baseline"))
            families.setdefault(key, []).append(row)
    for family in families.values():
        adjusted = adjust_family([row.pop("_difference") for row in family])
        for row, difference in zip(family, adjusted, strict=True):
            row["p_holm"], row["verdict_holm"] = difference.adjusted_p, difference.verdict_in_family


def _asked(study: StudyFacts | None) -> Sequence[Baseline]:
    return study.baseline if study else [Baseline()]


def _words(baseline: tuple[str, str]) -> str:
    network, variant = baseline
    return network if variant == DEFAULT else f"{network}, {variant}"


def _expectation(study: StudyFacts | None, network: str, variant: str) -> str | None:
    """Return what a study expects of a variant, or of a network where networks are compared."""
    return study.expectations.get(network if variant == DEFAULT else variant) if study else None


def _row(
    place: tuple,
    row: Mapping[str, Any],
    other: tuple[str, str],
    base: Mapping[str, Any] | None,
    studies: Mapping[str, StudyFacts],
    differences: Differences,
) -> dict[str, Any]:
    study, dataset, split = place
    network, variant = row["network"], row["variant"]
    found: dict[str, Any] = {
        **{"study": study, "dataset": dataset, "split": split, "network": network, "variant": variant},
        "baseline": _words(other),
        "expectation": _expectation(studies.get(study or ""), network, variant),
        **{"_accuracy": [], "_complexity": [], "_latency": []},
    }
    if base is None:
        return {**found, "seeds": 0, "verdict": "its baseline has no result"}
    difference = differences.between(row["_seeds"], base["_seeds"])
    found.update(seeds=len(difference.seeds), verdict=difference.verdict)
    found["_sampling"] = difference.sampling
    found["_difference"] = difference
    if interval := difference.interval:
        found["difference_points"] = interval.difference
        found["low_points"], found["high_points"] = interval.low, interval.high
    for key in ("params", "macs"):
        same_shape = key == "params" or row["macs_shape"] == base["macs_shape"]
        if same_shape and not is_missing(row[key]) and not is_missing(base[key]) and base[key] > 0:
            found[f"{key}_change_percent"] = 100 * (row[key] / base[key] - 1)
    ours, theirs = row.get("fps_0"), base.get("fps_0")
    if not is_missing(ours) and not is_missing(theirs):
        assert ours is not None
        assert theirs is not None
        found["latency_change_percent"] = 100 * (theirs / ours - 1)
        found["_latency"] = row["_latency_0"] + base["_latency_0"]
    found["recipe_differs"] = row["recipe"] != base["recipe"] and not is_missing(row["recipe"])
    found["_accuracy"] = [runs["_seeds"][seed] for seed in difference.seeds for runs in (row, base)]
    found["_complexity"] = row["_complexity"] + base["_complexity"]
    return found


def _without_accuracy(
    groups: Mapping[tuple, Mapping[tuple[str, str], Any]],
    studies: Mapping[str, StudyFacts],
    baselines: Sequence[Baseline],
) -> list[dict[str, Any]]:
    """Return rows for the networks and variants that studies plan but that have not been measured."""
    rows = {}
    for study in studies.values():
        for run, asked in product(study.runs, baselines or _asked(study)):
            known = groups.get((study.name, run.dataset, study.split), {})
            own = (asked.network or run.network, asked.variant)
            if (run.network, run.variant) in known or own == (run.network, run.variant):
                continue
            rows[(study.name, run.dataset, run.network, run.variant, own)] = {
                **{"study": study.name, "dataset": run.dataset, "split": study.split},
                **{"network": run.network, "variant": run.variant, "seeds": 0},
                "baseline": _words(own),
                "verdict": "no result",
                "expectation": _expectation(study, run.network, run.variant),
                **{"_accuracy": [], "_complexity": [], "_latency": []},
            }
    return list(rows.values())


def paired_records(names: Sequence[str]) -> tuple[dict[int | None, str], dict[int | None, str]]:
    """Split the records of a row of the ablation into those of the variant and those of the baseline.

    Args:
        names: names of the records: for one seed after another that of the variant, then that of the
            baseline.

    Returns:
        The variant's records and the baseline's records, each by the number of the pair.
    """
    return dict(enumerate(names[::2])), dict(enumerate(names[1::2]))
