"""The Ray engine on a small local cluster; skipped where Ray is not installed."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from lednet_mm.errors import InputError
from lednet_mm.files import FolderLock
from lednet_mm.studies import ray_engine
from lednet_mm.studies.jobs import Outcome
from lednet_mm.studies.ray_engine import RayEngine, threads_of
from lednet_mm.studies.remote import LockWatch
from lednet_mm.studies.scheduler import run_jobs
from tests.conftest import ROOT
from tests.studies.tiny import SLOTS, execute, results, starts, tiny_jobs


def test_without_ray_there_is_one_clear_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install -e '\.\[cluster\]'"):
        ray_engine.import_ray()


def test_a_run_asks_for_what_every_machine_with_gpus_has():
    cpu, small, large = {"CPU": 64.0}, {"CPU": 4.0, "GPU": 2.0}, {"CPU": 32.0, "GPU": 4.0}

    def threads(*resources, alive=True):
        return threads_of([{"Resources": each, "Alive": alive} for each in resources])

    assert threads(cpu) == (1, 0)
    assert threads(large) == (4, 1)
    assert threads(cpu, small, large) == (2, 1)
    assert threads({"GPU": 1.0}) == (1, 1)
    assert threads(large, alive=False) == (1, 0)


def test_a_job_is_queued_until_its_folder_is_locked(tmp_path):
    (job,) = tiny_jobs(tmp_path, 1)
    states = LockWatch("on the cluster", "its worker has died")
    assert states.handed_over(job) == Outcome("queued", "on the cluster")
    assert states.look(job) is None
    with FolderLock.take(job.folder):
        assert states.look(job).state == "running"
        assert states.look(job) is None
    assert states.look(job) is None, "a job that has just ended, before Ray says so"
    assert states.look(job) == Outcome("queued", "its worker has died")
    assert states.stopped(job).state == "waiting"
    with FolderLock.take(job.folder):
        assert states.look(job).state == "running"
    assert states.stopped(job).state == "stopped"


def test_a_cluster_that_refuses_is_one_line(monkeypatch):
    class Refusing:
        @staticmethod
        def is_initialized():
            return False

        @staticmethod
        def init(**_):
            raise RuntimeError("AuthenticationError: InvalidAuthToken\nmore lines")

    with pytest.raises(InputError, match=r"cannot be joined: .*RAY_AUTH_MODE=token") as raised:
        ray_engine.connect(Refusing)
    assert "\n" not in str(raised.value)


def raise_input_error(job, slot, known, stop):
    raise InputError("the data are not there: prepare them")


def lose_the_worker(job, slot, known, stop):
    os._exit(1)


@pytest.fixture(scope="module")
def cluster():
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield ray
    ray.shutdown()


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_its_run_continued(cluster, tmp_path):
    jobs = tiny_jobs(tmp_path, 4, step_seconds=0.5)
    jobs[0] = replace(jobs[0], step_seconds=5.0)  # so that it is still running when it is killed
    jobs += tiny_jobs(tmp_path / "bad", 1, behave="nan")
    jobs[4] = replace(jobs[4], folder=tmp_path / "bad" / "bad-run")

    def kill_one_worker():
        while not (jobs[0].folder / "iter_2.pth").exists():
            time.sleep(0.02)
        worker = int((jobs[0].folder / "starts").read_text().split()[1])
        os.kill(worker, signal.SIGKILL)

    threading.Thread(target=kill_one_worker).start()
    outcomes = run_jobs(jobs, RayEngine())
    assert [outcome.state for outcome in outcomes.values()] == ["finished"] * 4 + ["failed"]
    assert outcomes["bad-run"].reason == "the loss became nan at iteration 2"
    assert starts(jobs[0]) == 2
    on_ray = results(tmp_path)
    execute(tiny_jobs(tmp_path / "local", 4), SLOTS)
    assert results(tmp_path / "local") == on_ray
    again = run_jobs(jobs, RayEngine())
    assert [outcome.state for outcome in again.values()] == ["finished"] * 4 + ["failed"]
    assert starts(jobs[1]) == 1


@pytest.mark.slow
def test_a_run_that_hangs_is_ended_and_recorded(cluster, tmp_path):
    jobs = tiny_jobs(tmp_path, 2)
    jobs[0] = replace(jobs[0], behave="hang", patience_minutes=0.05)
    outcomes = run_jobs(jobs, RayEngine())
    assert [outcome.state for outcome in outcomes.values()] == ["failed", "finished"]
    assert outcomes[jobs[0].name].reason.startswith("no progress for 0.05 min")
    assert jobs[0].status().reason == outcomes[jobs[0].name].reason


@pytest.mark.slow
def test_reasons_survive_the_way_back(cluster, tmp_path):
    (job,) = tiny_jobs(tmp_path / "input", 1)
    outcome = run_jobs([job], RayEngine(launch=raise_input_error))[job.name]
    assert (outcome.state, outcome.reason) == ("failed", "the data are not there: prepare them")
    (job,) = tiny_jobs(tmp_path / "lost", 1)
    job.prepare()
    outcome = run_jobs([job], RayEngine(launch=lose_the_worker))[job.name]
    assert outcome.state == "failed"
    assert outcome.reason.startswith("Ray: WorkerCrashedError: ")
    assert outcome.reason.endswith(", 4 times")
    assert job.status().state == "failed"


DRIVER = """
import json, sys
from pathlib import Path
import ray
from lednet_mm.studies.ray_engine import RayEngine, connect
from lednet_mm.studies.scheduler import run_jobs
from tests.studies.tiny import tiny_jobs

connect(ray)
seen = []
outcomes = run_jobs(
    tiny_jobs(Path(sys.argv[1]), 3, step_seconds=2.0),
    RayEngine(poll_seconds=0.2),
    notify=lambda job, state, reason: seen.append((job.run.seed, state)),
)
print(json.dumps([len(ray.nodes()), [o.state for o in outcomes.values()], seen]))
"""


def documented_commands():
    """Return the commands of the instructions in docs/studies.md, up to the one that starts the sweep."""
    text = (ROOT / "docs" / "studies.md").read_text()
    section = text[text.index("### Ray") : text.index("Ray within a job of Slurm:")]
    lines = [
        line for block in re.findall(r"```\n(.*?)```", section, re.DOTALL) for line in block.splitlines()
    ]
    commands = [line.split("  #")[0].strip() for line in lines]
    return commands[: next(i for i, line in enumerate(commands) if "tools/sweep.py" in line)]


@pytest.mark.slow
def test_the_documented_recipe_joins_a_second_worker(tmp_path):
    """The commands of docs/studies.md run with their own home folder and port, and one core per worker."""
    ray = Path(sys.executable).with_name("ray")
    if not ray.exists():
        pytest.skip("Ray is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    home = tmp_path / "home"
    home.mkdir()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    environment |= {"HOME": str(home), "PYTHONPATH": str(ROOT), "PATH": f"{ray.parent}:{os.environ['PATH']}"}
    workers = []
    sockets = tempfile.mkdtemp(prefix="ray")  # the paths of sockets must be short
    try:
        for command in documented_commands():
            words = shlex.split(command)
            if words[0] == "export":
                environment.update([words[1].split("=")])
            elif words[:2] == ["ray", "start"]:
                line = command.replace("FIRST", "127.0.0.1").replace("6379", port)
                line = f"exec {line} --num-cpus=1 --block --disable-usage-stats"
                if "--head" in line:
                    line += f" --include-dashboard=false --temp-dir={sockets}"
                log = (tmp_path / f"start{len(workers)}.txt").open("w")
                started = {"env": environment, "stdout": log, "stderr": log, "start_new_session": True}
                workers.append((subprocess.Popen(["bash", "-c", line], **started), Path(log.name)))
                end = time.monotonic() + 180
                while "Ray runtime started" not in workers[-1][1].read_text():
                    assert workers[-1][0].poll() is None, workers[-1][1].read_text()
                    assert time.monotonic() < end
                    time.sleep(0.2)
            else:
                subprocess.run(["bash", "-c", command], env=environment, check=True)
        assert len(workers) == 2
        assert (home / ".ray" / "auth_token").stat().st_mode & 0o777 == 0o600
        driver = [sys.executable, "-c", DRIVER, str(tmp_path / "w")]
        answer = subprocess.run(driver, env=environment, capture_output=True, text=True, timeout=400)
        assert answer.returncode == 0, answer.stderr
        nodes, outcomes, seen = json.loads(answer.stdout.splitlines()[-1])
        assert nodes == 2
        assert outcomes == ["finished"] * 3
        assert starts(tiny_jobs(tmp_path / "w", 1)[0]) == 1
        # Two workers of one core: the third run is queued until one of the others is over.
        running = [seed for seed, state in map(tuple, seen) if state == "running"]
        assert sorted(running) == [0, 1, 2]
        first_end = next(i for i, (_, state) in enumerate(seen) if state == "finished")
        assert seen.index([running[-1], "running"]) > first_end
        assert "cut off" not in {state for _, state in seen}
    finally:
        for worker, _ in reversed(workers):
            worker.terminate()
            worker.wait(60)
        shutil.rmtree(sockets, ignore_errors=True)
