"""Every recipe and option trains LEDNet and DABNet, and continues after kill -9 with the same bits."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from mmseg.registry import TRANSFORMS

from lednet_mm.catalog import dataset_files, option_files, recipe_files
from lednet_mm.checkpoints.binding import compare_with_config
from lednet_mm.checkpoints.reading import read_checkpoint
from lednet_mm.config import Choice, config_text, load_config, run_of
from lednet_mm.errors import InputError
from lednet_mm.training.checkpointing import SafeCheckpointHook
from lednet_mm.training.training import train
from tests.conftest import ROOT
from tests.datasets.small_sets import OWN, make_pairs

pytestmark = pytest.mark.thorough

ELSEWHERE = {"lednet_authors_coarse_first", "distill", "distill_features"}
"""These need other data or a teacher, and are in test_coarse.py and test_distillation.py."""
COMBINATIONS = [
    *(name for name in recipe_files() if name not in ELSEWHERE),
    "common+label_smoothing+radam+warmup_poly+rotation",
    "common+focal+lookahead+sgdr+recompute",
    "common+ohem+adamw+cyclic_triangular+ema",
    "common+lovasz+cyclic_triangular2+median_frequency",
    "common+dice+cyclic_exp_range+swa",
    "common+class_balanced+radam+lookahead",
    "lightnet_authors+bootstrapped+swa",
    "common+keep_best+early_stopping+training_pictures+clip_gradients+accumulate",
    "common+freeze_encoder",
]
"""Recipes in which every option occurs."""


@pytest.fixture(scope="module")
def card(tmp_path_factory) -> Path:
    """A dataset of five images of about 24x32 pixels with two classes."""
    folder = tmp_path_factory.mktemp("recipes")
    splits = {}
    for split, images in (("train", 4), ("val", 1)):
        make_pairs(folder / "data" / split, images)
        splits[split] = {"images": f"{split}/images", "labels": f"{split}/masks"}
    content = {
        **OWN,
        "splits": splits,
        "crop_size": [32, 64],
        "class_weight": [1.5, 3.0],
        "median_weight": [0.5, 2.0],
    }
    (folder / "potholes.yaml").write_text(yaml.safe_dump(content))
    return folder / "potholes.yaml"


def options(**more) -> dict:
    return {
        "train_cfg.max_iters": 2,
        "train_cfg.val_interval": 2,
        "train_dataloader.batch_size": 2,
        "default_hooks.checkpoint.interval": 1,
        **more,
    }


def changes_of(recipe: str) -> dict:
    """Return options that let averages begin within two iterations, and weights for two classes."""
    changes: dict = {}
    if "+swa" in recipe:
        changes = {"default_hooks.averaging.epochs": 0.5, "default_hooks.averaging.begin": 0}
    if "+training_pictures" in recipe:
        changes["default_hooks.pictures.interval"] = 1
    if "+accumulate" in recipe:  # a run is continued after a step of the optimizer; see test_comfort.py
        changes["optim_wrapper.accumulative_counts"] = 1
    if recipe.startswith("dabnet"):  # it has weights for the classes of its dataset
        changes["model.class_weight"] = [1.5, 3.0]
    return changes


def test_every_option_is_tried():
    used = {part for recipe in COMBINATIONS for part in recipe.split("+")}
    assert used | ELSEWHERE == {*recipe_files(), *option_files()}


def parts(checkpoint: dict) -> dict[str, torch.Tensor]:
    """Return every tensor of a checkpoint by its place."""
    found: dict[str, torch.Tensor] = {}

    def collect(value, place: str) -> None:
        if isinstance(value, torch.Tensor):
            found[place] = value
        elif isinstance(value, dict):
            for key, item in value.items():
                collect(item, f"{place}.{key}")

    for key in ("state_dict", "beside_the_weights", "optimizer"):
        collect(checkpoint.get(key, {}), key)
    return found


def train_and_be_killed(*arguments, **settings) -> None:
    """Train in a process of its own, which is killed in the second iteration, before its checkpoint."""
    child = os.fork()
    if child == 0:
        try:
            save = SafeCheckpointHook.after_train_iter

            def save_or_die(hook, runner, *unused, **unused_too) -> None:
                if runner.iter == 1:
                    os.kill(os.getpid(), signal.SIGKILL)
                save(hook, runner, *unused, **unused_too)

            SafeCheckpointHook.after_train_iter = save_or_die
            train(*arguments, **settings)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL


@pytest.mark.parametrize("recipe", COMBINATIONS)
def test_two_iterations_killed_and_resumed(card, tmp_path, recipe, one_thread):
    choice = Choice("lednet", str(card), recipe)
    more = options(
        **changes_of(recipe),
        **{"model.backbone.blocks": (1, 1), "model.backbone.dilations": (1, 2), "variant": "shallow"},
    )
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(choice, work_dir=whole, seed=3, options=more)

    train_and_be_killed(choice, work_dir=cut, seed=3, options=more)
    assert [path.name for path in cut.rglob("*.pth")] == ["iter_1.pth"]  # of the first stage

    train(choice, work_dir=cut, seed=3, options=more, resume=True)
    ours, theirs = (parts(read_checkpoint(folder / "iter_2.pth")) for folder in (cut, whole))
    assert ours.keys() == theirs.keys()
    assert not [name for name in theirs if not torch.equal(ours[name], theirs[name])]


@pytest.mark.parametrize("recipe", COMBINATIONS)
def test_dabnet_too(card, tmp_path, recipe, one_thread):
    more = options(**changes_of(recipe), **{"default_hooks.checkpoint.interval": 2})
    train(Choice("dabnet", str(card), recipe), work_dir=tmp_path, options=more)
    assert (tmp_path / "iter_2.pth").is_file()


class TestOptionsOfARecipe:
    """What ``common+focal+swa`` means."""

    def test_they_change_the_recipe_and_are_named(self):
        config = load_config(Choice("lednet", "streets", "lednet_authors+focal+radam+swa"), imports=False)
        assert config.recipe == "lednet_authors+focal+radam+swa"
        assert config.model.loss == {"type": "FocalCrossEntropy", "gamma": 2.0}
        assert config.optim_wrapper.optimizer == {
            "type": "RAdam",
            "lr": 5e-4,
            "weight_decay": 1e-4,
            "decoupled_weight_decay": True,
        }
        assert config.default_hooks.averaging.average == "swa"
        assert config.default_hooks.checkpoint.type == "SafeCheckpointHook"

    def test_a_resolved_config_says_the_same_when_it_is_read_again(self, card, tmp_path):
        config = load_config(Choice("lednet", str(card), "lightnet_authors+rotation"), options())
        path = tmp_path / "resolved.py"
        config.dump(path)
        again = load_config(path)
        again.pop("network_file", None)
        assert again.to_dict() == config.to_dict()
        assert config.train_dataloader.batch_size == 2

    @pytest.mark.parametrize(
        ("recipe", "reason"),
        [
            ("common+focal+dice", "focal and dice both set loss"),
            ("common+swa+ema", "swa and ema both set default_hooks.averaging"),
            ("common+sgdr+warmup_poly", "both set param_scheduler"),
            ("common+focl", "no option of the name 'focl': there are focal"),
            ("focal", "no recipe of the name 'focal'"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, recipe, reason):
        with pytest.raises(InputError, match=reason):
            load_config(Choice("lednet", "streets", recipe), imports=False)

    def test_weights_that_the_dataset_does_not_have(self, card, tmp_path):
        lacking = tmp_path / "lacking.yaml"
        content = {**yaml.safe_load(card.read_text()), "root": str(card.parent / "data")}
        lacking.write_text(yaml.safe_dump({k: v for k, v in content.items() if k != "median_weight"}))
        with pytest.raises(InputError, match=r"the dataset has no median_weight: .*--weights median"):
            load_config(Choice("lednet", str(lacking), "common+median_frequency"), imports=False)


def test_augmentation_of_lightnet_at_the_size_of_cityscapes():
    options = Choice("lednet", "cityscapes", "lightnet_authors")
    config = load_config(options, imports=False)
    steps = {step["type"]: step for step in config.train_dataloader.dataset.pipeline}
    assert list(steps) == [
        *("SeedAugmentation", "LoadImage", "LoadLabels", "RandomFlip", "RandomResize", "RandomRotate"),
        *("Pad", "RandomCrop", "PackSegInputs"),
    ]
    assert steps["RandomCrop"]["crop_size"] == (448, 896)
    width, _ = steps["RandomResize"]["scale"]
    assert [share * width / 2048 for share in steps["RandomResize"]["ratio_range"]] == [0.5, 0.75]
    assert config.model.data_preprocessor["size"] == (448, 896)
    assert (config.train_cfg.max_iters, config.train_dataloader.batch_size) == (200 * 297, 10)


def test_rotation_comes_after_resizing_and_before_cropping():
    config = load_config(Choice("lednet", "streets", "common+rotation"), imports=False)
    kinds = [step["type"] for step in config.train_dataloader.dataset.pipeline]
    assert kinds.index("RandomResize") + 1 == kinds.index("RandomRotate") == kinds.index("Pad") - 1


def test_image_and_labels_are_turned_alike():
    """MMSegmentation's RandomRotate is used as it is: here a quarter, against NumPy, and small angles."""
    rng = np.random.default_rng(0)
    image, labels = rng.integers(0, 256, (9, 9, 3), np.uint8), rng.integers(0, 5, (9, 9), np.uint8)
    sample = {"img": image, "gt_seg_map": labels, "seg_fields": ["gt_seg_map"]}
    turned = TRANSFORMS.build({"type": "RandomRotate", "prob": 1.0, "degree": (90, 90)})({**sample})
    np.testing.assert_array_equal(turned["img"], np.rot90(image, -1))
    np.testing.assert_array_equal(turned["gt_seg_map"], np.rot90(labels, -1))
    config = load_config(Choice("lednet", "streets", "common+rotation"), imports=False)
    (step,) = [s for s in config.train_dataloader.dataset.pipeline if s["type"] == "RandomRotate"]
    rotate = TRANSFORMS.build(dict(step))
    np.random.seed(0)
    angles = [rotate.generate_degree() for _ in range(1000)]
    assert all(drawn for drawn, _ in angles)
    assert -5 <= min(a for _, a in angles) < -4.9 < 4.9 < max(a for _, a in angles) <= 5
    wide = {"img": np.full((40, 80, 3), 7, np.uint8), "gt_seg_map": np.ones((40, 80), np.uint8)}
    by_five = TRANSFORMS.build({**step, "degree": (5, 5)})
    turned = by_five({**wide, "seg_fields": ["gt_seg_map"]})
    uncovered = turned["gt_seg_map"] == 255
    assert 0 < uncovered.mean() < 0.2
    assert set(np.unique(turned["gt_seg_map"])) == {1, 255}
    assert (turned["img"][~uncovered] > 0).mean() > 0.99


def test_a_test_with_doubled_dilation_says_so():
    trained = load_config(Choice("lednet", "streets"), imports=False)
    doubled = load_config(Choice("lednet", "streets"), {"model.evaluation_dilation": 2}, imports=False)
    different = compare_with_config({"meta": {"config": config_text(trained)}}, doubled, "x.pth")
    assert different == ["model.evaluation_dilation (nothing there, 2 here)"]
    assert run_of(doubled) == run_of(trained)


def test_what_the_pages_name_exists():
    text = "".join((ROOT / "docs" / name).read_text() for name in ("seeds.md", "training.md"))
    named = set(re.findall(r"--recipe ([\w+]+)", text))
    assert len(named) > 10
    for recipe in named:
        load_config(Choice("mobilenetv2plus", "cityscapes", recipe), imports=False)
    for dataset in re.findall(r"--dataset (\w+)", text):
        assert dataset in dataset_files()


@pytest.mark.parametrize("name", [*recipe_files(), *(f"+{option}" for option in option_files())])
def test_a_line_explains_each(name, listed):
    assert len(listed[name].split()) >= 4
    assert len(listed[name]) <= 110
    assert listed[name].endswith(".")


@pytest.fixture(scope="module")
def listed() -> dict[str, str]:
    """What tools/list.py says of each recipe and option."""
    done = subprocess.run(
        [sys.executable, "tools/list.py", "recipes", "--json"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return {row["recipe"]: row["about"] for row in json.loads(done.stdout)}
