"""Distributed training on CPUs uses gloo, and replaces synchronised batch normalisation by plain one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lednet_mm.records import read_records

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.thorough
@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without a GPU")
def test_two_processes_train_on_a_cpu(small_config, tmp_path):
    config = small_config(
        "train_cfg = dict(max_iters=2, val_interval=2)",
        "model['backbone'].update(norm_cfg=dict(type='SyncBN', eps=1e-3))",
    )
    command = ["bash", "tools/dist_train.sh", str(config), "2", "--work-dir", str(tmp_path / "run")]
    environment = {**os.environ, "PYTHON": sys.executable, "PORT": "29577", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "SyncBN needs GPUs: using BN" in done.stdout + done.stderr
    records, problems = read_records([tmp_path / "run"])
    assert problems == {}
    (training,) = (record for record in records if record.kind == "train")
    assert training.values["processes"] == 2
    (accuracy,) = (record for record in records if record.kind == "accuracy")
    assert accuracy.details["images"] == 2


@pytest.mark.parametrize("script", ["dist_train.sh", "dist_test.sh", "slurm_train.sh"])
def test_a_launcher_without_arguments_says_how_it_is_used(script):
    done = subprocess.run(["bash", ROOT / "tools" / script], capture_output=True, text=True)
    assert done.returncode == 2
    assert "usage:" in done.stderr
