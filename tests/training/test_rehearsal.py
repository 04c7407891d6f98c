"""One batch of training and one of validation are tried before a run starts, and leave no trace."""

import io
import logging
import random
import shutil

import cv2
import numpy as np
import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

from lednet_mm.checkpoints.files import (
    read_checkpoint,
)
from lednet_mm.checkpoints.listing import checkpoints_of
from lednet_mm.config import Choice, load_config
from lednet_mm.training import runner as runners
from lednet_mm.training.rehearsal import DryOptimizer, as_it_was, varied_samples
from lednet_mm.training.training import train


def error_of(outcome):
    """Return the one line with which a tool ended."""
    assert outcome.status == 2, outcome.err[-2000:]
    assert "Traceback" not in outcome.out + outcome.err
    (line,) = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    return line


def random_states():
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()


@pytest.mark.thorough
def test_a_run_with_and_without_it_has_the_same_bits(quick_config, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    config = quick_config("train_cfg = dict(max_iters=3, val_interval=3)")
    train(config, work_dir=tmp_path / "with")
    tried = []
    monkeypatch.setattr(runners, "rehearse", lambda runner: tried.append(runner))
    train(config, work_dir=tmp_path / "without")
    assert len(tried) == 1
    one, other = (read_checkpoint(tmp_path / folder / "iter_3.pth") for folder in ("with", "without"))
    assert one["state_dict"].keys() == other["state_dict"].keys()
    for name, value in one["state_dict"].items():
        assert torch.equal(value, other["state_dict"][name]), name
    moments = [[s["exp_avg"] for s in run["optimizer"]["state"].values()] for run in (one, other)]
    assert all(torch.equal(a, b) for a, b in zip(*moments, strict=True))


class Remembers(nn.Module):
    """A layer that keeps a running mean, a number of calls and a mode, and draws from all generators."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.calls = 0
        self.register_buffer("mean", torch.zeros(3))

    def forward(self, x):
        self.calls += 1
        self.mean = self.mean + x.mean((0, 2, 3)).detach()  # another tensor in its place
        return self.norm(x) * random.random() * float(np.random.rand()) * torch.rand(())


def test_a_model_and_all_random_states_are_as_they_were():
    model = Remembers().eval()
    buffers = {name: (buffer, buffer.clone()) for name, buffer in model.named_buffers()}
    before = random_states()
    with as_it_was(model):
        model.train()
        model(torch.randn(2, 3, 4, 4)).sum().backward()
        assert model.calls == 1
    assert random_states() == before
    assert (model.calls, model.training, model.norm.training) == (0, False, False)
    for name, buffer in model.named_buffers():
        assert buffer is buffers[name][0]
        assert torch.equal(buffer, buffers[name][1])
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_dry_optimizer_changes_nothing_but_gradients():
    weight = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    from mmengine.optim import OptimWrapper

    dry = DryOptimizer(OptimWrapper(optimizer, clip_grad={"max_norm": 1.0}))
    dry.update_params((weight * 30).sum())
    assert dry.loss == 60
    assert torch.equal(weight, torch.ones(2))
    torch.testing.assert_close(weight.grad.norm(), torch.tensor(1.0))


def test_a_batch_has_samples_of_different_sizes_first():
    data = [{"inputs": torch.zeros(3, 4, 9 if i == 4 else 8)} for i in range(9)]
    assert [s["inputs"].shape[-1] for s in varied_samples(data, 2)[:2]] == [8, 9]
    assert len(varied_samples(data[:2], 5)) >= 5


def test_a_batch_of_one_image(quick_config, tool, tmp_path):
    outcome = tool(
        *("train", quick_config(), "--work-dir", tmp_path / "run"),
        *("--cfg-options", "train_dataloader.batch_size=1"),
    )
    line = error_of(outcome)
    assert "small.py: train_dataloader.batch_size is 1, and this network has batch normalisation" in line
    assert "use a batch size of 2 or more" in line
    (log,) = (tmp_path / "run").glob("*/*.log")
    assert f"more in {log}" in line
    assert "Expected more than 1 value per channel" in log.read_text()
    assert checkpoints_of(tmp_path / "run") == []


FINITE = "sampler=dict(_delete_=True, type='DefaultSampler', shuffle=True)"


def test_a_pass_that_ends_with_one_image(quick_config, tool, tmp_path):
    config = quick_config(f"train_dataloader.update(batch_size=5, {FINITE})")  # of 6
    line = error_of(tool("train", config, "--work-dir", tmp_path / "run"))
    assert "each pass over the images ends with a batch of one" in line
    assert "drop_last" in line


@pytest.fixture
def two_sizes(small_streets, tmp_path):
    """A copy of the small set in which every second image and label is larger."""
    root = tmp_path / "streets"
    shutil.copytree(small_streets, root)
    for split in ("train", "val"):
        for ending in ("_leftImg8bit.png", "_labelTrainIds.png"):
            for path in sorted(root.rglob(f"{split}/**/*{ending}"))[1::2]:
                image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
                cv2.imwrite(str(path), cv2.resize(image, (160, 96), interpolation=cv2.INTER_NEAREST))
    return root


PLAIN = "[dict(type='LoadImage'), dict(type='LoadLabels'), dict(type='PackSegInputs')]"


@pytest.mark.thorough
def test_images_of_two_sizes_in_a_batch(two_sizes, quick_config, small_config, tool, tmp_path):
    config = quick_config(f"train_dataloader['dataset'].update(pipeline={PLAIN})", data=two_sizes)
    line = error_of(tool("train", config, "--work-dir", tmp_path / "run"))
    assert "train_dataloader: a batch has images of different sizes (64x128, 96x160)" in line

    # A validation batch is predicted image by image if the sizes differ.
    config = small_config("val_dataloader.update(batch_size=2)", data=two_sizes)
    assert tool("train", config, "--work-dir", tmp_path / "other").status == 0


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (
            "train_dataloader.dataset.type=StreetDataset",
            "dataset.type: there is no dataset named StreetDataset",
        ),
        ("model.backbone.type=LEDnet", "backbone.type: there is no model named LEDnet; did you mean LEDNet"),
        ("model.backbone.shufle=False", "backbone.shufle: LEDNet takes no shufle; did you mean shuffle"),
        ("train_cfg.max_iter=5", "IterBasedTrainLoop takes no max_iter; did you mean max_iters"),
        ("train_dataloader.batchsize=4", "DataLoader takes no batchsize; did you mean batch_size"),
        ("train_dataloader.sampler.type=Endless", "sampler.type: there is no data sampler named Endless"),
        ("default_hooks.logger.intervall=4", "LoggerHook takes no intervall; did you mean interval"),
        ("param_scheduler.0.type=Poly", "param_scheduler.0.type: there is no parameter scheduler named Poly"),
        ("optim_wrapper.optimizer.beta=0.9", "optimizer.beta: AdamW takes no beta; did you mean betas"),
        ("val_evaluator.outputs=3", "val_evaluator.outputs: ConfusionMatrixMetric takes no outputs"),
        ("model.data_preprocessor.mean=[1.0,2.0]", "model.data_preprocessor (SegDataPreProcessor): Assert"),
        ("train_dataloader.dataset.pipeline.3.prob=often", "dataset.pipeline.3 (RandomFlip): ValueError: p"),
    ],
)
def test_names_and_arguments_that_nobody_knows(option, said, quick_config, tool, tmp_path):
    outcome = tool("train", quick_config(), "--work-dir", tmp_path / "run", "--cfg-options", option)
    line = error_of(outcome)
    assert said in line
    assert "small.py: " in line
    assert list((tmp_path / "run").glob("iter_*")) == []


def test_want_of_memory_is_said_with_the_size(quick_config, tool, tmp_path, monkeypatch):
    def no_memory(*_args, **_kwargs):
        raise RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes\nat x"
        )

    monkeypatch.setattr(nn.Conv2d, "forward", no_memory)
    line = error_of(tool("train", quick_config(), "--work-dir", tmp_path / "run"))
    assert "not enough memory for a training batch of 2 images of 64x128" in line


def test_options_of_loader_processes_are_left_out_where_there_are_none(quick_config):
    config = load_config(
        quick_config(),
        {
            "train_dataloader.prefetch_factor": 4,
            "train_dataloader.timeout": 30,
            "train_dataloader.multiprocessing_context": "fork",
            "train_dataloader.num_workers": 0,
            "work_dir": str(quick_config().parent / "run"),
        },
    )
    text = runners.config_text(config)
    runner = runners.ReproducibleRunner.from_cfg(config)
    loader = runner.build_dataloader(runner._train_dataloader)
    assert (loader.num_workers, loader.prefetch_factor, loader.timeout) == (0, None, 0)
    assert "'prefetch_factor': 4" in runner.config_text == text


@pytest.mark.parametrize("network", ["bisenetv1_mmseg", "pidnet_s", "stdc1_mmseg"])
def test_networks_with_heads_of_their_own_agree_with_the_data(network):
    from lednet_mm.training.agreement import _head_faults, _heads

    config = load_config(Choice(network, "camvid"))
    model = MODELS.build(config.model)
    heads = dict(_heads(model))
    assert "model.decode_head" in heads
    assert [fault for name, head in heads.items() for fault in _head_faults(name, head, 11, None)] == []


def test_a_log_on_a_full_disk_is_named_and_a_terminal_that_has_gone_is_not(monkeypatch):
    log = logging.FileHandler("/dev/full")
    gone = io.StringIO()
    gone.close()
    logger = logging.Logger("of a run")
    logger.handlers = [logging.StreamHandler(gone), log]
    monkeypatch.setattr(runners.OpenRunner, "build_logger", lambda self: logger)
    assert runners.ReproducibleRunner.build_logger(object.__new__(runners.ReproducibleRunner)) is logger
    with pytest.raises(OSError, match="No space left") as error:
        logger.info("a line")
    assert error.value.filename == "/dev/full"
