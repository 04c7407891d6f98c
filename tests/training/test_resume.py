"""A run killed at any moment and resumed ends with the weights of one that never stopped."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from lednet_mm.checkpoints.files import checkpoints_of, read_checkpoint
from lednet_mm.records import read_records
from lednet_mm.training.training import train

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def one_thread(monkeypatch):
    """Bit-identical sums need a fixed number of threads."""
    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield
    torch.set_num_threads(before)


def weights(work_dir, iteration):
    return read_checkpoint(work_dir / f"iter_{iteration}.pth")["state_dict"]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_killed_and_resumed_is_bit_identical(small_config, tmp_path, one_thread):
    config = small_config()
    train(config, work_dir=tmp_path / "whole", seed=3)

    process = subprocess.Popen(
        [sys.executable, "tools/train.py", str(config), "--work-dir", str(tmp_path / "cut"), "--seed", "3"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    end = time.monotonic() + 120
    while not (tmp_path / "cut" / "iter_4.pth").exists():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < end
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "cut" / "iter_8.pth").exists()

    train(config, work_dir=tmp_path / "cut", seed=3, resume=True)
    assert same(weights(tmp_path / "whole", 8), weights(tmp_path / "cut", 8))
    for folder in ("whole", "cut"):
        records, problems = read_records([tmp_path / folder])
        assert problems == {}
        assert sorted(record.kind for record in records) == ["accuracy", "train"]
        curve = next(r for r in records if r.kind == "train").details["validation_curve_miou_percent"]
        assert [step for step, _ in curve] == [4, 8]


def test_another_seed_gives_other_weights(small_config, tmp_path, one_thread):
    config = small_config("train_cfg = dict(max_iters=2)")
    for seed in (0, 1):
        train(config, work_dir=tmp_path / str(seed), seed=seed)
    assert not same(weights(tmp_path / "0", 2), weights(tmp_path / "1", 2))


def test_a_truncated_checkpoint_is_named_and_the_one_before_is_used(
    small_config, tmp_path, one_thread, capfd
):
    config = small_config()
    train(config, work_dir=tmp_path / "run", seed=0)
    expected = weights(tmp_path / "run", 8)
    newest, before = checkpoints_of(tmp_path / "run")[:2]
    newest.write_bytes(newest.read_bytes()[:1000])
    train(config, work_dir=tmp_path / "run", seed=0, resume=True)
    said = "".join(capfd.readouterr())
    assert f"{newest}: truncated" in said
    assert f"resuming from {before}" in said
    assert same(weights(tmp_path / "run", 8), expected)


def test_only_the_newest_are_kept_and_nothing_half_written(small_config, tmp_path):
    config = small_config()
    train(config, work_dir=tmp_path / "run")
    assert [path.name for path in checkpoints_of(tmp_path / "run")] == [
        "iter_8.pth",
        "iter_6.pth",
        "iter_4.pth",
    ]
    assert not list((tmp_path / "run").rglob("*.part"))
