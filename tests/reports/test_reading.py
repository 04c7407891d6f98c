"""A report finds edited records, names odd files, and does not read its own folder."""

import json
import os
import shutil

import numpy as np
import pytest

from lednet_mm.errors import InputError
from lednet_mm.evaluation.confusion import pack
from lednet_mm.records import new_record, write_record
from lednet_mm.reports.content import Content
from lednet_mm.reports.reading import read_evidence
from lednet_mm.reports.recipes import recipe_of
from lednet_mm.reports.sections.results import Results
from lednet_mm.reports.sections.runs import Runs
from tests.reports.made import (
    CONFIG,
    accuracy,
    at,
    benchmark,
    complexity,
    content_of,
    latency,
    train,
    write_study,
)


def edited(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path


def put(part, key, value):
    return lambda content: content[part].update({key: value})


def raised(content):
    content["values"]["miou_percent"] += 5


def counters(content):
    content["details"]["counters"] = {"fvcore": {"conv": 7}}


def of_run():
    names = "network = 'lednet'\ndataset = 'camvid'\nvariant = 'default'\nstudy = 'parts'\n"
    return accuracy(text=f"{names}randomness = {{'seed': 0}}\n{CONFIG}", study="parts")


def ranged():
    record = train()
    ranges = [{"from": 0, "to": 50, "date": None}, {"from": 50, "to": 100, "date": None}]
    return record.model_copy(update={"details": {**record.details, "ranges": ranges}})


@pytest.mark.parametrize(
    ("make", "change", "named"),
    [
        (accuracy, raised, "values.miou_percent"),
        (accuracy, put("values", "miou_percent", None), "values.miou_percent"),
        (accuracy, put("values", "pixel_accuracy_percent", 99.0), "values.pixel_accuracy_percent"),
        (accuracy, put("values", "mean_accuracy_percent", 99.0), "values.mean_accuracy_percent"),
        (
            accuracy,
            lambda c: c["details"]["class_iou_percent"].update(sky=1.5),
            "details.class_iou_percent.sky",
        ),
        (accuracy, lambda c: c["details"]["class_iou_percent"].pop("sky"), "class_iou_percent"),
        (accuracy, lambda c: c["details"]["per_image_names"].pop(), "per_image_names"),
        (accuracy, put("details", "images", 7), "details.images"),
        (accuracy, put("details", "absent_classes", ["sky"]), "details.absent_classes"),
        (of_run, put("run", "network", "enet"), "run.network"),
        (of_run, put("run", "dataset", "kitti"), "run.dataset"),
        (of_run, put("run", "variant", "no_bn"), "run.variant"),
        (of_run, put("run", "study", "other"), "run.study"),
        (of_run, put("run", "seed", 7), "run.seed"),
        (ranged, put("values", "iterations", 40_000), "values.iterations"),
        (latency, put("values", "latency_ms_p50", 1.0), "fps_p50"),
        (latency, put("values", "latency_ms_p99", 1.0), "values.latency_ms_p99"),
        (latency, put("values", "fps_p50", 1000.0), "values.fps_p50"),
        (complexity, counters, "values.macs"),
        (benchmark, put("values", "files_ms_p50", 1.0), "values.files_ms_p50"),
        (benchmark, put("values", "files_ratio", 9.0), "values.files_ratio"),
    ],
)
def test_an_edited_record_is_left_out(make, change, named, tmp_path):
    good = write_record(accuracy("erfnet"), tmp_path)
    bad = edited(write_record(make(), tmp_path), change)
    evidence = read_evidence([tmp_path])
    assert [f"accuracy-{record.id}" for record in evidence.records] == [good.stem]
    reason = evidence.problems[bad]
    assert reason.startswith("altered: ")
    assert named in reason


def test_categories_of_cityscapes_are_compared_too(tmp_path):
    from lednet_mm.datasets.cityscapes import Cityscapes
    from lednet_mm.evaluation.confusion import scores
    from lednet_mm.records import Run
    from lednet_mm.statistics import class_iou

    rng = np.random.default_rng(0)
    matrices = rng.integers(0, 100, (3, 19, 19))
    total = matrices.sum(0)
    values = scores(total, Cityscapes.METAINFO["categories"])
    classes = Cityscapes.METAINFO["classes"]
    details = {
        "split": "val",
        "class_iou_percent": dict(zip(classes, 100 * class_iou(total), strict=True)),
        "per_image_confusion": pack(matrices),
    }
    text = "val_dataloader = {'dataset': {'type': 'Cityscapes'}}\n"
    run = Run(network="lednet", dataset="cityscapes")
    path = write_record(new_record("accuracy", run, text, values, details, at(0)), tmp_path)
    assert read_evidence([tmp_path]).problems == {}
    edited(path, put("values", "category_iou_percent", 99.0))
    with pytest.raises(InputError, match=r"category_iou_percent"):
        read_evidence([tmp_path])


def test_matrices_of_fewer_classes_than_the_dataset_has_are_left_out(tmp_path):
    write_record(accuracy("erfnet"), tmp_path)
    fewer = accuracy()  # of 3 classes
    text = "val_dataloader = {'dataset': {'type': 'Cityscapes'}}\n"
    path = write_record(new_record("accuracy", fewer.run, text, fewer.values, fewer.details, at(0)), tmp_path)
    reason = read_evidence([tmp_path]).problems[path]
    assert "3 classes, and its config's dataset has 19" in reason


def test_matrices_that_unfold_to_more_than_they_say_are_left_out(tmp_path):
    write_record(accuracy("erfnet"), tmp_path)
    bomb = pack(np.zeros((1, 4096, 4096), dtype=np.int32))
    bad = edited(
        write_record(accuracy(), tmp_path),
        lambda c: c["details"]["per_image_confusion"].update(zlib_base64=bomb["zlib_base64"]),
    )
    assert "damaged confusion matrices" in read_evidence([tmp_path]).problems[bad]


def test_an_accuracy_without_matrices_is_said(tmp_path):
    path = write_record(accuracy(), tmp_path)
    edited(path, lambda c: c["details"].pop("per_image_confusion"))
    (note,) = read_evidence([tmp_path]).notes
    assert note.startswith("1 accuracies have no confusion matrices")


def test_a_copy_that_differs_is_named(tmp_path):
    path = write_record(train(curve=[[10, 30.0]]), tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert read_evidence([tmp_path]).problems == {}
    copy = edited(tmp_path / "b" / "records" / path.name, put("values", "iterations", 7))
    assert "another record has the same name" in read_evidence([tmp_path]).problems[copy]


def test_a_title_that_is_none_is_named(tmp_path):
    write_record(accuracy(), tmp_path)
    title = tmp_path / "title.txt"
    for content in (b"\xff title", b"one\ntwo", b"long " * 1000, b"x" * (2 << 20)):
        title.write_bytes(content)
        evidence = read_evidence([tmp_path])
        assert evidence.title == "Comparison"
        assert "no title" in evidence.problems[title]
        assert "\n" not in evidence.problems[title]
    title.unlink()
    os.mkfifo(title)
    assert "not a regular file" in read_evidence([tmp_path]).problems[title]


def test_an_odd_study_is_named(tmp_path):
    write_record(accuracy(), tmp_path / "run")
    path = tmp_path / "study.json"
    write_study(tmp_path)
    good = json.loads(path.read_text())
    assert set(read_evidence([tmp_path]).studies) == {"parts"}
    for change in (
        {"name": "../x"},
        {"split": "train"},
        {"expectations": "much"},
        {"baseline": {"variant": 1}},
        {"runs": [{**good["runs"][0], "network": "a/b"}]},
        {"title": ""},
        {"hours": {"lednet-default-seed0": -1.0}},
    ):
        path.write_text(json.dumps({**good, **change}))
        evidence = read_evidence([tmp_path])
        assert evidence.studies == {}
        assert "not a study of this project" in evidence.problems[path]
    for content in (b"\xff", b"[" * 100_000, b""):
        path.write_bytes(content)
        assert "not a study of this project" in read_evidence([tmp_path]).problems[path]


def test_the_cost_of_a_study_is_told(tmp_path):
    """The report sums up the hours of the trials and of the reported runs that ``study.json`` has."""
    for seed in (0, 1):
        write_record(accuracy(seed=seed, study="parts"), tmp_path / "run")

    def cost(**hours: float) -> str | None:
        write_study(tmp_path, variants=("default",), hours=hours)
        content = Content(read_evidence([tmp_path]))
        (study,) = content.evidence.studies.values()
        notes = list(Results(content).notes())
        assert (study.cost in notes) == bool(hours)
        return study.cost

    assert cost() is None
    runs = {"lednet-default-seed0": 1.25, "lednet-default-seed1": 0.5}
    everything = "The processes of 2 reported runs took 1.8 hours, with validation and tests."
    assert cost(**runs) == everything
    assert cost(**runs, **{"lednet-default-trial0-seed7": 0.3}) == everything.replace(
        ",", " and those of 1 trial of the tuning took 0.3 hours,"
    )
    assert "1 of the 2 reported runs took 0.5 hours" in cost(**{"lednet-default-seed1": 0.5})


def test_two_different_studies_of_one_name_are_named(tmp_path):
    for name, title in (("a", "One"), ("b", "Other")):
        write_record(accuracy(seed=len(name)), tmp_path / name / "run")
        write_study(tmp_path / name, title=title)
    evidence = read_evidence([tmp_path])
    (path,) = evidence.problems
    assert "another study called parts" in evidence.problems[path]
    assert evidence.title == "One"


def test_the_folder_of_the_report_is_not_read(tmp_path):
    write_record(accuracy(), tmp_path / "run")
    write_record(accuracy("erfnet"), tmp_path / "report" / "copy")
    evidence = read_evidence([tmp_path], tmp_path / "report")
    assert [record.run.network for record in evidence.records] == ["lednet"]
    (note,) = evidence.notes
    assert note.startswith("1 files in")
    # A committed report stands beside its records.
    assert len(read_evidence([tmp_path / "run"], tmp_path / "run").records) == 1
    assert len(read_evidence([tmp_path], tmp_path / "run").records) == 2


def test_fingerprints_of_every_split_are_compared():
    def of(split, fingerprint, seed, minute=0):
        record = accuracy(split=split, seed=seed)
        return record.model_copy(update={"provenance": at(minute, dataset_fingerprint=fingerprint)})

    def notes(*records):
        return [note for note in Runs(content_of(records)).notes() if note.startswith("camvid")]

    same = [of("val", "sizes:a", seed) for seed in (0, 1)]
    assert notes(*same) == []
    for split in ("val", "test"):
        (note,) = notes(of(split, "sizes:a", 0), of(split, "sizes:b", 1))
        assert note == f"camvid, {split}: accuracies come from 2 different sets of images."
    (note,) = notes(of("test", "sizes:a", 0), of("test", "content:a", 1))
    assert "1 accuracies carry the fingerprint of an older version" in note
    assert notes(of("test", "content:a", 0), of("test", "content:b", 1)) == []
    # Older validations had the fingerprint of all that the training read.
    trained = train(seed=1).model_copy(update={"provenance": at(0, dataset_fingerprint="sizes:all")})
    (note,) = notes(of("val", "sizes:a", 0), of("val", "sizes:all", 1), trained)
    assert "older version" in note


def test_an_odd_config_has_a_recipe_all_the_same():
    for text in (
        "train_cfg = 5\n",
        "train_cfg = {'max_iters': [1]}\noptim_wrapper = {'optimizer': {'lr': 'high', 'type': {}}}\n",
        "train_cfg = {[1]: 2}\n",
        "train_cfg = {1: 2, 'a': 3}\n",
        "train_cfg = __import__('os').system('true')\n",
        f"train_cfg = {'[' * 5000}{']' * 5000}\n",
        "train_cfg = {}\ntrain_dataloader = {'batch_size': {}, 'dataset': {'pipeline': [1, {'type': 2}]}}\n",
        f"train_cfg = {{}}\noptim_wrapper = {{'optimizer': {{'lr': {10**400}}}}}\n",
    ):
        assert isinstance(recipe_of(text), str), text
    assert recipe_of(CONFIG).startswith("AdamW 0.002, 100 iterations of 4 images (")
