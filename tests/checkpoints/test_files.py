"""Weights are found in files of many layouts, compared with their config, and checked for NaN."""

from __future__ import annotations

import logging
import os
import re

import pytest
import torch
from mmengine.model import BaseModule
from mmengine.runner import CheckpointLoader, load_checkpoint
from torch import nn

from lednet_mm.checkpoints.binding import compare_with_config
from lednet_mm.checkpoints.files import (
    describe_not_finite,
    load_model,
    model_state,
    publish_checkpoint,
)
from lednet_mm.checkpoints.listing import checkpoints_of
from lednet_mm.checkpoints.loaders import load_from_location
from lednet_mm.checkpoints.locations import local_copy
from lednet_mm.checkpoints.reading import read_checkpoint
from lednet_mm.config import Choice, config_text, load_config, run_of
from lednet_mm.errors import InputError
from tests.checkpoints.test_reading import Runs


class Network(BaseModule):
    """A network with parts that are named like wrappers."""

    def __init__(self, init_cfg=None, width=3) -> None:
        super().__init__(init_cfg)
        self.model = nn.Conv2d(2, width, 1)
        self.norm = nn.BatchNorm2d(width)


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    return Network()


@pytest.fixture
def save(tmp_path):
    def write(content):
        torch.save(content, tmp_path / "w.pth")
        return tmp_path / "w.pth"

    return write


def renamed(state, prefix):
    return {prefix + name: tensor for name, tensor in state.items()}


LAYOUTS = {
    "plain": lambda s: s,
    "state_dict": lambda s: {"state_dict": s},
    "model_state_dict": lambda s: {"epoch": 1, "model_state_dict": s},
    "net": lambda s: {"net": s},
    "ema": lambda s: {"epoch": 3, "ema": s},
    "nested": lambda s: {"model": {"state_dict": s}},
    "module.": lambda s: {"state_dict": renamed(s, "module.")},
    "_orig_mod.": lambda s: {"state_dict": renamed(s, "_orig_mod.")},
    "module._orig_mod.": lambda s: {"model": renamed(s, "module._orig_mod.")},
    "model.": lambda s: {"state_dict": renamed(s, "model.")},
    "model.module.": lambda s: {"state_dict": renamed(s, "model.module.")},
    "compiled inside": lambda s: {n.replace("norm.", "norm._orig_mod."): t for n, t in s.items()},
    "Lightning": lambda s: {
        "pytorch-lightning_version": "2",
        "state_dict": {**renamed(s, "net."), "criterion.weight": torch.ones(3)},
    },
    "EMA beside it": lambda s: {"model": s, "ema": {name: tensor + 1 for name, tensor in s.items()}},
    "integer keys beside it": lambda s: {**s, 1: torch.zeros(2), (1, 2): torch.ones(1)},
    "without counters": lambda s: {name: tensor for name, tensor in s.items() if "num_batches" not in name},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout, network, save):
    other = Network()
    load_model(other, save(LAYOUTS[layout](network.state_dict())))
    assert all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in network.state_dict().items())


def test_without_a_model_only_wrappers_of_all_names_go(network):
    state = network.state_dict()
    assert model_state({"model": renamed(state, "module._orig_mod.")}).keys() == state.keys()
    assert model_state(renamed(state, "model.")).keys() == renamed(state, "model.").keys()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"epoch": 3, "optimizer": {}}, "its keys are: epoch, optimizer"),
        ({1: torch.ones(1)}, "its keys are: 1"),
        ({}, "its keys are: none"),
        ({"state_dict": {"model.weight": torch.eye(2).to_sparse()}}, "not a plain tensor"),
        ({"meta": [1], "state_dict": {}}, "meta is a list"),
    ],
)
def test_a_file_without_weights_says_what_it_has(content, message, network, save):
    with pytest.raises(InputError, match=message):
        load_model(network, save(content))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_weights_that_are_not_finite_are_named(value, kind):
    state = {"a": torch.zeros(3, dtype=kind), "b": torch.zeros(2, 3, dtype=kind), "n": torch.tensor(3)}
    assert describe_not_finite(state) is None
    state["b"][1, 2] = value
    assert describe_not_finite(state) == "b has 1 NaN or infinite values"
    state["a"][:2] = value
    assert re.match(
        r"a has 2 NaN or infinite values, the first of 2 such tensors", describe_not_finite(state)
    )


def test_weights_that_are_not_finite_are_neither_loaded_nor_published(network, save, tmp_path):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state = {**before, "model.bias": torch.full((3,), torch.nan)}
    path = save({"state_dict": state, "meta": {}})
    with pytest.raises(InputError, match=r"model.bias has 3 NaN"):
        load_model(network, path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    with pytest.raises(InputError, match=r"model.bias has 3 NaN"):
        publish_checkpoint(path, tmp_path / "public.pth")
    assert not (tmp_path / "public.pth").exists()


def trained(network, config) -> dict:
    meta = {"seed": 1, "iter": 4, "config": config_text(config), "run": run_of(config).model_dump()}
    return {"state_dict": network.state_dict(), "meta": meta, "optimizer": {"state": {}}}


@pytest.mark.parametrize("published", [False, True])
def test_a_variant_is_not_taken_for_another(published, network, save, tmp_path, caplog):
    config = load_config("configs/lednet_camvid.py")
    path = save(trained(network, config))
    if published:
        publish_checkpoint(path, tmp_path / "public.pth", half=False)
        path = tmp_path / "public.pth"
        assert read_checkpoint(path)["meta"]["run"]["network"] == "lednet"
        assert "optimizer" not in read_checkpoint(path)
    load_model(network, path, config)
    assert not caplog.records
    for other in (Choice("lednet", "camvid", variant="no_apn"), Choice("erfnet", "camvid")):
        with pytest.raises(
            InputError, match=r"weights of lednet, variant default, and the config is that of"
        ):
            load_model(network, path, load_config(other))
    options = {"model.decode_head.align_corners": True}
    with pytest.raises(InputError, match=r"that of lednet, variant default\+decode_head.align_corners=True"):
        load_model(network, path, load_config("configs/lednet_camvid.py", options))
    options["variant"] = "default"  # the name alone does not decide
    built_otherwise = load_config("configs/lednet_camvid.py", options)
    with pytest.raises(InputError, match=r"model.decode_head.align_corners \(nothing there, True here\)"):
        load_model(network, path, built_otherwise)
    images = {"model.data_preprocessor.mean": [0, 0, 0], "dataset": "mine"}
    with caplog.at_level(logging.WARNING):
        load_model(network, path, load_config("configs/lednet_camvid.py", images))
    (record,) = caplog.records
    assert "'camvid' there, 'mine' here" in record.getMessage()
    assert "model.data_preprocessor.mean" in record.getMessage()


def test_what_only_training_uses_may_differ():
    config = load_config("configs/lednet_camvid.py")
    options = {
        "model.class_weight": None,
        "model.backbone.init_cfg.type": "Pretrained",
        "model.data_preprocessor.size": (64, 64),
        "train_cfg.max_iters": 3,
        "model.decode_head.loss_decode.type": "OhemCrossEntropy",
    }
    checkpoint = trained(nn.Conv2d(1, 1, 1), config)
    assert compare_with_config(checkpoint, load_config("configs/lednet_camvid.py", options), "w.pth") == []


def test_a_config_in_a_checkpoint_is_not_executed(network, save, tmp_path):
    text = f"open({str(tmp_path / 'executed')!r}, 'w')\n"
    path = save({"state_dict": network.state_dict(), "meta": {"config": text}})
    load_model(network, path, load_config("configs/lednet_camvid.py"))
    assert not (tmp_path / "executed").exists()


def test_all_loaders_of_mmengine_are_this_reader(network, save, tmp_path):
    assert set(CheckpointLoader._schemes.values()) == {load_from_location}
    other = Network()
    load_checkpoint(other, str(save({"model_state_dict": network.state_dict()})))
    assert torch.equal(other.model.weight, network.model.weight)
    attack = save({"state_dict": {}, "x": Runs(os.system, f"touch {tmp_path / 'executed'}")})
    with pytest.raises(InputError, match="refused"):
        load_checkpoint(other, str(attack))
    with pytest.raises(InputError, match="refused"):
        Network({"type": "Pretrained", "checkpoint": str(attack)}).init_weights()
    assert not (tmp_path / "executed").exists()


def test_initial_weights_fit_or_are_refused(network, save):
    whole = {"state_dict": {**renamed(network.state_dict(), "backbone."), "head.weight": torch.ones(1)}}
    path = str(save(whole))
    taken = Network({"type": "Pretrained", "checkpoint": path, "prefix": "backbone"})
    taken.init_weights()
    assert torch.equal(taken.model.weight, network.model.weight)
    with pytest.raises(
        InputError, match=r"0 of its 7 tensors are there.*init_cfg.prefix=backbone\. they would"
    ):
        Network({"type": "Pretrained", "checkpoint": path}).init_weights()
    with pytest.raises(InputError, match=r"it wants model.bias \(5,\)"):
        Network({"type": "Pretrained", "checkpoint": path, "prefix": "backbone."}, width=5).init_weights()
    del whole["state_dict"]["backbone.norm.running_var"]
    with pytest.raises(InputError, match=r"6 of its 7 tensors are there; it wants norm.running_var"):
        Network({"type": "Pretrained", "checkpoint": str(save(whole)), "prefix": "backbone."}).init_weights()


def test_locations(tmp_path, monkeypatch):
    assert local_copy(tmp_path / "w.pth") == tmp_path / "w.pth"
    for location in ("s3://bucket/w.pth", "pavi://w", "file:///w.pth"):
        with pytest.raises(InputError, match=f"^{location}: weights are read from files"):
            local_copy(location)
    with pytest.raises(InputError, match="no such name"):
        local_copy("open-mmlab://no_such_network")

    def offline(url, target, progress):
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    with pytest.raises(
        InputError, match=r"^https://example.org/w.pth: cannot be downloaded \(no route to host\)"
    ):
        local_copy("https://example.org/w.pth")
    monkeypatch.setattr(
        torch.hub, "download_url_to_file", lambda url, target, progress: torch.save(url, target)
    )
    copies = {local_copy(f"https://{host}/w.pth") for host in ("a.org", "b.org", "a.org")}
    assert len(copies) == 2


def test_checkpoints_are_files_with_a_number(tmp_path):
    for name in (
        "iter_2.pth",
        "iter_10.pth",
        "epoch_3.pth",
        "iter_x.pth",
        "iter_4.pth.part",
        "best_iter_5.pth",
    ):
        (tmp_path / name).touch()
    (tmp_path / "iter_99.pth").mkdir()
    (tmp_path / "iter_98.pth").symlink_to("nowhere")
    assert [path.name for path in checkpoints_of(tmp_path)] == ["iter_10.pth", "epoch_3.pth", "iter_2.pth"]


def test_an_existing_file_is_replaced_only_when_asked_for(network, save, tmp_path, tool):
    source, target = save({"state_dict": network.state_dict()}), tmp_path / "public.pth"
    target.write_text("mine")
    failed = tool("publish_model", source, target)
    assert (failed.status, target.read_text()) == (2, "mine")
    assert "--overwrite" in failed.err
    assert tool("publish_model", source, target, "--overwrite").status == 0
    assert tool("publish_model", source, target).status == 0  # the same content
