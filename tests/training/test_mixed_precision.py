"""Mixed precision on a CPU: forward passes in bfloat16, where a measurement shows that they are faster."""

import shutil

import numpy as np
import pytest
import torch
from torch import nn

from lednet_mm.checkpoints.reading import read_checkpoint
from lednet_mm.errors import InputError
from lednet_mm.records import read_records
from lednet_mm.timing.latency import Timing
from lednet_mm.training import mixed_precision, precision_gain, runner
from lednet_mm.training.training import train


@pytest.fixture
def bf16(monkeypatch, one_thread):
    """A machine without a GPU whose CPU computes in bf16; the result is a function that sets its gain."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(mixed_precision, "cpu_computes_bf16", lambda: True)

    def gains(times: float) -> list[int]:
        measured = []

        def measure(steps, **_):
            for step in steps.values():
                step()  # both can run
            measured.append(len(steps))
            return Timing({"fp32": np.full(10, times), "bf16": np.ones(10)}, [], False)

        monkeypatch.setattr(precision_gain, "measure", measure)
        return measured

    return gains


def weights(folder, iteration):
    return read_checkpoint(folder / f"iter_{iteration}.pth")["state_dict"]


@pytest.mark.thorough  # bf16 is slow on a CPU without instructions for it
def test_a_training_in_bf16_and_its_exact_resume(small_config, bf16, tmp_path, monkeypatch):
    measured = bf16(1.3)
    types = set()
    forward = nn.Conv2d.forward

    def watched(self, images):
        maps = forward(self, images)
        types.add((self.training, maps.dtype))
        return maps

    monkeypatch.setattr(nn.Conv2d, "forward", watched)
    config = small_config("train_cfg = dict(max_iters=4, val_interval=4)")
    train(config, work_dir=tmp_path / "whole", amp=True)
    assert {(True, torch.bfloat16), (False, torch.float32)} <= types  # validation is in fp32
    assert (True, torch.float32) in types  # the steps to which those in bf16 are compared
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    (tmp_path / "cut" / "iter_4.pth").unlink()
    train(config, work_dir=tmp_path / "cut", amp=True, resume=True)
    assert measured == [2]  # a training that continues is not measured again
    whole, cut = weights(tmp_path / "whole", 4), weights(tmp_path / "cut", 4)
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    assert {tensor.dtype for tensor in whole.values()} <= {torch.float32, torch.int64}
    records, _ = read_records([tmp_path])
    assert {record.provenance.precision for record in records if record.kind == "train"} == {"bf16"}


@pytest.mark.thorough  # bf16 is slow on a CPU without instructions for it
def test_the_measurement_changes_no_weight(small_config, bf16, tmp_path, monkeypatch):
    config = small_config("train_cfg = dict(max_iters=2, val_interval=2)")
    bf16(1.3)
    train(config, work_dir=tmp_path / "measured", amp=True)
    monkeypatch.setattr(runner, "require_gain", lambda runner: None)
    train(config, work_dir=tmp_path / "not", amp=True)
    first, second = weights(tmp_path / "measured", 2), weights(tmp_path / "not", 2)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.thorough
@pytest.mark.parametrize("times", [0.8, 1.0])
def test_a_training_that_bf16_makes_no_faster_is_refused(times, small_config, bf16, tmp_path):
    bf16(times)
    with pytest.raises(InputError, match=f"--amp gains nothing here: .* {times:.2f} times as fast .* leave"):
        train(small_config(), work_dir=tmp_path, amp=True)
    assert not list(tmp_path.glob("*.pth"))


def test_a_cpu_without_the_instructions(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_f": True}, raising=False)
    assert not mixed_precision.cpu_computes_bf16()
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    assert mixed_precision.cpu_computes_bf16()
