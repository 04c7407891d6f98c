"""The report's sections on tunings, and on networks that are crossed with recipes."""

import numpy as np
import pytest

from lednet_mm import effects
from lednet_mm.records import Run, new_record, write_record
from lednet_mm.reports.crossing import variant_without
from lednet_mm.reports.recipes import recipe_of
from lednet_mm.reports.report import write_report
from lednet_mm.reports.sections.effects import Effects
from lednet_mm.reports.sections.results import Results
from lednet_mm.reports.sections.tuning import Tuning
from lednet_mm.reports.tables import is_missing, rows_of
from tests.reports import made

RATES = (0.001, 0.01, 0.1)


def tuned(network, scores, key="optim_wrapper.optimizer.lr", values=RATES):
    """Return the record of a tuning; a setting without scores has failed."""
    trials = [
        {
            **{"trial": number, "setting": {key: value}, "folders": [f"{network}{number}"], "hours": 0.5},
            **{"state": "finished" if found else "failed", "reason": "" if found else "a NaN loss"},
            "miou_percent": found,
        }
        for number, (value, found) in enumerate(zip(values, scores, strict=True))
    ]
    means = [-1 if found is None else np.mean(found) for found in scores]
    best = int(np.argmax(means)) if max(means) >= 0 else None
    figures = {
        **{"trials": len(trials), "failed_trials": scores.count(None), "pruned_trials": 0},
        "hours": 0.5 * len(trials),
        "val_miou_percent": None if best is None else float(means[best]),
    }
    details = {
        "tune": {"space": {key: list(values)}, "seeds": [7, 8], "split": "val"},
        "chosen_trial": best,
        "chosen": None if best is None else {key: values[best]},
        "trials": trials,
    }
    run = Run(network=network, dataset="camvid", study="parts")
    return new_record("tuning", run, made.CONFIG, figures, details, made.PROVENANCE)


def test_a_tuning_has_its_choice_its_cost_and_every_score(tmp_path):
    records = [
        tuned("lednet", [[30.0, 32.0], [40.0, 42.0], None]),
        tuned("erfnet", [[20.0, 20.0], [10.0, 14.0], [5.0, 5.0]]),
        tuned("cgnet", [None, None, None]),
    ]
    section = Tuning(made.content_of(records))
    rows = {row["network"]: row for row in rows_of(section.frame)}
    assert rows["lednet"]["chosen"] == "optim_wrapper.optimizer.lr = 0.01"
    assert (rows["lednet"]["val_miou_percent"], rows["lednet"]["lowest_miou_percent"]) == (41, 31)
    assert (rows["lednet"]["failed_trials"], rows["lednet"]["seeds"]) == (1, 2)
    assert is_missing(rows["cgnet"]["chosen"])
    text = section.files()["tuning.md"].decode()
    assert "together took 4.50 hours" in text
    (plot,) = section.plots()
    (axes,) = plot.figure.axes
    assert axes.get_xscale() == "log"
    drawn = [np.column_stack(line.get_data()).tolist() for line in axes.lines]
    assert [[0.001, 31], [0.01, 41]] in drawn  # less the setting that failed
    assert [[0.01, 41]] in drawn  # the ring around the choice
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["lednet", "erfnet"]


def test_settings_that_are_no_numbers_stand_side_by_side():
    record = tuned("lednet", [[30.0], [40.0]], "optim_wrapper.optimizer.type", ("SGD", "AdamW"))
    (plot,) = Tuning(made.content_of([record])).plots()
    (axes,) = plot.figure.axes
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["SGD", "AdamW"]


def with_rates(rates):
    """Return the records of two tuned networks, and accuracies whose trainings had these learning rates."""
    chosen = {"lednet": [[30.0], [40.0], [20.0]], "erfnet": [[25.0], [15.0], [10.0]]}
    return [
        *(tuned(network, scores) for network, scores in chosen.items()),
        *(
            made.accuracy(network, study="parts", text=made.CONFIG.replace("0.002", str(rate)))
            for network, rate in rates.items()
        ),
    ]


def test_values_that_were_tuned_for_each_network_make_no_other_recipe():
    content = made.content_of(with_rates({"lednet": 0.01, "erfnet": 0.001}))
    (recipe,) = content.runs["recipe"].unique()
    assert recipe.startswith("AdamW, 100 iterations of 4 images, tuned optim_wrapper.optimizer.lr")
    text = Results(content).files()["summary.md"].decode()
    assert "Tuned on val for each network: optim_wrapper.optimizer.lr;" in text
    assert "recipes" not in text.replace("their own recipes", "")


def test_a_run_without_the_chosen_value_has_another_recipe():
    content = made.content_of(with_rates({"lednet": 0.01, "erfnet": 0.1}))
    ours, theirs = (content.runs.set_index("network")["recipe"][name] for name in ("lednet", "erfnet"))
    assert "tuned" in ours
    assert theirs.startswith("AdamW 0.1, ")
    assert "2 recipes on camvid, compare rows of one only" in Results(content).files()["summary.md"].decode()


def test_a_whole_part_of_a_config_can_be_tuned():
    other = made.CONFIG.replace("AdamW", "SGD")
    recipes = {
        recipe_of(text, {"optim_wrapper": {"type": "OptimWrapper", "optimizer": {"type": kind, "lr": 0.002}}})
        for kind, text in (("AdamW", made.CONFIG), ("SGD", other))
    }
    assert len(recipes) == 1
    assert recipe_of(made.CONFIG) not in recipes


QUALITY = {
    ("lednet", "common"): 0.6,
    ("lednet", "long"): 0.7,
    ("erfnet", "common"): 0.5,
    ("erfnet", "long"): 0.8,
}


def crossed(seeds=(0, 1, 2), qualities=QUALITY, variant="default"):
    records = []
    for (network, recipe), quality in qualities.items():
        named = variant if recipe == "common" else recipe if variant == "default" else f"{variant}+{recipe}"
        text = made.CONFIG + f"recipe = {recipe!r}\n"
        records += [made.accuracy(network, named, seed, quality=quality, text=text) for seed in seeds]
    return records


@pytest.mark.parametrize("variant", ["default", "no_apn"])
def test_networks_and_recipes_are_crossed(variant):
    records = crossed(variant=variant)
    section = Effects(made.content_of(records))
    scores = np.array([record.values["miou_percent"] for record in records]).reshape(2, 2, 3)
    scores = scores[::-1]  # networks are sorted alphabetically
    expected = effects.effects(scores)
    rows = {(row["factor"], row["level"]): row for row in rows_of(section.frame)}
    assert len(rows) == 8
    ending = "" if variant == "default" else ", no apn"
    for name, estimate in zip(("erfnet", "lednet"), expected.rows, strict=True):
        row = rows["network", name + ending]
        assert row["effect_points"] == pytest.approx(estimate.value)
        assert (row["low_points"], row["high_points"]) == pytest.approx((estimate.low, estimate.high))
    assert rows["recipe", "long"]["effect_points"] == pytest.approx(scores[:, 1].mean() - scores.mean())
    assert rows["recipe", "long"]["verdict"] == "above zero"
    both = rows["interaction", f"lednet{ending} with long"]
    assert both["effect_points"] == pytest.approx(expected.interaction[1][1].value)
    text = section.files()["effects.md"].decode()
    assert f"the recipe explains {100 * expected.column_test.share:.1f}%" in text
    (plot,) = section.plots()
    assert [tick.get_text() for tick in plot.figure.axes[0].get_xticklabels()] == ["common", "long"]


def test_what_is_not_crossed_has_no_effects():
    alone = {key: quality for key, quality in QUALITY.items() if key != ("erfnet", "long")}
    assert Effects(made.content_of(crossed(qualities=alone))).frame.empty
    unknown = [made.accuracy(n, v) for n in ("lednet", "erfnet") for v in ("default", "long")]
    assert Effects(made.content_of(unknown)).frame.empty  # nobody says that "long" is a recipe


def test_networks_with_one_recipe_are_left_out():
    records = crossed() + crossed(qualities={("cgnet", "common"): 0.4})
    table = Effects(made.content_of(records)).frame
    assert set(table[table["factor"] == "network"]["level"]) == {"lednet", "erfnet"}


def test_without_a_common_seed_it_is_said():
    half = {key: quality for key, quality in QUALITY.items() if key[1] == "long"}
    other = {key: quality for key, quality in QUALITY.items() if key[1] == "common"}
    section = Effects(made.content_of(crossed((0, 1), half) + crossed((2, 3), other)))
    assert section.frame.empty
    (remark,) = section.remarks()
    assert "no seed that every combination was trained with" in remark


def test_one_seed_has_no_interval():
    section = Effects(made.content_of(crossed((0,))))
    assert section.frame["low_points"].isna().all()
    assert set(section.frame["verdict"]) == {"one seed says nothing about others"}


def test_the_variant_of_a_network_is_its_name_less_the_recipe():
    assert variant_without("common", "no_apn") == "no_apn"
    assert variant_without("long", "long") == "default"
    assert variant_without("long", "no_apn+long") == "no_apn"


@pytest.mark.thorough
def test_the_study_says_the_recipe_where_configs_do_not(tmp_path):
    runs, recipes = [], {}
    for (network, recipe), quality in QUALITY.items():
        for seed in (0, 1):
            variant = "default" if recipe == "common" else recipe
            record = made.accuracy(network, variant, seed, quality=quality, study="parts")
            folder = f"{network}-{variant}-{seed}"
            write_record(record, tmp_path / folder)
            runs.append({**record.run.model_dump(exclude={"trial"}), "folder": folder})
            recipes[folder] = recipe
    made.write_study(tmp_path, runs=runs, recipes=recipes)
    names = {path.name for path in write_report([tmp_path], tmp_path / "report").files}
    assert {"effects.md", "effects.png"} <= names
    made.write_study(tmp_path, runs=runs)
    names = {path.name for path in write_report([tmp_path], tmp_path / "other").files}
    assert "effects.md" not in names
