"""From a checkpoint to an INT8 file and to what it costs in accuracy, with the commands that people use."""

import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from lednet_mm.config import load_config
from lednet_mm.deployment.export import Normalised, export_onnx
from lednet_mm.deployment.inference import build_network
from lednet_mm.deployment.onnx_file import read_onnx
from lednet_mm.errors import InputError
from lednet_mm.evaluation.confusion import unpack
from lednet_mm.evaluation.prediction import Predictor
from lednet_mm.files import file_sha256
from lednet_mm.records import read_records
from lednet_mm.reports.alterations import find_alteration
from lednet_mm.reports.deployed import backend_of
from lednet_mm.timing.backends import Backend
from lednet_mm.timing.engines import prepare_engine
from lednet_mm.timing.networks import subject_of
from lednet_mm.training.deployed import device_for
from lednet_mm.training.quantising import calibration_images, quantised_for_timing, read_trained
from tests.conftest import ROOT, SMALL_MODEL

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

SIZE = ("--shape", 64, 128)


@pytest.fixture(scope="module")
def made(small_streets, tmp_path_factory):
    """Return a folder with a config, weights of its network with fitting statistics, and its two exports."""
    folder = tmp_path_factory.mktemp("made")
    lines = [
        f"_base_ = {str(ROOT / 'configs/lednet_streets.py')!r}",
        *(
            f"{split}_dataloader = dict(num_workers=0, persistent_workers=False, "
            f"dataset=dict(data_root={str(small_streets)!r}))"
            for split in ("train", "val", "test")
        ),
        SMALL_MODEL,
    ]
    (folder / "small.py").write_text("\n".join(lines))
    config = load_config(folder / "small.py")
    torch.manual_seed(0)
    model = build_network(config)
    images = torch.stack([image[0] for image in calibration_images(config, 4, 3)])
    normalised = Normalised(nn.Identity(), config.model.data_preprocessor)(images)
    # It learns to see how bright a pixel is, so that many classes occur among its predictions.
    brightness = (images.mean(1) / 256 * 19).long()
    optimizer = torch.optim.Adam(model.train().parameters(), 1e-2)
    for _ in range(25):
        loss = nn.functional.cross_entropy(model.logits(normalised), brightness)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.save({"state_dict": model.state_dict(), "meta": {"seed": 7}}, folder / "weights.pth")
    return folder


@pytest.fixture(scope="module")
def trained(made):
    return read_trained(load_config(made / "small.py"), made / "weights.pth")


def export(tool, made, *options):
    out = made / "int8.onnx"
    words = [made / "small.py", made / "weights.pth", out, *SIZE, "--int8", "--overwrite"]
    return out, tool("export", *words, *options)


@pytest.fixture
def int8(tool, made):
    out = made / "int8.onnx"
    if not out.exists():
        _, outcome = export(tool, made, "--calibration", 4, "--max-loss", 100)
        assert outcome.status == 0, outcome.err
        assert "calibrated on 4 images of train; mIoU " in outcome.out
        assert "on 2 images of val (ONNX Runtime)" in outcome.out
    return out


@pytest.mark.thorough
def test_a_file_says_what_it_was_calibrated_on(int8, made, small_streets):
    file = read_onnx(int8)
    assert (file.precision, file.deployed, file.seed) == ("int8", True, 7)
    assert file.checkpoint_sha256 == file_sha256(made / "weights.pth")
    assert file.calibration["images"] == 4
    images = calibration_images(load_config(made / "small.py"), 4, 3)
    assert file.calibration == images.facts
    names = {path.name for path in small_streets.rglob("train/**/*_leftImg8bit.png")}
    assert len(names) == 6
    assert set(images.names) < names  # and none of val


@pytest.mark.thorough
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_the_accuracy_of_a_file_is_recorded_and_compared(engine, int8, made, tool, tmp_path):
    pytest.importorskip(engine)
    config, weights = made / "small.py", made / "weights.pth"
    assert tool("test", config, weights, "--work-dir", tmp_path / "own").status == 0
    outcome = tool(
        "test", config, int8, "--engine", engine, "--work-dir", tmp_path, "--against", tmp_path / "own"
    )
    assert outcome.status == 0, outcome.err
    assert "points to the checkpoint in plain PyTorch" in outcome.out
    assert "95% interval" in outcome.out
    plain, record = read_records([tmp_path])[0]
    assert find_alteration(record) is None
    assert backend_of(record) == Backend(engine, "int8", deployed=True)
    assert engine in record.provenance.versions
    assert record.run == plain.run
    assert record.run.seed == 7
    assert record.provenance.checkpoint_sha256 == plain.provenance.checkpoint_sha256
    assert record.details["file"] == "int8.onnx"
    assert record.details["file_sha256"] == file_sha256(int8)
    assert record.details["file_bytes"] == int8.stat().st_size
    assert record.details["calibration"]["images"] == 4
    ours, theirs = (unpack(each.details["per_image_confusion"]) for each in (record, plain))
    assert ours.sum() == theirs.sum()
    assert np.trace(ours.sum(0)) == pytest.approx(np.trace(theirs.sum(0)), rel=0.25)
    assert not np.array_equal(ours, theirs)


@pytest.mark.thorough
def test_an_fp32_file_predicts_what_the_checkpoint_predicts(made, tool, tmp_path):
    config, weights, out = made / "small.py", made / "weights.pth", tmp_path / "fp32.onnx"
    assert tool("export", config, weights, out, *SIZE, "--deployed").status == 0
    for what in ([weights], [out], [weights, "--engine", "channels_last", "--deployed"]):
        assert tool("test", config, *what, "--work-dir", tmp_path / "work").status == 0
    first, *others = (unpack(r.details["per_image_confusion"]) for r in read_records([tmp_path / "work"])[0])
    for other in others:
        assert np.abs(other - first).sum() <= 2 * 0.001 * first.sum()  # near ties may fall either way


def test_a_network_runs_where_its_engine_has_kernels(monkeypatch):
    gpu, cpu = torch.device("cuda"), torch.device("cpu")
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    assert device_for(Backend("onnxruntime"), gpu) == cpu
    assert device_for(Backend("openvino"), gpu) == cpu
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CUDAExecutionProvider"])
    assert device_for(Backend("onnxruntime"), gpu) == gpu
    assert device_for(Backend("onnxruntime", "int8", True), gpu) == cpu
    assert device_for(Backend("eager"), gpu) == gpu


@pytest.mark.thorough
def test_what_is_timed_is_what_the_file_computes(int8, trained, made):
    """The file normalises images itself; the version for timing takes normalised ones."""
    images = calibration_images(trained.config, 4, 3)
    quantised = quantised_for_timing(trained, images, (64, 128))
    raw = next(iter(images))
    with torch.no_grad():
        prepared = trained.normalised(nn.Identity())(raw)
    ours = torch.as_tensor(prepare_engine("onnxruntime", read_onnx(int8).content, raw, "int8", 1)())
    theirs = torch.as_tensor(prepare_engine("onnxruntime", quantised.content, prepared, "int8", 1)())
    assert (ours - theirs).abs().max() <= 0.01 * theirs.std()
    assert quantised.calibration == read_onnx(int8).calibration


@pytest.mark.thorough
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_what_is_timed_from_image_to_ids_is_resized_computed_and_resized_back(engine, trained):
    """Its parts, one by one: OpenCV resizes the images, the INT8 network computes, PyTorch resizes logits."""
    pytest.importorskip(engine)
    config = trained.config.copy()
    steps = [{"type": "LoadImage"}, {"type": "Resize", "scale": (96, 64), "keep_ratio": False}]
    config.test_dataloader.dataset.pipeline = [*steps, {"type": "PackSegInputs"}]
    quantised = quantised_for_timing(trained, calibration_images(trained.config, 4, 3), (64, 128))
    frames = quantised.frame.repeat(2, 1, 1, 1)
    frames[1] = frames[1].flip(1)
    subject = subject_of("image", trained.network, config, 3)
    call = prepare_engine(engine, subject.around(quantised.content, frames), frames, "int8", 1)
    found = torch.as_tensor(call())
    seen = torch.stack([torch.from_numpy(cv2.resize(frame.numpy(), (96, 64))) for frame in frames])
    mean, std = (torch.tensor(config.model.data_preprocessor[key]).float() for key in ("mean", "std"))
    normalised = ((seen.float() - mean) / std).permute(0, 3, 1, 2).contiguous()
    logits = torch.as_tensor(prepare_engine("onnxruntime", quantised.content, normalised, "int8", 1)())
    expected = nn.functional.interpolate(logits, size=(64, 128), mode="bilinear").argmax(1)
    assert (found.shape, found.dtype) == ((2, 64, 128), torch.uint8)
    assert len(expected.unique()) > 3
    assert (found == expected).float().mean() > (0.999 if engine == "onnxruntime" else 0.97)


def test_the_program_of_the_documentation_runs(int8, made, small_streets, tmp_path):
    text = (ROOT / "docs/deployment.md").read_text()
    (tmp_path / "segment.py").write_text(text.split("```python\n")[1].split("```")[0])
    image = sorted(small_streets.rglob("val/**/*_leftImg8bit.png"))[0]
    command = [sys.executable, "segment.py", int8, image, "ids.png"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert ended.returncode == 0, ended.stderr
    ids = cv2.imread(str(tmp_path / "ids.png"), cv2.IMREAD_UNCHANGED)
    expected = Predictor(load_config(made / "small.py"), made / "weights.pth", torch.device("cpu"))(image)
    assert ids.shape == expected.shape
    assert (ids == expected).mean() > 0.8
    shares = [float(line.rsplit(" ", 1)[1].rstrip("%")) for line in ended.stdout.splitlines()]
    assert sum(shares) == pytest.approx(100, abs=1)


@pytest.mark.thorough
def test_a_loss_above_the_gate_keeps_the_earlier_file(tool, made, int8):
    before = int8.read_bytes()
    _, outcome = export(tool, made, "--calibration", 2, "--max-loss", -100)
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert "not written: mIoU" in outcome.err
    assert "-100 are allowed" in outcome.err
    assert int8.read_bytes() == before


@pytest.mark.thorough
def test_a_benchmark_has_latency_and_accuracy_of_the_same_rows(made, tool, tmp_path):
    pytest.importorskip("openvino")
    config, weights = made / "small.py", made / "weights.pth"
    words = [config, "--checkpoint", weights, *SIZE, "--engine", "onnxruntime", "--deployed"]
    words += ["--precision", "fp32", "int8", "--calibration", 4, "--accuracy", "test"]
    words += ["--samples", 2, "--seconds", 0.1, "--work-dir", tmp_path / "work"]
    outcome = tool("benchmark", *words)
    assert outcome.status == 0, outcome.err
    records = read_records([tmp_path / "work"])[0]
    of_kind = {
        kind: {backend_of(record): record for record in records if record.kind == kind}
        for kind in ("latency", "accuracy")
    }
    assert len(of_kind["latency"]) == 2
    assert of_kind["accuracy"].keys() == {Backend(), *of_kind["latency"]}
    row = Backend("onnxruntime", "int8", deployed=True)
    assert of_kind["latency"][row].details["calibration"] == of_kind["accuracy"][row].details["calibration"]
    assert "onnxruntime int8 deployed: mIoU" in outcome.out
    words = [config, "--checkpoint", weights, *SIZE, "--engine", "onnxruntime", "--deployed"]
    words += ["--precision", "int8", "--calibration", 4, "--timed", "image", "--samples", 2]
    words += ["--seconds", 0.1, "--work-dir", tmp_path / "images"]
    assert tool("benchmark", *words).status == 0
    (record,) = read_records([tmp_path / "images"])[0]
    assert record.details["timed"] == "uint8 images to class ids, both at the size of the camera"

    assert tool("report", tmp_path / "work", "--out", tmp_path / "report").status == 0
    table = (tmp_path / "report/deployed.md").read_text()
    assert table.count("| lednet") == 3
    assert "Fastest of lednet on streets within" in table
    assert (tmp_path / "report/deployed.svg").stat().st_size > 1000
    summary = (tmp_path / "report/summary.md").read_text()
    plain = of_kind["accuracy"][Backend()].values["miou_percent"]
    assert f" {plain:.2f} " in summary  # not that of a deployed form, though these are newer


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--calibration", 7), "the train split has 6 images: --calibration 7 is too many"),
        (
            ("--cfg-options", "train_dataloader=none"),
            "calibrated on the train split, and this config has none",
        ),
        (("--cfg-options", "train_dataloader.dataset.data_root=nowhere"), "nowhere"),
    ],
)
def test_images_for_the_calibration_that_are_not_there(options, reason, made, tool):
    _, outcome = export(tool, made, *options)
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert reason in outcome.err


def test_a_gate_without_labels_is_one_line(made, small_streets, tool, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(small_streets, data)
    for label in data.rglob("gtFine/val/**/*.png"):
        label.unlink()
    _, outcome = export(
        tool, made, "--calibration", 2, "--cfg-options", f"val_dataloader.dataset.data_root={data}"
    )
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert "gtFine" in outcome.err


def test_images_of_another_size_than_a_fixed_file(trained, made):
    from lednet_mm.training.quantising import export_int8

    class Fixed(nn.Module):
        def forward(self, images):
            convolved = nn.functional.conv2d(images, torch.ones(19, 3, 1, 1))
            return nn.functional.interpolate(convolved, size=tuple(map(int, images.shape[2:])))

    exported = export_onnx(Fixed(), shape=(32, 64), metadata=trained.facts(deployed=True))
    assert not exported.dynamic
    images = calibration_images(trained.config, 2, 3)
    with pytest.raises(
        InputError, match=r"1x3x32x64 alone, and these are 1x3x64x128: .*\.png: give this size"
    ):
        export_int8(trained, exported, images, "a.onnx")


@pytest.mark.parametrize(
    ("tool_name", "options", "reason"),
    [
        ("test", ["FILE", "--engine", "eager"], "runs on onnxruntime, openvino, tensorrt"),
        ("test", ["FILE", "--precision", "bf16"], "computes in int8"),
        ("test", ["FILE", "--deployed"], "exported in its form already"),
        ("test", ["FILE", "--cfg-options", "variant=other"], "variant other"),
        ("test", ["WEIGHTS", "--against", "nowhere"], "tested in plain PyTorch"),
        ("test", ["README.onnx"], "no valid ONNX file"),
        ("export", ["WEIGHTS", "x.onnx", "--calibration", 3], "--calibration belongs to --int8"),
        ("export", ["WEIGHTS", "x.onnx", "--max-loss", 3], "--max-loss belongs to --int8"),
        ("benchmark", ["--precision", "int8"], "give them by --checkpoint"),
        ("benchmark", ["--accuracy", "val"], "give them by --checkpoint"),
        ("benchmark", ["--calibration", 2], "--calibration belongs to --precision int8"),
        ("benchmark", ["--images", 2], "--images belongs to --accuracy"),
    ],
)
def test_options_that_do_not_belong_together(tool_name, options, reason, made, int8, tool):
    (made / "README.onnx").write_text("no network")
    named = {"FILE": int8, "WEIGHTS": made / "weights.pth", "README.onnx": made / "README.onnx"}
    outcome = tool(tool_name, made / "small.py", *(named.get(option, option) for option in options))
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert reason in outcome.err
