"""Testing a checkpoint: splits are named by their data; augmentation, pictures, and errors in one line."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

import cv2
import mmcv
import mmseg
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.evaluation import IoUMetric
from mmseg.registry import MODELS

from lednet_mm.config import config_text, load_config
from lednet_mm.evaluation import corruptions
from lednet_mm.evaluation.confusion import confusion_matrix, unpack
from lednet_mm.evaluation.measures import MEASURES
from lednet_mm.evaluation.metric import ConfusionMatrixMetric
from lednet_mm.files import file_sha256
from lednet_mm.records import read_records
from lednet_mm.reports.alterations import find_alteration
from lednet_mm.training import testing
from lednet_mm.training.augmentation import SCALES, augmented
from lednet_mm.training.pictures import as_rgb
from lednet_mm.training.runner import ReproducibleRunner
from lednet_mm.training.splits import data_split
from lednet_mm.training.testing import TRACEBACK, _plan_pictures, _with_matrices
from tests.conftest import ROOT

THEIRS = Path(mmseg.__file__).parent / ".mim/configs"


@pytest.fixture
def checkpoint(small_config, tmp_path) -> Path:
    """Untrained weights of the small config's network, with the seed 7."""
    path = tmp_path / "weights.pth"
    torch.manual_seed(0)
    model = MODELS.build(load_config(small_config()).model)
    torch.save({"state_dict": model.state_dict(), "meta": {"seed": 7}}, path)
    return path


def only_record(folder):
    (record,), problems = read_records([folder])
    assert not problems
    return record


@pytest.mark.parametrize(
    ("name", "test", "val"),
    [
        ("lednet_streets.py", "val", "val"),
        ("lednet_cityscapes.py", "val", "val"),
        ("lednet_camvid.py", "test", "val"),
    ],
)
def test_a_split_is_named_by_its_data(name, test, val):
    config = load_config(ROOT / "configs" / name)
    assert (data_split(config, "test"), data_split(config, "val")) == (test, val)


def test_a_split_of_mmsegmentations_datasets_is_that_of_equal_data():
    config = load_config(THEIRS / "erfnet/erfnet_fcn_4xb4-160k_cityscapes-512x1024.py")
    assert data_split(config, "test") == "val"
    config.test_dataloader.dataset.pipeline = []  # how images are read does not matter
    assert data_split(config, "test") == "val"
    config.test_dataloader.dataset.data_prefix.img_path = "leftImg8bit/test"
    assert data_split(config, "test") == "test"
    config.test_dataloader.dataset = config.train_dataloader.dataset
    assert data_split(config, "test") == "train"


def test_wrappers_are_looked_through():
    inner = {"type": "CamVidDataset", "split": "val"}
    both = {"type": "ConcatDataset", "datasets": [inner, {"type": "RepeatDataset", "dataset": inner}]}
    assert data_split(Config({"test_dataloader": {"dataset": both}}), "test") == "val"
    mixed = {"type": "ConcatDataset", "datasets": [inner, {**inner, "split": "test"}]}
    assert data_split(Config({"test_dataloader": {"dataset": mixed}}), "test") == "test"
    assert data_split(Config({}), "test") == "test"


def test_records_go_to_the_configs_work_folder(small_config, checkpoint, tool, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(checkpoint.parent.iterdir())
    outcome = tool("test", small_config(), checkpoint)
    assert outcome.status == 0, outcome.err
    record = only_record(tmp_path / "work_dirs" / "small")
    assert f"record: work_dirs/small/records/accuracy-{record.id}.json" in outcome.out
    assert record.details["split"] == "val"
    assert record.run.seed == 7
    assert sorted(checkpoint.parent.iterdir()) == [*before, tmp_path / "work_dirs"]
    assert not list((tmp_path / "work_dirs" / "small").glob("*.py")), (
        "a training's config there would be replaced"
    )


def reference(config, checkpoint, folder):
    """Add up softmax outputs at all scales and mirrored, by hand; return each image's confusion matrix."""
    model = MODELS.build(config.model).eval()
    model.load_state_dict(torch.load(checkpoint, weights_only=True)["state_dict"])
    settings = config.model.data_preprocessor
    mean, std = (torch.tensor(settings[key]).reshape(1, 3, 1, 1) for key in ("mean", "std"))
    matrices = {}
    for path in sorted(folder.rglob("val/**/*_leftImg8bit.png")):
        image = cv2.imread(str(path))
        height, width = image.shape[:2]
        total = torch.zeros(1, config.model.num_classes, height, width)
        for scale in SCALES:
            size = (int(width * scale + 0.5), int(height * scale + 0.5))
            scaled = np.ascontiguousarray(mmcv.imresize(image, size)[:, :, ::-1])
            pixels = (torch.from_numpy(scaled).permute(2, 0, 1)[None].float() - mean) / std
            for mirrored in (False, True):
                with torch.no_grad():
                    logits = model.logits(pixels.flip(3) if mirrored else pixels)
                logits = logits.flip(3) if mirrored else logits
                whole = torch.nn.functional.interpolate(
                    logits, (height, width), mode="bilinear", align_corners=model.align_corners
                )
                total += whole.softmax(1)
        label = cv2.imread(
            str(path)
            .replace("leftImg8bit/", "gtFine/")
            .replace("leftImg8bit.png", "gtFine_labelTrainIds.png"),
            cv2.IMREAD_UNCHANGED,
        )
        matrices[path.name] = confusion_matrix(total.argmax(1)[0].numpy(), label, 19)
    return matrices


@pytest.mark.thorough
def test_augmentation_averages_scales_and_mirrored_images(
    small_config, small_streets, checkpoint, tool, tmp_path
):
    config = load_config(small_config())
    assert config.model.data_preprocessor.bgr_to_rgb
    outcome = tool("test", small_config(), checkpoint, "--tta", "--work-dir", tmp_path / "w")
    assert outcome.status == 0, outcome.err
    record = only_record(tmp_path / "w")
    assert record.details["tta"] is True
    assert "TestTimeAug" not in record.config.text  # the config is the checkpoint's
    expected = reference(config, checkpoint, small_streets)
    measured = dict(
        zip(record.details["per_image_names"], unpack(record.details["per_image_confusion"]), strict=True)
    )
    assert measured.keys() == expected.keys()
    for name, matrix in measured.items():
        assert np.abs(matrix - expected[name]).sum() <= 2 * 0.002 * matrix.sum()  # near ties


def test_a_configs_own_augmentation_is_used(small_config, checkpoint, tool, tmp_path):
    lines = (
        "tta_model = dict(type='SegTTAModel')",
        "tta_pipeline = [dict(type='LoadImage'), dict(type='TestTimeAug', transforms=["
        "[dict(type='RandomFlip', prob=0.0)], [dict(type='LoadLabels')], [dict(type='PackSegInputs')]])]",
    )
    values = {}
    for options in ([], ["--tta"]):
        work_dir = tmp_path / f"w{len(options)}"
        assert tool("test", small_config(*lines), checkpoint, "--work-dir", work_dir, *options).status == 0
        values[len(options)] = only_record(work_dir).values
    assert values[0] == values[1]  # the image as it is, once


def test_pipelines_are_augmented_whatever_their_order():
    load, resize = {"type": "LoadImage"}, {"type": "Resize", "scale": (64, 32), "keep_ratio": False}
    labels, pack = {"type": "LoadLabels"}, {"type": "PackSegInputs"}
    for pipeline in ([load, resize, labels, pack], [load, labels, resize, pack]):
        *prepare, last = augmented(pipeline)
        assert prepare == [load, resize]
        scales, flips, after, end = last["transforms"]
        assert [step["scale_factor"] for step in scales] == list(SCALES)
        assert [step["prob"] for step in flips] == [0.0, 1.0]
        assert (after, end) == ([labels], [pack])
        assert augmented([*prepare, last]) == [*prepare, last]


@pytest.mark.thorough
def test_every_image_is_written_beside_its_prediction(
    small_config, small_streets, checkpoint, tool, tmp_path
):
    show = tmp_path / "show"
    arguments = ["test", small_config(), checkpoint, "--work-dir", tmp_path / "w", "--show-dir"]
    assert tool(*arguments, show).status == 0
    images = sorted(small_streets.rglob("val/**/*_leftImg8bit.png"))
    assert sorted(path.name for path in show.rglob("*.*")) == [path.name for path in images]
    picture = cv2.imread(str(show / images[0].name))
    image = cv2.imread(str(images[0]))
    assert np.array_equal(picture[:, :128], image)
    assert picture.shape == (64, 256, 3)

    again = tool(*arguments, show)
    assert again.status == 2
    assert "--overwrite replaces it" in again.err
    assert tool(*arguments, show, "--overwrite").status == 0
    originals = tool(*arguments, images[0].parent, "--overwrite")
    assert originals.status == 2
    assert "is itself an input" in originals.err


def test_pictures_lie_below_their_folder_whatever_the_images_paths(tmp_path):
    images = [tmp_path / "data" / "a" / "1.png", tmp_path / "data" / "a" / ".." / ".." / "2.png"]
    dataset = [{"img_path": str(image)} for image in images]
    stub = type("Listed", (), {"get_data_info": lambda _, i: dataset[i], "__len__": lambda _: 2})()
    planned = _plan_pictures(stub, tmp_path / "show")
    assert list(planned.values()) == [tmp_path / "show/data/a/1.png", tmp_path / "show/2.png"]


def test_the_record_is_of_the_weights_that_were_read(small_config, checkpoint, tool, tmp_path, monkeypatch):
    sha256 = file_sha256(checkpoint)
    read = testing.load_model

    def and_replace(*arguments):
        content = read(*arguments)
        checkpoint.write_bytes(b"another file")
        return content

    run = ReproducibleRunner.test

    def replace_and_run(runner):
        checkpoint.write_bytes(b"another file")
        return run(runner)

    before = checkpoint.read_bytes()
    monkeypatch.setattr(testing, "load_model", and_replace)
    outcome = tool("test", small_config(), checkpoint, "--work-dir", tmp_path / "a")
    assert outcome.status == 2
    assert "was changed while it was read" in outcome.err
    monkeypatch.setattr(testing, "load_model", read)
    checkpoint.write_bytes(before)
    monkeypatch.setattr(ReproducibleRunner, "test", replace_and_run)
    outcome = tool("test", small_config(), checkpoint, "--work-dir", tmp_path / "b")
    assert outcome.status == 0, outcome.err
    assert only_record(tmp_path / "b").provenance.checkpoint_sha256 == sha256


def test_the_record_says_what_differs_from_the_training(small_config, checkpoint, tool, tmp_path):
    content = torch.load(checkpoint, weights_only=True)
    for folder, options in (("same", None), ("other", {"model.data_preprocessor.mean": [1.0, 2.0, 3.0]})):
        text = config_text(load_config(small_config(), options))
        torch.save({**content, "meta": {"seed": 7, "config": text}}, checkpoint)
        outcome = tool("test", small_config(), checkpoint, "--work-dir", tmp_path / folder)
        assert outcome.status == 0, outcome.err
    assert "differs" not in only_record(tmp_path / "same").details
    (line,) = only_record(tmp_path / "other").details["differs"]
    assert line.startswith("model.data_preprocessor.mean ([1.0, 2.0, 3.0] there, ")


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_images_of_any_kind_can_be_looked_at(channels):
    image = torch.linspace(-3, 900, channels * 6).reshape(channels, 2, 3)
    assert as_rgb(image).shape == (2, 3, 3)
    bgr = torch.tensor([10, 20, 30], dtype=torch.uint8).reshape(3, 1, 1)
    assert as_rgb(bgr).tolist() == [[[30, 20, 10]]]
    assert as_rgb(bgr.float()).tolist() == [[[30, 20, 10]]]
    assert as_rgb(bgr / 50).tolist() == [[[153, 102, 51]]]
    assert as_rgb(bgr.float() * 10 - 200).tolist() == [[[255, 128, 0]]]


@pytest.mark.parametrize("meta", [{"seed": -1}, {"seed": "7"}, {"seed": 2**32}, {"seed": True}, [1, 2], None])
def test_a_seed_that_is_none_is_one_line(meta, small_config, checkpoint, tool, tmp_path):
    content = torch.load(checkpoint, weights_only=True)
    torch.save({**content, "meta": meta}, checkpoint)
    outcome = tool("test", small_config(), checkpoint, "--work-dir", tmp_path / "w")
    if meta is None:  # weights from elsewhere
        assert outcome.status == 0, outcome.err
        assert only_record(tmp_path / "w").run.seed is None
        return
    assert outcome.status == 2
    assert f"{checkpoint}: " in outcome.err
    assert "its meta" in outcome.err


def test_scores_are_printed_before_a_record_that_cannot_be_written(
    small_config, checkpoint, tool, tmp_path, monkeypatch
):
    def full(*_, **__):
        raise OSError(28, "No space left on device", str(tmp_path / "w"))

    monkeypatch.setattr("lednet_mm.training.hooks.write_record", full)
    outcome = tool("test", small_config(), checkpoint, "--work-dir", tmp_path / "w")
    assert outcome.status == 2
    assert "miou" in outcome.out
    assert outcome.err.strip().endswith(
        "No space left on device; free some space there, or choose another place"
    )


def test_a_reader_that_has_gone_costs_no_record(small_config, checkpoint, tool, tmp_path, monkeypatch):
    class Gone(io.StringIO):
        def write(self, text):
            if "miou" in text:
                raise BrokenPipeError(32, "Broken pipe")
            return super().write(text)

        def fileno(self):
            return spare

    spare = os.open(tmp_path / "spare", os.O_CREAT | os.O_WRONLY)
    monkeypatch.setattr("sys.stdout", Gone())
    outcome = tool("test", small_config(), checkpoint, "--work-dir", tmp_path / "w")
    os.close(spare)
    assert outcome.status == 141
    assert only_record(tmp_path / "w").details["split"] == "val"


def test_places_and_data_are_looked_at_before_the_weights(small_config, tool, tmp_path):
    (tmp_path / "file").write_text("x")
    nowhere = tmp_path / "nowhere.pth"
    outcome = tool("test", small_config(), nowhere, "--work-dir", tmp_path / "file" / "x")
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert "a file stands where a folder is needed" in outcome.err
    missing = tool("test", small_config(data=tmp_path / "none"), nowhere, "--work-dir", tmp_path / "w")
    assert "prepare_dataset.py streets" in missing.err


def test_numbers_of_classes_that_do_not_fit_are_one_line(small_config, checkpoint, tool, tmp_path):
    for line in (
        "model['num_classes'] = 5\nmodel['class_weight'] = None",
        "test_evaluator = dict(type='ConfusionMatrixMetric', num_outputs=21)",
    ):
        outcome = tool("test", small_config(line), checkpoint, "--work-dir", tmp_path / "w")
        assert outcome.status == 2
        assert "outputs, the dataset 19 classes" in outcome.err
    assert not list((tmp_path / "w").rglob("*.json")) + list((tmp_path / "w").rglob(TRACEBACK))


def test_images_of_several_sizes_in_a_batch_are_predicted_one_by_one(
    small_config, small_streets, checkpoint, tool, tmp_path
):
    data = Path(shutil.copytree(small_streets, tmp_path / "streets"))
    for kind, ending in (("leftImg8bit", "leftImg8bit.png"), ("gtFine", "gtFine_labelTrainIds.png")):
        path = sorted((data / kind / "val").rglob(f"*_{ending}"))[0]
        cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[:32])
    values = []
    for size in (1, 2):
        outcome = tool(
            *("test", small_config(data=data), checkpoint, "--work-dir", tmp_path / f"{size}"),
            *("--cfg-options", f"test_dataloader.batch_size={size}"),
        )
        assert outcome.status == 0, outcome.err
        (record,) = read_records([tmp_path / f"{size}"])[0]
        values.append(record.values)
    assert values[0] == values[1]


def test_a_test_that_fails_is_one_line_and_keeps_its_traceback(
    small_config, checkpoint, tool, tmp_path, monkeypatch
):
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("lednet_mm.networks.segmentor.Segmentor.test_step", broken)
    outcome = tool("test", small_config(), checkpoint, "--work-dir", tmp_path / "w")
    assert outcome.status == 2
    assert outcome.err.strip().count("\n") == 0
    assert "the test failed: RuntimeError: a defect" in outcome.err
    assert "Traceback" in (tmp_path / "w" / TRACEBACK).read_text()


@pytest.mark.parametrize(
    "kind", ["mmseg.IoUMetric", IoUMetric, "ConfusionMatrixMetric", ConfusionMatrixMetric]
)
def test_a_metric_is_known_by_its_class(kind):
    ours, *others = _with_matrices([{"type": kind, "ignore_index": 9}, {"type": "Other"}])
    assert ours["type"] in ("ConfusionMatrixMetric", ConfusionMatrixMetric)
    assert ours["ignore_index"] == 9
    assert others == [{"type": "Other"}]


def test_the_metric_of_mmsegmentation_is_replaced(small_config, checkpoint, tool, tmp_path):
    lines = "test_evaluator = dict(_delete_=True, type='IoUMetric', iou_metrics=['mIoU'])"
    values = []
    for folder, more in (("ours", ()), ("theirs", (lines,))):
        outcome = tool("test", small_config(*more), checkpoint, "--work-dir", tmp_path / folder)
        assert outcome.status == 0, outcome.err
        values.append(only_record(tmp_path / folder).values)
    assert values[0] == values[1]


def test_a_record_says_which_images_belong_together(small_config, small_streets, checkpoint, tool, tmp_path):
    assert tool("test", small_config(), checkpoint, "--work-dir", tmp_path / "single").status == 0
    assert only_record(tmp_path / "single").details["per_image_frames"] == []
    # If the same files are read as Cityscapes, each is a drive with one frame in a city.
    place = str(small_streets)
    lines = f"test_dataloader = dict(dataset=dict(type='Cityscapes', data_root={place!r}))"
    assert tool("test", small_config(lines), checkpoint, "--work-dir", tmp_path / "city").status == 0
    frames = only_record(tmp_path / "city").details["per_image_frames"]
    assert frames == [("generated", 0), ("generated", 1_000_000)]


def test_a_name_that_is_not_utf8(small_config, small_streets, checkpoint, tool, tmp_path):
    data = Path(shutil.copytree(small_streets, tmp_path / "streets"))
    for kind, ending in (("leftImg8bit", "leftImg8bit.png"), ("gtFine", "gtFine_labelTrainIds.png")):
        path = sorted((data / kind / "val").rglob(f"*_{ending}"))[0]
        path.rename(path.with_name(os.fsdecode(b"a\xff_") + ending))
    show = tmp_path / "show"
    options = ("--work-dir", tmp_path / "w", "--show-dir", show)
    outcome = tool("test", small_config(data=data), checkpoint, *options)
    assert outcome.status == 0, outcome.err
    assert "a\\xff_leftImg8bit.png" in only_record(tmp_path / "w").details["per_image_names"]
    assert (show / os.fsdecode(b"a\xff_leftImg8bit.png")).is_file()
    assert tool("check_dataset", small_config(data=data), "--json", tmp_path / "check.json").status == 0


def test_labels_without_a_class_are_explained(small_config, small_streets, checkpoint, tool, tmp_path):
    data = Path(shutil.copytree(small_streets, tmp_path / "streets"))
    for path in data.rglob("val/**/*_labelTrainIds.png"):
        cv2.imwrite(str(path), np.full((64, 128), 255, np.uint8))
    outcome = tool("test", small_config(data=data), checkpoint, "--work-dir", tmp_path / "w")
    assert outcome.status == 0, outcome.err
    assert "nan: none of these images has a pixel with a label" in outcome.out
    assert only_record(tmp_path / "w").values["miou_percent"] is None


@pytest.mark.parametrize("launcher", ["pytorch", "slurm", "mpi"])
def test_a_launcher_that_did_not_start_the_process_is_one_line(launcher, small_config, checkpoint, tool):
    outcome = tool("test", small_config(), checkpoint, "--launcher", launcher)
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert f"--launcher {launcher}: this process was not started by" in outcome.err


def test_measures_asked_for_by_name_are_in_the_record(small_config, checkpoint, tool, tmp_path):
    options = ("--calibration", "--boundary", "--object-size", "--work-dir", tmp_path / "w")
    outcome = tool("test", small_config(), checkpoint, *options)
    assert outcome.status == 0, outcome.err
    record = only_record(tmp_path / "w")
    assert find_alteration(record) is None
    for name, measure in MEASURES.items():
        counts = unpack(record.details[f"per_image_{name}"])
        assert len(counts) == record.details["images"]
        for key, value in measure.scores(counts.sum(0)).items():
            assert record.values[key] == pytest.approx(value, nan_ok=True)
            assert key.removesuffix("_percent").replace("_", " ") in outcome.out
    pixels = unpack(record.details["per_image_calibration"])[:, 0].sum()
    assert pixels == unpack(record.details["per_image_confusion"]).sum()
    altered = record.model_copy(update={"values": {**record.values, "ece_percent": 1.5}})
    assert "ece_percent is 1.5" in find_alteration(altered)


def test_calibration_of_augmented_predictions_is_refused(small_config, checkpoint, tool, tmp_path):
    outcome = tool("test", small_config(), checkpoint, "--tta", "--calibration", "--work-dir", tmp_path / "w")
    assert outcome.status == 2
    assert "measure it without test-time augmentation" in outcome.err
    assert not (tmp_path / "w").exists()


@pytest.fixture
def darkening(monkeypatch) -> list:
    """Replace the library by a function that darkens images with the severity; return its calls."""
    done = []

    def darken(image, corruption, name):
        done.append((corruption, name))
        return image // (2 * corruption.severity)

    monkeypatch.setattr(corruptions, "corrupt", darken)
    monkeypatch.setattr(corruptions, "library", lambda: "darkening 1.0")
    return done


@pytest.mark.thorough
def test_each_corruption_has_a_record_and_is_measured_once(
    small_config, checkpoint, tool, tmp_path, darkening, monkeypatch
):
    seen, process = [], ConfusionMatrixMetric.process

    def watched(metric, batch, samples):
        seen.extend(float(image.float().mean()) for image in batch["inputs"])
        process(metric, batch, samples)

    monkeypatch.setattr(ConfusionMatrixMetric, "process", watched)
    work, cache = tmp_path / "w", tmp_path / "cache"
    config = small_config(f"test_dataloader['dataset'].update(cache_dir={str(cache)!r})")
    command = ("test", config, checkpoint, "--work-dir", work, "--corruptions", "fog", "snow")
    options = ("--show-dir", tmp_path / "show", "--boundary")
    outcome = tool(*command, "--severities", "1", "3", *options)
    assert outcome.status == 0, outcome.err
    records = read_records([work])[0]
    (clean,) = (r for r in records if r.kind == "accuracy")
    corrupted = {
        (r.details["corruption"], r.details["severity"]): r for r in records if r.kind == "corruption"
    }
    assert sorted(corrupted) == [(name, severity) for name in ("fog", "snow") for severity in (1, 3)]
    images = clean.details["per_image_names"]
    assert len(darkening) == 4 * len(images)
    assert {name for _, name in darkening} == set(images)
    matrices = {key: unpack(r.details["per_image_confusion"]) for key, r in corrupted.items()}
    total = unpack(clean.details["per_image_confusion"]).sum()
    assert all(counts.sum() == total for counts in matrices.values())
    brightness = np.reshape(seen, (5, len(images))).mean(1)  # as it is, then fog 1, fog 3, snow 1, snow 3
    assert brightness[1:] / brightness[0] == pytest.approx([1 / 2, 1 / 6, 1 / 2, 1 / 6], rel=0.05)
    for record in corrupted.values():
        assert find_alteration(record) is None
        assert record.details["library"] == "darkening 1.0"
        assert record.provenance.checkpoint_sha256 == clean.provenance.checkpoint_sha256
        assert "per_image_boundary" not in record.details
    assert "boundary_iou_percent" in clean.values
    mean = np.mean([r.values["miou_percent"] for r in corrupted.values()])
    assert f"mean mIoU on corrupted images: {mean:.2f}%" in outcome.out

    darkening.clear()
    outcome = tool(*command, "--severities", "1", "2", "3")
    assert outcome.status == 0, outcome.err
    assert {(c.name, c.severity) for c, _ in darkening} == {("fog", 2), ("snow", 2)}
    assert len([r for r in read_records([work])[0] if r.kind == "corruption"]) == 6


def test_pictures_show_images_as_they_are(small_config, checkpoint, tool, tmp_path, darkening):
    options = ("--work-dir", tmp_path / "w", "--show-dir")
    for place, more in (("clean", ()), ("both", ("--corruptions", "fog", "--severities", "5"))):
        assert tool("test", small_config(), checkpoint, *options, tmp_path / place, *more).status == 0
    pictures = sorted((tmp_path / "clean").rglob("*.png"))
    assert pictures
    for picture in pictures:
        twin = tmp_path / "both" / picture.relative_to(tmp_path / "clean")
        assert twin.read_bytes() == picture.read_bytes()


def test_training_images_are_tested_as_those_of_val_are(small_config, checkpoint, tool, tmp_path):
    run = tmp_path / "run"
    done = tool("test", small_config(), checkpoint, "--split", "train", "--work-dir", run)
    assert done.status == 0, done.err
    record = only_record(run)
    assert record.details["split"] == "train"
    assert record.details["images"] == 6
    again = tool(
        "test", small_config(), checkpoint, "--split", "train", "--images", 3, "--work-dir", tmp_path / "3"
    )
    assert again.status == 0, again.err
    part = only_record(tmp_path / "3")
    names = record.details["per_image_names"]
    assert part.details["per_image_names"] == [names[0], names[2], names[5]]
    rows = unpack(record.details["per_image_confusion"])[[0, 2, 5]]
    assert np.array_equal(unpack(part.details["per_image_confusion"]), rows)
    assert part.provenance.dataset_fingerprint != record.provenance.dataset_fingerprint
    assert part.config == record.config  # that of the training
    refused = tool("test", small_config(), checkpoint, "--images", 0, "--work-dir", run)
    assert (refused.status, "at least one image" in refused.err) == (2, True)


def test_joined_training_sets_are_tested_too(small_config, checkpoint, tool, small_streets, tmp_path):
    config = small_config(
        "part = dict(type='StreetsDataset', split='train', pipeline=[dict(type='PackSegInputs')])",
        f"part['data_root'] = {str(small_streets)!r}",
        "train_dataloader['dataset'] = dict(_delete_=True, type='ConcatDataset', datasets=[part, part])",
    )
    done = tool("test", config, checkpoint, "--split", "train", "--images", 4, "--work-dir", tmp_path / "run")
    assert done.status == 0, done.err
    assert only_record(tmp_path / "run").details["images"] == 4
