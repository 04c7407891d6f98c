"""Options of a recipe that make the step faster change only the last digits of its results."""

import math
import re
import subprocess
import sys
import traceback

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn
from torch._dynamo.utils import counters
from torch.utils._python_dispatch import TorchDispatchMode

from lednet_mm import environment
from lednet_mm.config import load_config
from lednet_mm.records import read_records
from lednet_mm.training.training import train


@pytest.fixture
def batch():
    """Two images of 64x96 with labels."""
    torch.manual_seed(1)
    labels = torch.randint(0, 19, (2, 1, 64, 96))
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]
    return torch.randn(2, 3, 64, 96), samples


def model():
    torch.manual_seed(0)
    config = load_config("configs/lednet_streets.py").model
    config.data_preprocessor = None
    built = MODELS.build(config).train()
    for module in built.modules():
        if isinstance(module, nn.Dropout2d):
            module.p = 0.0  # draws differ between memory layouts
    return built


def gradients(network, images, samples):
    network.zero_grad()
    network.loss(images, samples)["decode.loss_ce"].backward()
    return {name: parameter.grad for name, parameter in network.named_parameters()}


def test_channels_last_has_the_same_gradients(batch):
    images, samples = batch
    plain = gradients(model().double(), images.double(), samples)
    network = model().double().to(memory_format=torch.channels_last)
    other = gradients(network, images.double(), samples)
    scale = max(gradient.norm() for gradient in plain.values())
    for name, gradient in plain.items():
        assert (gradient - other[name]).norm() <= 1e-10 * scale, name


def test_fused_adamw_makes_the_same_steps(batch):
    states = []
    for fused in (None, True):
        network = model()
        optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-4, fused=fused)
        torch.manual_seed(2)
        for _ in range(3):  # the same gradients for both
            for parameter in network.parameters():
                parameter.grad = torch.randn_like(parameter)
            optimizer.step()
        states.append(network.state_dict())
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=1e-5, atol=1e-7)


@pytest.mark.thorough
def test_no_iteration_reads_from_the_device(small_config, tmp_path):
    """Reading a tensor's values, and sizes that depend on values, would make the CPU wait for a GPU."""
    aten = torch.ops.aten
    waits = (aten._local_scalar_dense.default, aten.nonzero.default, aten.masked_select.default)
    reads: list[str] = []

    class Reads(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            by_mask = func is aten.index.Tensor and any(
                i is not None and i.dtype is torch.bool for i in args[1]
            )
            if by_mask or func in waits:
                reads.append("".join(traceback.format_stack()))
            return func(*args, **(kwargs or {}))

    config = small_config("default_hooks = dict(checkpoint=dict(interval=100), logger=dict(interval=4))")
    with Reads():
        train(config, work_dir=tmp_path / "run")
    assert reads  # before the first iteration
    # A checkpoint is written from the host, which looks at the weights first, and MMEngine's validation reads
    # the loss of each batch.
    allowed = ("in save_checkpoint", "in _update_losses")
    inside = [s for s in reads if "in run_iter" in s and not any(place in s for place in allowed)]
    assert inside == []
    log = "".join(path.read_text() for path in (tmp_path / "run").glob("*/*.log"))
    logged = re.findall(r"Iter\(train\) +\[(\d+)/8\].* loss: (\S+).* decode.acc_seg: (\S+)", log)
    # 1 and 2 are early, 3 is the first time that all images were seen.
    assert [line[0] for line in logged] == ["1", "2", "3", "4", "8"]
    assert all(math.isfinite(float(number)) for line in logged for number in line)


@pytest.mark.thorough
def test_the_losses_are_compiled_once_and_as_a_whole(small_config, tmp_path):
    torch._dynamo.reset()
    counters.clear()
    train(small_config(), work_dir=tmp_path / "run", options={"compile": {"backend": "eager"}})
    assert counters["frames"] == {"total": 1, "ok": 1}
    assert counters["stats"]["unique_graphs"] == 1
    assert not counters["graph_break"]


def test_a_config_may_ask_for_channels_last(small_config, tmp_path, monkeypatch):
    config = small_config("train_cfg = dict(max_iters=2, val_interval=2)", "channels_last = True")
    layouts = []
    forward = nn.Conv2d.forward

    def spy(self, x):
        layouts.append(self.weight.is_contiguous(memory_format=torch.channels_last))
        return forward(self, x)

    monkeypatch.setattr(nn.Conv2d, "forward", spy)
    train(config, work_dir=tmp_path / "run")
    assert layouts
    assert all(layouts)
    records, problems = read_records([tmp_path / "run"])
    assert problems == {}
    assert "channels_last = True" in records[0].config.text


PAGE_FAULTS = """
import resource, runpy, sys
import torch
keep_freed_memory = runpy.run_path(sys.argv[2])["keep_freed_memory"]  # without the whole package, seconds
if not keep_freed_memory(sys.argv[1] == "keep"):
    sys.exit("another C library than glibc")
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.empty(12_000_000).fill_(1)  # 48 MB
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.thorough
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the setting is glibc's")
def test_memory_that_is_kept_is_not_asked_for_again():
    faults = {}
    for choice in ("keep", "return"):
        command = [sys.executable, "-c", PAGE_FAULTS, choice, environment.__file__]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if "glibc" in done.stderr:
            pytest.skip(done.stderr.strip())
        faults[choice] = int(done.stdout.split()[-1])
    assert faults["keep"] <= faults["return"] / 10
    assert faults["return"] > 10
