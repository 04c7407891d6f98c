"""The tables of runs and their summary: joined correctly, mixtures named, resolved values in bold."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lednet_mm.reports.latencies import collect_latencies
from lednet_mm.reports.recipes import recipe_of
from lednet_mm.reports.sections.latency import Latency
from lednet_mm.reports.sections.published import Published
from lednet_mm.reports.sections.results import Results
from lednet_mm.reports.sections.runs import Runs
from lednet_mm.reports.tables import to_markdown
from lednet_mm.timing.backends import TIMED
from tests.reports.made import CONFIG, accuracy, complexity, content_of, latency, matrices, train


def runs_of(records):
    return content_of(records).runs


def notes_of(records):
    return " ".join(Runs(content_of(records)).notes())


def summary_of(records):
    return Results(content_of(records)).table


def test_a_row_joins_what_belongs_to_a_run():
    records = [accuracy(seed=0), accuracy(seed=1), complexity(), latency(), train(seed=1)]
    table = runs_of(records)
    assert table["seed"].tolist() == [0, 1]
    assert table["params"].tolist() == [920_000] * 2
    assert table["fps_p50"].tolist() == pytest.approx([10] * 2, rel=0.02)
    assert table["iterations"].tolist() == [pd.NA, 100]
    assert table["accuracy_record"].tolist() == [f"accuracy-{r.id}" for r in records[:2]]


def test_test_goes_before_val_and_the_newest_counts():
    records = [
        accuracy(split="test", quality=0.7, minute=2),
        accuracy(split="test", quality=0.9, minute=1),
        accuracy(split="val", quality=0.8, minute=3),
    ]
    (row,) = runs_of(records).to_dict("records")
    assert row["split"] == "test"
    assert row["miou_percent"] == records[0].values["miou_percent"]
    assert row["miou_val_percent"] == records[2].values["miou_percent"]


def test_augmented_accuracies_are_no_plain_ones():
    records = [accuracy(quality=0.7, minute=1), accuracy(quality=0.9, minute=2, tta=True)]
    (row,) = runs_of(records).to_dict("records")
    assert row["miou_percent"] == records[0].values["miou_percent"]
    (row,) = runs_of(records[1:]).to_dict("records")
    assert row["split"] == "test (augmented)"


def test_a_network_without_a_training_has_a_row():
    (row,) = runs_of([complexity("erfnet", params=2_000_000)]).to_dict("records")
    assert row["network"] == "erfnet"
    assert pd.isna(row["miou_percent"])


def test_the_summary_is_over_seeds():
    records = [accuracy(seed=s, quality=0.7 + 0.05 * s) for s in range(3)] + [accuracy("erfnet")]
    values = np.array([r.values["miou_percent"] for r in records[:3]])
    lednet = summary_of(records).frame.set_index("network").loc["lednet"]
    assert lednet["seeds"] == 3
    assert lednet["miou_percent"] == pytest.approx(values.mean())
    assert lednet["miou_percent_std"] == pytest.approx(values.std(ddof=1))
    expected = stats.t.interval(0.95, 2, values.mean(), stats.sem(values))
    assert (lednet["miou_low"], lednet["miou_high"]) == pytest.approx(expected)
    text = to_markdown(summary_of(records))
    assert f"{values.mean():.2f} ± {values.std(ddof=1):.2f}" in text


def test_every_condition_has_a_column_of_its_own():
    records = [latency(), latency("erfnet"), latency(fps=50, device="GPU B"), latency(fps=20, deployed=True)]
    table = summary_of([*records, accuracy()])
    headers = {c.header: c.key for c in table.shown() if c.key.startswith("fps_")}
    assert set(headers) == {
        "FPS (p50), CPU A, eager",
        "FPS (p50), CPU A, eager, batch normalisation folded",
        "FPS (p50), GPU B, eager",
    }
    lednet = table.frame.set_index("network").loc["lednet"]
    assert round(lednet[headers["FPS (p50), GPU B, eager"]]) == 50
    notes = " ".join(table.notes)
    assert "GPU B, 2 threads, eager, fp32, 1x3x360x480" in notes
    assert [round(fps) for fps in runs_of(records)["fps_p50"]] == [10, 10]


def test_what_was_timed_is_a_condition_of_its_own():
    whole = latency(fps=4, timed=TIMED["image"])
    records = [whole, latency(timed=TIMED["network"]), latency(fps=8, timed=TIMED["prediction"])]
    found = collect_latencies(records)
    assert found.main.timed == TIMED["network"]
    assert len(found.conditions) == 3
    headers = [c.header for c in summary_of([*records, accuracy()]).shown() if c.key.startswith("fps_")]
    assert len(headers) == 3
    assert any(TIMED["image"] in header for header in headers)


def test_unstable_speeds_are_marked():
    assert "(unstable)" in to_markdown(summary_of([latency(unstable=True), accuracy()]))


def test_several_splits_sizes_recipes_and_image_sets_are_said():
    records = [
        accuracy("lednet"),
        accuracy("erfnet", split="val"),
        accuracy("enet", text=CONFIG.replace("100", "200")),
        complexity("lednet"),
        complexity("erfnet", shape=(512, 1024)),
    ]
    notes = notes_of(records)
    assert "Several splits are in this table: test, val" in notes
    assert "360x480, 512x1024" in notes
    assert "2 recipes on camvid" in notes
    assert "recipe" in [c.header for c in summary_of(records).shown()]
    first = accuracy("lednet")
    other = first.provenance.model_copy(update={"dataset_fingerprint": "sizes:b"})
    first = first.model_copy(
        update={"provenance": other.model_copy(update={"dataset_fingerprint": "sizes:a"})}
    )
    second = accuracy("erfnet").model_copy(update={"provenance": other})
    assert "2 different sets of images" in notes_of([first, second])


def test_a_recipe_is_what_trains_and_not_where_data_lies():
    described = recipe_of(CONFIG)
    assert described.startswith("AdamW 0.002, 100 iterations of 4 images (")
    assert recipe_of(CONFIG.replace("'data'", "'/elsewhere'") + "randomness = {'seed': 3}\n") == described
    assert recipe_of(CONFIG.replace("'val_interval': 10", "'val_interval': 20")) == described
    assert recipe_of(CONFIG.replace("0.002", "0.001")) != described
    assert recipe_of("model = {}\n") is None


def test_bold_is_only_what_is_resolved():
    records = [accuracy("lednet", seed=s, quality=0.9) for s in range(3)]
    close = records + [accuracy("erfnet", seed=s, quality=0.899) for s in range(3)]
    far = records + [accuracy("erfnet", seed=s, quality=0.6) for s in range(3)]
    assert not [key for _, key in summary_of(close).best if key == "miou_percent"]
    table = summary_of(far)
    ((label, _),) = [cell for cell in table.best if cell[1] == "miou_percent"]
    assert table.frame.loc[label, "network"] == "lednet"
    assert f"**{table.frame.loc[label, 'miou_percent']:.2f} ±" in to_markdown(table)


def test_the_fastest_is_bold_where_the_medians_differ():
    def best(*records):
        table = Latency(content_of(records)).table
        return {table.frame.loc[label, "network"] for label, key in table.best if key == "fps_p50"}

    assert best(latency("lednet", fps=10), latency("erfnet", fps=20)) == {"erfnet"}
    assert best(latency("lednet", fps=10), latency("erfnet", fps=10.01)) == set()
    assert best(latency("lednet", fps=10), latency("erfnet", fps=20, unstable=True)) == set()


def test_latency_records_of_an_older_form_are_read():
    record = latency()
    for key in ("batch_size", "engine", "samples_ms"):
        del record.details[key]
    (row,) = Latency(content_of([record])).table.rows
    assert (row["engine"], row["batch_size"]) == ("eager", 1)


def test_the_speed_of_a_network_that_takes_seconds_is_not_zero():
    slow = latency(fps=0.029)
    tables = (Latency(content_of([slow])).table, summary_of([slow]), Runs(content_of([slow])).table)
    for table in tables:
        (texts,) = (texts for column, texts in table.texts.items() if column.header.startswith("FPS (p50)"))
        assert [float(text) for text in texts] == [pytest.approx(0.029, rel=0.05)]


def test_published_numbers_stand_beside_ours():
    records = [accuracy("dabnet"), accuracy("lednet", variant="no_apn"), complexity("dabnet")]
    summary = content_of(records).summary
    dabnet = summary.set_index("network").loc["dabnet"]
    assert dabnet["published_miou_percent"] == 66.7
    assert dabnet["published_where"] == "GTX 1080Ti, 512x1024"
    assert dabnet["published_miou_at"] == "360x480"
    assert pd.isna(summary.set_index("variant").loc["no_apn"]["published_miou_percent"])
    (row,) = Published(content_of(records)).table.rows
    assert row["published_as"] == "DABNet"
    assert "arXiv:1907.11357" in row["source"]
    for name, published in (("mixscaledensenet", "LightNet Mixed-scale DenseNet"), ("dfanet", "DFANet")):
        (row,) = Published(content_of([accuracy(name)])).table.rows
        assert row["published_as"] == published  # by its title, by its name
    (row,) = Published(content_of([accuracy("dabnet", dataset="streets")])).table.rows
    assert pd.isna(row["published_miou_percent"])


def test_differences_are_of_matching_images():
    records = [accuracy("lednet"), accuracy("erfnet", names=[f"other{i}.png" for i in range(20)])]
    found = content_of(records).differences.between(
        *({0: f"accuracy-{record.id}"} for record in records),
    )
    assert found.interval is None
    assert found.verdict == "tested on other images than the baseline"


def test_the_matrices_are_what_the_scores_are_of():
    counted = matrices(0.8).sum(0).tolist()
    ious = []
    for c in range(3):
        hits, truth, found = counted[c][c], sum(counted[c]), sum(row[c] for row in counted)
        ious.append(hits / (truth + found - hits))
    record = accuracy()
    assert record.values["miou_percent"] == pytest.approx(100 * sum(ious) / 3)
    assert list(record.details["class_iou_percent"].values()) == pytest.approx([100 * iou for iou in ious])
    assert 60 < record.values["miou_percent"] < 75  # of 80% of the pixels right, two thirds in the union


@pytest.mark.parametrize("order", [1, -1])
def test_the_same_records_give_the_same_bytes_in_any_order(order):
    records = [accuracy(seed=s, minute=s) for s in range(3)] + [complexity(), latency()]
    text = to_markdown(Runs(content_of(records[::order])).table)
    assert text == to_markdown(Runs(content_of(records)).table)
