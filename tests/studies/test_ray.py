"""The Ray engine on a small local cluster; skipped where Ray is not installed."""

import os
import signal
import sys
import threading
import time
from dataclasses import replace

import pytest

from lednet_mm.errors import InputError
from lednet_mm.studies import ray_engine
from lednet_mm.studies.execute import execute
from lednet_mm.studies.ray_engine import execute_on_ray
from tests.studies.tiny import SLOTS, results, starts, tiny_jobs


def test_without_ray_there_is_one_clear_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install -e '\.\[cluster\]'"):
        ray_engine.import_ray()


@pytest.fixture(scope="module")
def cluster():
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield ray
    ray.shutdown()


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_its_run_continued(cluster, tmp_path):
    jobs = tiny_jobs(tmp_path, 4, step_seconds=0.5)
    jobs += tiny_jobs(tmp_path / "bad", 1, behave="nan")
    jobs[4] = replace(jobs[4], folder=tmp_path / "bad" / "bad-run")

    def kill_one_worker():
        while not (jobs[0].folder / "iter_2.pth").exists():
            time.sleep(0.02)
        worker = int((jobs[0].folder / "starts").read_text().split()[1])
        os.kill(worker, signal.SIGKILL)

    threading.Thread(target=kill_one_worker).start()
    outcomes = execute_on_ray(jobs)
    assert [outcome.state for outcome in outcomes.values()] == ["finished"] * 4 + ["failed"]
    assert outcomes["bad-run"].reason == "the loss became nan at iteration 2"
    assert starts(jobs[0]) == 2
    on_ray = results(tmp_path)
    execute(tiny_jobs(tmp_path / "local", 4), SLOTS)
    assert results(tmp_path / "local") == on_ray
    again = execute_on_ray(jobs)
    assert [outcome.state for outcome in again.values()] == ["finished"] * 4 + ["failed"]
    assert starts(jobs[1]) == 1
