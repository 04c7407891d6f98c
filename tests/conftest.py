"""Fixtures of several tests: a small generated dataset, configs for it, tools in this process, a clock."""

from __future__ import annotations

import gc
import runpy
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)

# isort: split
import pytest
import torch
from mmengine.logging import MessageHub, MMLogger
from mmseg.visualization import SegLocalVisualizer

from lednet_mm.datasets.streets import generate_streets
from lednet_mm.environment import NOISE
from lednet_mm.timing import latency

ROOT = Path(__file__).resolve().parents[1]
SMALL_MODEL = (
    "model = dict(backbone=dict(blocks=(1, 1), dilations=(1, 2)), data_preprocessor=dict(size=(64, 128)))"
)
"""The line of a small config that leaves 4 of LEDNet's 13 blocks: training and checkpoints take a third."""


def pytest_configure(config):
    """Ignore the warnings that the project ignores, because pytest resets all filters for each test."""
    for message in NOISE:
        config.addinivalue_line("filterwarnings", f"ignore:{message}")


@pytest.fixture(autouse=True)
def _nothing_of_mmengine_outlives_its_test():
    """Forget MMEngine's loggers, visualizers and message hubs: the terminal, folder and log of earlier tests.

    They are forgotten before the test too, because one of its fixtures may have run a command. Trainings of
    one name in the same second would share a hub.
    """
    _forget()
    yield
    _forget()


def _forget() -> None:
    MMLogger._instance_dict.clear()
    MessageHub._instance_dict.clear()
    SegLocalVisualizer._instance_dict.clear()


@pytest.fixture(autouse=True)
def _imports_are_not_searched_for_garbage():
    """Exempt what a test imported from later collections: MMEngine collects for every dataset it builds."""
    before = len(sys.modules)
    yield
    if len(sys.modules) > before + 20:
        gc.collect()
        gc.freeze()


@pytest.fixture
def one_thread(monkeypatch):
    """Compute with one thread: bit-identical sums need a fixed number of threads."""
    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def small_streets(tmp_path_factory) -> Path:
    """A streets set of 6 training and 2 validation images, 64x128."""
    folder = tmp_path_factory.mktemp("data") / "streets"
    generate_streets(folder, train=6, val=2, size=(64, 128), seed=1)
    return folder


@pytest.fixture
def small_config(small_streets, tmp_path) -> Callable[..., Path]:
    """Write a config that trains on the small set in seconds: ``write(*more lines of the config)``."""

    def write(*lines: str, base: str = "configs/lednet_streets.py", data: Path = small_streets) -> Path:
        splits = [
            f"{split}_dataloader = dict(dataset=dict(data_root={str(data)!r}))" for split in ("val", "test")
        ]
        text = [
            f"_base_ = {str(ROOT / base)!r}",
            f"train_dataloader = dict(batch_size=2, dataset=dict(data_root={str(data)!r}))",
            *splits,
            "train_cfg = dict(max_iters=8, val_interval=4)",
            "default_hooks = dict(checkpoint=dict(interval=2, max_keep_ckpts=3), logger=dict(interval=2))",
            SMALL_MODEL,
            *lines,
        ]
        path = tmp_path / "small.py"
        path.write_text("\n".join(text))
        return path

    return write


QUICK = """\
train_dataloader['dataset'].update(pipeline=[
    dict(type='SeedAugmentation'), dict(type='LoadImage'), dict(type='LoadLabels'),
    dict(type='RandomFlip', prob=0.5), dict(type='PackSegInputs')])
"""


@pytest.fixture
def quick_config(small_config) -> Callable[..., Path]:
    """Write a small config whose images keep their 64x128 pixels in training."""
    return lambda *lines, **where: small_config(QUICK, *lines, **where)


@dataclass(frozen=True)
class Outcome:
    """How a tool ended."""

    status: int
    out: str
    err: str


@pytest.fixture
def tool(capsys, monkeypatch) -> Callable[..., Outcome]:
    """Run a command of tools/ in this process."""

    def run(name: str, *arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", [str(ROOT / "tools" / f"{name}.py"), *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ROOT / "tools" / f"{name}.py"), run_name="__main__")
        captured = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), captured.out, captured.err)

    return run


class Clock:
    """A clock that only simulated work advances, so that the load of the machine cannot decide a test."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch) -> Clock:
    """Time the latency protocol by this clock; ``clock.pass_by(seconds)`` is work."""
    clock = Clock()
    monkeypatch.setattr(latency, "perf_counter", clock)
    return clock
