"""Authors' checkpoints are converted completely or not at all."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import torch

from lednet_mm.checkpoints.authors import authors_model, name_table
from lednet_mm.checkpoints.convert import convert_checkpoint, count_classes
from lednet_mm.checkpoints.files import load_model, read_checkpoint
from lednet_mm.checkpoints.parity import build_model, fill, read_vector
from lednet_mm.errors import InputError
from lednet_mm.files import file_sha256

DATA = Path(__file__).resolve().parents[1] / "data"


class Evil:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        return os.system, ("touch executed",)


def authors_state(network: str = "dabnet") -> dict:
    """A state dict under the authors' names, as their code would save it."""
    vector = read_vector(DATA / f"{network}.json")
    return {name: fill(name, shape, kind, "test").float() for name, shape, kind in vector["state"]}


@pytest.fixture
def state() -> dict:
    return authors_state()


@pytest.fixture
def save(tmp_path):
    def write(content, **options) -> Path:
        path = tmp_path / "authors.pth"
        torch.save(content, path, **options)
        return path

    return write


@pytest.mark.thorough
@pytest.mark.parametrize("key", [None, "model", "state_dict"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_every_tensor_arrives_in_its_place(key, prefix, state, save, tmp_path):
    tensors = {prefix + name: tensor for name, tensor in state.items()}
    source = save({"epoch": 3, key: tensors} if key else tensors)
    done = convert_checkpoint("dabnet", source, tmp_path / "ours.pth")
    assert (done.num_classes, done.auxiliary, done.unused) == (19, (), ())
    model = build_model(authors_model("dabnet"), 19)
    meta = load_model(model, tmp_path / "ours.pth")["meta"]
    assert (meta["network"], meta["num_classes"]) == ("dabnet", 19)
    assert meta["source_sha256"] == file_sha256(source)
    ours = model.state_dict()
    assert len(ours) == len(state) == done.tensors
    rename = name_table("dabnet").rename
    assert all(torch.equal(ours[rename(name)], tensor) for name, tensor in state.items())


def test_files_of_old_versions_of_pytorch(state, save, tmp_path):
    without_counters = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    source = save(without_counters, _use_new_zipfile_serialization=False)
    done = convert_checkpoint("dabnet", source, tmp_path / "ours.pth")
    assert done.tensors == len(state)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("missing", r"the file has no tensor for backbone\.\S+"),
        ("surplus", "extra.weight has no counterpart"),
        ("reshaped", r"has shape \(40,.*this network's"),
        ("double", "both map to"),
        ("nothing", "no tensors"),
        ("foreign", "it has no tensor of dabnet's classifier"),
    ],
)
def test_nothing_passes_silently(fault, message, state, save, tmp_path):
    first = next(iter(state))
    if fault == "missing":
        del state[first]
    elif fault == "surplus":
        state["extra.weight"] = torch.zeros(3)
    elif fault == "reshaped":
        state[first] = torch.zeros(40, *state[first].shape[1:])
    elif fault == "double":
        state[name_table("dabnet").rename(first)] = state[first]
    elif fault == "nothing":
        state = {"epoch": 3}
    else:
        state = {f"foreign.{name}": tensor for name, tensor in state.items()}
    target = tmp_path / "ours.pth"
    target.write_text("what was there")
    with pytest.raises(InputError, match=message) as raised:
        convert_checkpoint("dabnet", save(state), target, overwrite=True)
    assert "authors.pth" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert target.read_text() == "what was there"


def test_another_number_of_classes_than_said(state, save, tmp_path):
    with pytest.raises(InputError, match="not dabnet with 11 classes"):
        convert_checkpoint("dabnet", save(state), tmp_path / "ours.pth", num_classes=11)


def test_the_network_that_fits_is_named(save, tmp_path):
    source = save(authors_state("espnet"))
    with pytest.raises(InputError, match=r"not espnet_q3 with 20 classes: .*; it is espnet$"):
        convert_checkpoint("espnet_q3", source, tmp_path / "ours.pth")


@pytest.mark.parametrize("old", [False, True])
def test_code_in_a_file_is_not_executed(old, save, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = save({"model": Evil()}, _use_new_zipfile_serialization=not old)
    with pytest.raises(InputError, match=r"refused: loading it would execute code \(posix.system\)"):
        convert_checkpoint("dabnet", source, tmp_path / "ours.pth")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["authors.pth"]


@pytest.mark.thorough
def test_heads_of_training_are_left_out_unless_asked_for(save, tmp_path):
    source = save(authors_state("lednet_official"))
    done = convert_checkpoint("lednet_official", source, tmp_path / "ours.pth")
    assert done.auxiliary == ("auxiliary_head.conv_seg.weight", "auxiliary_head.conv_seg.bias")
    kept = convert_checkpoint("lednet_official", source, tmp_path / "all.pth", keep_auxiliary=True)
    assert kept.tensors == done.tensors + 2
    names = read_checkpoint(tmp_path / "all.pth")["state_dict"].keys()
    assert names - read_checkpoint(tmp_path / "ours.pth")["state_dict"].keys() == set(done.auxiliary)


@pytest.mark.parametrize(
    "vector", ["cgnet", "enet", "espnet", "espnetv2", "fpenet", "lednet_no_bn", "linknet"]
)
def test_the_number_of_classes_is_in_the_shapes(vector):
    facts = read_vector(DATA / f"{vector}.json")
    shapes = {name: torch.empty(shape, device="meta") for name, shape, _ in facts["state"]}
    assert count_classes(vector, shapes) == facts["num_classes"]


@pytest.mark.thorough
def test_the_command(tool, state, save, tmp_path):
    source, target = save(state), tmp_path / "ours.pth"
    done = tool("convert_checkpoint", "dabnet", source, target)
    assert done.status == 0
    assert "dabnet with 19 outputs" in done.out
    for arguments in (
        ("cgnet", source, target),
        ("dabnet", tmp_path / "none.pth", target),
        ("dabnet", source, source),
        ("dabnet", source, "/proc/no/such/folder/ours.pth"),
        ("ednet", source, target),
    ):
        failed = tool("convert_checkpoint", *arguments)
        assert failed.status == 2
        assert re.fullmatch(r"error: [^\n]+\n", failed.err)
