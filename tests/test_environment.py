"""The choice of threads and devices."""

import psutil
import pytest
import torch

from lednet_mm.environment import choose_threads, resolve_device
from lednet_mm.errors import InputError


@pytest.fixture
def machine(monkeypatch):
    """A machine of 8 cores whose load can be set."""
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(psutil, "cpu_count", lambda: 8)

    def load(percent):
        monkeypatch.setattr(psutil, "cpu_percent", lambda interval: percent)

    yield load
    torch.set_num_threads(before)


@pytest.mark.parametrize(("percent", "count"), [(0, 8), (24, 6), (50, 4), (100, 1)])
def test_one_thread_for_each_free_core(machine, percent, count):
    machine(percent)
    assert choose_threads().count == count == torch.get_num_threads()


def test_the_users_choice_stands(machine, monkeypatch):
    machine(100)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    threads = choose_threads()
    assert (threads.count, threads.reason) == (3, "OMP_NUM_THREADS")


def test_waiting_threads_sleep():
    assert choose_threads(0.01).wait_policy == "PASSIVE"


@pytest.mark.parametrize("name", ["tpu", "cuda:99", "meta"])
def test_a_device_that_is_not_there(name):
    with pytest.raises(InputError, match=name):
        resolve_device(name)


def test_subnormal_numbers_become_zero():
    if not torch.set_flush_denormal(True):
        pytest.skip("this CPU cannot")
    torch.set_flush_denormal(False)
    choose_threads(0.01)
    assert (torch.full((64,), 1e-30) * 1e-10).count_nonzero() == 0
