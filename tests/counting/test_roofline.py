"""Memory, bytes, operations and the device's readings, against counts by hand."""

import sys
import types

import pytest
import torch
from torch import nn

from lednet_mm.counting.memory import peak_memory
from lednet_mm.counting.roofline import Ceilings, count_work, measure_ceilings, roofline
from lednet_mm.timing import device
from lednet_mm.timing.device import Monitor, energy_per_call, throttle_reasons

CPU = torch.device("cpu")
FLOAT = 4


def test_operations_and_bytes_of_a_convolution():
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(inplace=True), nn.Flatten())
    work = count_work(network, (2, 3, 10, 20))
    maps, weights = 2 * 8 * 10 * 20, 8 * 3 * 9 + 8
    images = 2 * 3 * 10 * 20
    assert work.operations == 2 * 2 * 10 * 20 * 8 * 3 * 9
    assert [name for name, _, _ in work.operators] == ["convolution", "relu_"]  # a view moves nothing
    assert work.operator_bytes == FLOAT * (images + weights + maps) + FLOAT * 2 * maps
    assert work.minimum_bytes == FLOAT * (images + weights + maps)
    assert count_work(network, (2, 3, 10, 20), "fp16").operator_bytes == work.operator_bytes / 2
    assert network[0].weight.device == CPU


def test_bytes_of_a_cameras_images():
    class Wide(nn.Module):
        def forward(self, images):
            return images.to(torch.float32)

    work = count_work(Wide(), (1, 10, 20, 3), image_type=torch.uint8)
    assert work.minimum_bytes == 600 + FLOAT * 600


def test_a_broadcast_value_is_moved_once():
    class Scaled(nn.Module):
        def forward(self, images):
            return images * images.mean(dim=(2, 3), keepdim=True).expand_as(images)

    work = count_work(Scaled(), (1, 3, 10, 20))
    sizes = {name: size for name, _, size in work.operators}
    assert sizes["mul"] == FLOAT * (600 + 3 + 600)


def test_the_roofline_is_the_slower_of_both_ceilings():
    ceilings = Ceilings({"matrix_product": 100.0, "convolution": 80.0}, gb_per_s=10.0)
    assert ceilings.least_ms(operations=1e9, size=0) == pytest.approx(10)
    assert ceilings.least_ms(operations=1e9, size=2e8) == pytest.approx(20)
    work = count_work(nn.Conv2d(3, 8, 3, padding=1), (1, 3, 100, 100))
    values, details = roofline(work, ceilings, latency_ms=2.0)
    assert values["gflop_per_s"] == pytest.approx(4.32e6 / 2e6)
    assert values["roofline_ms"] == pytest.approx(ceilings.least_ms(work.operations, work.minimum_bytes))
    assert values["operator_roofline_ms"] == values["roofline_ms"]  # of one operator
    assert values["roofline_fraction"] == pytest.approx(values["roofline_ms"] / 2)
    assert details["ceilings"]["gb_per_s_copy"] == 10


def test_ceilings_of_this_machine_are_plausible():
    ceilings = measure_ceilings(CPU, tries=2)
    assert 0.5 < min(ceilings.gflop_per_s.values()) <= max(ceilings.gflop_per_s.values()) < 1e5
    assert 0.2 < ceilings.gb_per_s < 1e4


class Stack(nn.Module):
    """A network that needs three maps of the image's size at once, in addition to the image."""

    def forward(self, images):
        first = images + 1
        second = images + 2
        third = first + second  # all three are there now
        del first, second
        return third


def test_peak_memory_is_what_is_there_at_once():
    network, images = Stack(), torch.zeros(1, 3, 256, 256)
    size = images.numel() * FLOAT

    def call():
        with torch.inference_mode():
            network(images)

    found = [peak_memory(call, network, images) for _ in range(3)]
    assert len(set(found)) == 1  # the same in every run
    assert found[0] == pytest.approx(size + 3 * size, rel=0.01)


def test_weights_are_part_of_the_memory():
    network, images = nn.Conv2d(3, 64, 1), torch.zeros(1, 3, 8, 8)
    call = lambda: None  # noqa: E731
    values = 3 * 64 + 64 + images.numel()
    assert peak_memory(call, network, images) == FLOAT * values
    assert peak_memory(call, network, images, torch.float16) == 2 * values


def test_load_of_others_and_not_of_this_process(monkeypatch):
    clock = {"now": 0.0, "user": 0.0, "steal": 0.0, "own": 0.0}
    monkeypatch.setattr(device.time, "perf_counter", lambda: clock["now"])
    monkeypatch.setattr(device.time, "process_time", lambda: clock["own"])
    times = types.SimpleNamespace(
        _asdict=lambda: {"user": clock["user"], "steal": clock["steal"], "idle": 99.0}
    )
    monkeypatch.setattr(device.psutil, "cpu_times", lambda percpu: [times] * 512)
    monitor = Monitor(CPU)
    cores = len(monitor.cores)
    clock.update(now=10.0, user=6.0, own=5.0 * cores)  # of 6 busy seconds per core, 5 were ours
    assert monitor.read()["busy_elsewhere"] == pytest.approx(0.1)
    clock.update(now=20.0, user=6.0, steal=2.0)
    assert monitor.read()["busy_elsewhere"] == pytest.approx(0.2)
    assert monitor.read()["busy_elsewhere"] == 0


def test_throttling_has_names():
    assert throttle_reasons(0x1 | 0x2) == []  # idle, application clocks
    assert throttle_reasons(0x4 | 0x40) == ["power cap", "temperature (hardware)"]


def test_energy_is_of_a_gpu():
    assert energy_per_call(lambda: None, CPU) is None


def test_energy_is_the_counters_difference_over_the_calls(monkeypatch):
    calls = []
    millijoule = iter([1000, 1000 + 6000])
    fake = types.SimpleNamespace(
        NVMLError=RuntimeError, nvmlDeviceGetTotalEnergyConsumption=lambda handle: next(millijoule)
    )
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    monkeypatch.setattr(device, "nvml_handle", lambda gpu: "handle")
    seconds = iter(range(100))
    monkeypatch.setattr(device.time, "perf_counter", lambda: next(seconds))
    gpu = types.SimpleNamespace(type="cuda")
    assert energy_per_call(lambda: calls.append(1), gpu, seconds=4) == pytest.approx(6 / len(calls))
    assert len(calls) == 3
