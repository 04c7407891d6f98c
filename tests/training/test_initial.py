"""A training that begins from another checkpoint loads the tensors that fit, and names the others."""

import pytest
import torch
from mmseg.registry import MODELS

from lednet_mm.checkpoints.initial import initial_weights, load_initial
from lednet_mm.checkpoints.reading import read_checkpoint
from lednet_mm.config import load_config
from lednet_mm.errors import InputError
from lednet_mm.files import file_sha256
from lednet_mm.records import read_records
from lednet_mm.training.training import train

STILL = {"train_cfg.max_iters": 1, "train_cfg.val_interval": 9, "optim_wrapper.optimizer.lr": 1e-20}
"""One step that moves a weight by no more than 1e-20."""


def network(config, options=None, seed=7):
    torch.manual_seed(seed)
    return MODELS.build(load_config(config, options).model)


def parameters(state):
    """Return the tensors that a step with a learning rate of 0 does not change, which excludes statistics."""
    return {name: t for name, t in state.items() if "running_" not in name and "num_batches" not in name}


def trained_from(work_dir):
    (record,) = [r for r in read_records([work_dir])[0] if r.kind == "train"]
    return read_checkpoint(work_dir / "iter_1.pth")["state_dict"], record.details["began_from"]


def test_a_network_of_another_number_of_classes(quick_config, tmp_path, tool):
    config = quick_config()
    seven = network(config, {"model.num_classes": 7, "model.class_weight": None}).state_dict()
    path = tmp_path / "seven.pth"
    torch.save({"model": {f"module.{name}": tensor for name, tensor in seven.items()}}, path)
    settings = [f"{key}={value}" for key, value in STILL.items()]
    run = tmp_path / "run"
    done = tool("train", config, "--work-dir", run, "--pretrained", path, "--cfg-options", *settings)
    assert done.status == 0, done.err
    (said,) = [line for line in (done.out + done.err).splitlines() if "initial weights from" in line]
    assert "of another shape (decode_head." in said
    assert "(7, 128, 1, 1) instead of (19, 128, 1, 1)" in said
    state, told = trained_from(run)
    reshaped = {name for name, tensor in seven.items() if tensor.shape != state[name].shape}
    assert reshaped
    assert set(told["of_another_shape"]) == reshaped
    fitting = parameters(seven).keys() - reshaped
    for name in fitting:
        torch.testing.assert_close(state[name], seven[name], rtol=0, atol=1e-15)
    counted = [name for name in seven if not name.endswith("num_batches_tracked")]
    assert told["tensors_loaded"] == len(counted) - len(reshaped)
    assert (told["file"], told["sha256"]) == ("seven.pth", file_sha256(path))
    assert (told["not_in_the_file"], told["not_in_the_network"]) == ([], 0)


def first_stage(folder, config):
    """Return the weights of a training of the encoder under a classifier of 1x1."""
    return MODELS.build(
        {
            **load_config(config).model,
            "decode_head": {"type": "ClassifierHead", "in_channels": 128, "align_corners": True},
        }
    ).state_dict()


def bare(folder, config):
    """Return an encoder's weights as it saves them by itself, in a training with several processes."""
    encoder = network(config).backbone.state_dict()
    torch.save({f"module.{name}": tensor for name, tensor in encoder.items()}, folder / "encoder.pth")
    return {f"backbone.{name}": tensor for name, tensor in encoder.items()}


@pytest.mark.parametrize("made", [first_stage, bare])
def test_an_encoder_alone(made, quick_config, tmp_path):
    config, path = quick_config(), tmp_path / "encoder.pth"
    theirs = made(tmp_path, config)
    if not path.exists():
        torch.save({"state_dict": theirs}, path)
    model = network(config, seed=1)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    line, told = load_initial(model, initial_weights(read_checkpoint(path), path, before), path)
    for name, tensor in model.state_dict().items():
        encoder = name.startswith("backbone.")
        if encoder or name in theirs:
            assert torch.equal(tensor, theirs[name]), name
        else:
            assert torch.equal(tensor, before[name]), name
    size = sum(n.startswith("backbone.") and not n.endswith("num_batches_tracked") for n in before)
    assert f"{size} of its encoder's {size};" in line
    assert "less than half" not in line
    assert told["tensors_loaded"] == size
    assert set(told["not_in_the_file"]) == {
        n for n in before if not n.startswith("backbone.") and not n.endswith("num_batches_tracked")
    }


def test_little_of_the_encoder_is_loaded_and_doubted(quick_config):
    model = network(quick_config())
    state = dict(list(network(quick_config()).backbone.state_dict().items())[:9])
    line, _ = load_initial(model, initial_weights(state, "x.pth", model.state_dict()), "x.pth")
    assert "that is less than half of the encoder: is it a checkpoint of another network?" in line


def test_a_checkpoint_of_which_nothing_fits_is_refused(quick_config):
    model = network(quick_config())
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    counters = {name: tensor for name, tensor in before.items() if name.endswith("num_batches_tracked")}
    head = {name: tensor for name, tensor in before.items() if name.startswith("decode_head.")}
    for state in ({"other.weight": torch.zeros(3)}, counters, head):
        with pytest.raises(InputError, match=r"x\.pth: .* 0 of its encoder's \d+; left: .* to start from"):
            load_initial(model, initial_weights(state, "x.pth", before), "x.pth")
    spoiled = {name: tensor * torch.nan for name, tensor in before.items() if tensor.is_floating_point()}
    with pytest.raises(InputError, match="NaN"):
        load_initial(model, initial_weights(spoiled, "x.pth", before), "x.pth")
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.fixture
def file_of_weights(quick_config, tmp_path):
    """Random weights of the small network."""
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": network(quick_config()).state_dict()}, path)
    return path


@pytest.mark.thorough
def test_a_run_goes_on_from_its_own_checkpoint_and_its_record_keeps_where_it_began(
    quick_config, file_of_weights, tmp_path, capfd
):
    config = quick_config(f"load_from = {str(file_of_weights)!r}")
    options = {"train_cfg.max_iters": 1, "train_cfg.val_interval": 9}
    train(config, work_dir=tmp_path / "run", options=options)
    _, told = trained_from(tmp_path / "run")
    assert told["file"] == "weights.pth"
    capfd.readouterr()
    file_of_weights.unlink()  # it is not read again
    train(config, work_dir=tmp_path / "run", resume=True, options={**options, "train_cfg.max_iters": 2})
    assert "initial weights" not in "".join(capfd.readouterr())
    last = [r for r in read_records([tmp_path / "run"])[0] if r.kind == "train"][-1]
    assert last.values["iterations_this_session"] == 1
    assert last.details["began_from"] == told


def test_resuming_begins_from_the_weights_where_there_is_nothing_to_resume(
    quick_config, file_of_weights, tmp_path, tool
):
    arguments = ["train", quick_config(), "--work-dir", tmp_path / "run", "--resume"]
    settings = ["--cfg-options", "train_cfg.max_iters=1", "train_cfg.val_interval=9"]
    done = tool(*arguments, "--pretrained", file_of_weights, *settings)
    assert done.status == 0, done.err
    _, told = trained_from(tmp_path / "run")
    assert told["file"] == "weights.pth"
    refused = tool(*arguments, "--pretrained", file_of_weights, *settings)
    assert (refused.status, refused.err.count("error: ")) == (2, 1)
    assert "iter_1.pth" in refused.err
    assert "leave one of the two options out" in refused.err
