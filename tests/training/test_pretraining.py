"""LEDNet's encoder is pretrained on a folder of images, and starts a segmentation network."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import PARAM_SCHEDULERS
from PIL import Image

from lednet_mm.checkpoints.reading import read_checkpoint
from lednet_mm.config import load_config
from lednet_mm.datasets.image_folder import ImageFolder, centre, random_box
from lednet_mm.datasets.reproducible import Draw
from lednet_mm.evaluation.top_accuracy import TopAccuracy
from lednet_mm.records import read_records
from tests.conftest import ROOT

SMALL = (
    "model.backbone.type=LEDNet",
    "model.backbone.blocks=(1,1)",
    "model.backbone.dilations=(1,2)",
    "train_dataloader.batch_size=4",
    "val_dataloader.batch_size=4",
    "train_dataloader.dataset.size=32",
    "val_dataloader.dataset.size=32",
    "train_cfg.max_epochs=2",
    "param_scheduler.0.begin=0",
    "default_hooks.checkpoint.interval=1",
    "default_hooks.checkpoint.max_keep_ckpts=9",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three classes of images of one colour each, some of them in folders below, as JPEG and PNG."""
    root = tmp_path_factory.mktemp("imagenet") / "colours"
    rng = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 2)):
        for number, name in enumerate(("blue", "green", "red")):
            for i in range(count):
                pixels = rng.integers(0, 60, (40 + 4 * i, 52, 3), np.uint8)
                pixels[..., 2 - number] += 190
                path = root / split / name / ("more" if i == 1 else "") / f"{i}.{'png' if i else 'JPEG'}"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
    return root


@pytest.mark.thorough
def test_pretrained_resumed_and_taken_by_a_segmentation_network(
    folder, quick_config, tmp_path, tool, one_thread
):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    done = tool("pretrain", folder, "--work-dir", whole, "--seed", 3, "--cfg-options", *SMALL)
    assert done.status == 0, done.err
    cut.mkdir()
    shutil.copy(whole / "iter_2.pth", cut)  # what a run leaves that is killed within the first epoch
    done = tool("pretrain", folder, "--work-dir", cut, "--seed", 3, "--resume", "--cfg-options", *SMALL)
    assert done.status == 0, done.err
    states = [read_checkpoint(run / "iter_6.pth")["state_dict"] for run in (whole, cut)]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert states[0]["linear.weight"].shape == (3, 128)

    records, problems = read_records([whole])
    assert problems == {}
    by_kind = {record.kind: record for record in records}
    assert by_kind.keys() == {"train", "classification"}
    found = by_kind["classification"]
    assert (found.details["images"], found.details["classes"]) == (6, 3)
    assert found.values["top5_percent"] == 100  # of three classes
    assert [step for step, _ in by_kind["train"].details["validation_curve_top1_percent"]] == [3, 6]
    assert by_kind["train"].details["validation_curve_top1_percent"][-1][1] == found.values["top1_percent"]
    assert (found.run.network, found.run.dataset) == ("lednet_classifier", "colours")

    settings = ("model.backbone.blocks=(1,1)", "model.backbone.dilations=(1,2)", "train_cfg.max_iters=1")
    arguments = (
        "--work-dir",
        tmp_path / "run",
        "--pretrained",
        whole / "iter_6.pth",
        "--cfg-options",
        *settings,
    )
    done = tool("train", quick_config(), *arguments)
    assert done.status == 0, done.err
    encoder = [n for n in states[0] if n.startswith("backbone.") and not n.endswith("num_batches_tracked")]
    assert f"{len(encoder)} of its encoder's {len(encoder)}" in done.out + done.err


@pytest.mark.thorough
@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without a GPU")
def test_two_processes_pretrain_and_count_each_image_once(folder, tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port"]
    command += ["29581", "tools/pretrain.py", folder, "--launcher", "pytorch", "--work-dir", tmp_path]
    command += ["--cfg-options", *SMALL, "train_cfg.max_epochs=1", "train_dataloader.batch_size=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    records, problems = read_records([tmp_path])
    assert problems == {}
    by_kind = {record.kind: record for record in records}
    assert by_kind["train"].values["processes"] == 2
    assert by_kind["train"].values["iterations"] == 3  # 12 images, 2 in each of two processes
    assert by_kind["classification"].details["images"] == 6
    hits = by_kind["classification"].values["top1_percent"] / 100 * 6
    assert hits == pytest.approx(round(hits))


def test_a_folder_without_classes_is_refused(folder, tmp_path, tool):
    (tmp_path / "one" / "train" / "blue").mkdir(parents=True)
    for given, said in ((tmp_path, "is no folder"), (tmp_path / "one", "has 1 folders")):
        failed = tool("pretrain", given, "--work-dir", tmp_path / "run")
        assert failed.status == 2
        assert said in failed.err
    shutil.copytree(folder, tmp_path / "other")
    shutil.rmtree(tmp_path / "other" / "val" / "red")
    failed = tool("pretrain", tmp_path / "other", "--work-dir", tmp_path / "run")
    assert failed.status == 2
    assert "'red' is in one of train and val only" in failed.err


def test_the_schedule_is_the_authors():
    config = load_config(ROOT / "configs/pretraining/lednet_imagenet.py")
    parameter = torch.nn.Parameter(torch.zeros(1))
    wrapper = OptimWrapper(torch.optim.SGD([parameter], lr=0.1, momentum=0.9, weight_decay=1e-4))
    schedules = [
        PARAM_SCHEDULERS.build({**schedule, "end": 150}, default_args={"optimizer": wrapper})
        for schedule in config.param_scheduler
    ]
    for epoch in range(150):
        (group,) = wrapper.param_groups
        late = epoch > 15  # adjust_learning_rate in imagenet-pretrain/main.py
        assert group["lr"] == pytest.approx(0.1 * 0.95 ** (epoch - 15) if late else 0.1)
        assert group["weight_decay"] == (0 if late else 1e-4)
        parameter.grad = torch.zeros(1)
        wrapper.step()
        for schedule in schedules:
            schedule.step()


def test_the_same_draw_gives_the_same_image(folder):
    images = ImageFolder(str(folder), size=32, augment=True)
    first, again, other = (images[Draw(3, seed)]["inputs"] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == (3, 32, 32)


def test_parts_have_the_area_and_ratio_that_they_should():
    random = np.random.default_rng(0)
    boxes = np.array([random_box(random, 400, 300) for _ in range(500)])
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    assert boxes.min() >= 0
    assert boxes[:, 2].max() <= 400
    assert boxes[:, 3].max() <= 300
    assert 0.079 < (width * height / 120000).min() < 0.12
    assert 0.74 < (width / height).min() < 0.8
    assert 1.25 < (width / height).max() < 1.35
    assert random_box(random, 1000, 10)[3] == 10  # no part of that ratio fits


def test_the_centre_is_that_of_the_image_at_256_to_224():
    gradient = np.tile(np.arange(256, dtype=np.uint8), (128, 1))
    image = centre(Image.fromarray(np.stack([gradient] * 3, 2)), 112)
    assert image.size == (112, 112)
    assert np.array(image)[0, :, 0].tolist() == list(range(72, 184))


def test_top_1_and_top_5():
    metric = TopAccuracy()
    scores = torch.eye(8)[:, :8] + torch.linspace(0, 0.5, 8)
    metric.process({"labels": torch.tensor([0, 1, 7, 2])}, list(scores[[0, 1, 6, 6]]))
    # The third image's own class is second, and the fourth image's class 2 is sixth.
    assert metric.compute_metrics(metric.results) == {"top1": 50, "top5": 75}
