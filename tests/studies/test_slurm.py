"""The Slurm engine, on submitit's local executor and, if Slurm is installed, on a real one with one node."""

import getpass
import os
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
from lednet_mm.records import read_records
from lednet_mm.studies.jobs import Outcome
from lednet_mm.studies.scheduler import run_jobs
from lednet_mm.studies.slurm_engine import (
    SlurmEngine,
    SlurmOptions,
    _Submitted,
    import_submitit,
    make_executor,
)
from tests.studies.tiny import SLOTS, execute, results, starts, tiny_jobs


def test_without_submitit_there_is_one_clear_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(InputError, match=r"pip install -e '\.\[slurm\]'"):
        import_submitit()


def test_the_logging_of_the_process_stays_as_it_is():
    pytest.importorskip("submitit")
    program = """
import logging

from lednet_mm.studies.slurm_engine import import_submitit

class Kept(logging.StreamHandler):
    def close(self):
        print("closed")

handler = Kept()
import_submitit()
print("imported")
"""
    command = [sys.executable, "-c", program]
    outcome = subprocess.run(command, capture_output=True, text=True, check=True)
    assert outcome.stdout.split() == ["imported", "closed"]  # it is closed when the process ends


def test_without_slurm_there_is_one_clear_line(tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="run it on a machine that has srun and sbatch"):
        make_executor(tmp_path, SlurmOptions(), None, exclusive=False)


def test_the_script_asks_for_what_the_options_say(tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    for name in ("srun", "sbatch"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    options = SlurmOptions("gpu", "lab", gpus=1, cpus=6, minutes=90, further={"qos": "high", "mem": "16G"})
    executor = make_executor(tmp_path, options, at_once=3, exclusive=True)
    executor._executor.parameters["map_count"] = 8
    lines = executor._executor._make_submission_file_text("run", "x").splitlines()
    for line in (
        "partition=gpu",
        "account=lab",
        "gpus-per-node=1",
        "cpus-per-task=6",
        "time=90",
        "qos=high",
        "mem=16G",
        "array=0-7%3",
        "signal=USR2@90",
    ):
        assert f"#SBATCH --{line}" in lines, line
    assert "#SBATCH --requeue" in lines
    assert "#SBATCH --exclusive" in lines
    plain = make_executor(tmp_path, SlurmOptions(gpus=0, minutes=1), None, exclusive=False)
    text = plain._executor._make_submission_file_text("run", "x")
    assert not [word for word in ("partition", "account", "gpus", "exclusive") if f"--{word}" in text]
    assert "--signal=USR2@10" in text, "a limit of a minute is not announced before it begins"


@pytest.fixture
def stand_in(tmp_path):
    """Return an engine that uses submitit's executor for this machine."""
    submitit = pytest.importorskip("submitit")
    executor = submitit.AutoExecutor(folder=tmp_path / "submitit", cluster="local")
    executor.update_parameters(timeout_min=5)
    return lambda **more: SlurmEngine(executor, threads=1, poll_seconds=0.2, **more)


@pytest.mark.slow
def test_jobs_end_on_a_stand_in_as_on_this_machine(tmp_path, stand_in):
    jobs = tiny_jobs(tmp_path, 4)
    jobs[1] = replace(jobs[1], behave="nan")
    jobs[2] = replace(jobs[2], behave="hang", patience_minutes=0.02)
    states = []
    outcomes = run_jobs(
        jobs, stand_in(), notify=lambda job, state, reason: states.append((job.run.seed, state))
    )
    assert [outcome.state for outcome in outcomes.values()] == ["finished", "failed", "failed", "finished"]
    assert outcomes[jobs[1].name].reason == "the loss became nan at iteration 2"
    assert outcomes[jobs[2].name].reason.startswith("no progress for 0.02 min")
    assert jobs[2].status().state == "failed", "it is recorded"
    assert [state for seed, state in states if seed == 2] == ["waiting", "queued", "running", "failed"]
    execute(tiny_jobs(tmp_path / "local", 4), SLOTS)
    on_stand_in = {seed: results(jobs[seed].folder)[seed] for seed in (0, 3)}
    assert on_stand_in == {seed: results(tmp_path / "local")[seed] for seed in (0, 3)}
    assert run_jobs(jobs, stand_in()) == outcomes, "nothing runs a second time"
    assert [starts(job) for job in jobs] == [1] * 4


def lose_the_machine(job, slot, known, stop):
    with (job.folder.parent / "attempts").open("a") as file:
        file.write("x")
    os._exit(1)


@pytest.mark.slow
def test_a_job_whose_machine_is_lost_is_started_three_times_more(tmp_path, stand_in):
    (job,) = tiny_jobs(tmp_path, 1)
    job.prepare()
    outcome = run_jobs([job], stand_in(launch=lose_the_machine))[job.name]
    assert (tmp_path / "attempts").read_text() == "xxxx"
    assert outcome.state == "failed"
    assert outcome.reason.endswith(", 4 times")
    assert job.status().state == "failed"


def refuse(job, slot, known, stop):
    raise InputError("the data are not there: prepare them")


def test_a_reason_comes_back(tmp_path, stand_in):
    (job,) = tiny_jobs(tmp_path, 1)
    outcome = run_jobs([job], stand_in(launch=refuse))[job.name]
    assert outcome == Outcome("failed", "the data are not there: prepare them")


def test_an_answer_that_somebody_damaged_is_not_believed(tmp_path, stand_in):
    (job,) = tiny_jobs(tmp_path, 1, step_seconds=0.3)
    engine = stand_in()
    for place in ("{", '{"state": "won", "reason": ""}', '["finished"]'):
        path = tmp_path / "answer.json"
        path.write_text(place)
        assert _Submitted(job, job.status(), path, None).read_answer() is None
    assert run_jobs([job], engine)[job.name].state == "finished"


# ---- a real Slurm of one node ----

DAEMONS = ("munged", "slurmctld", "slurmd", "srun", "sbatch")
CONFIGURATION = """ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
KillWait=10
OverTimeLimit=0
SchedulerParameters=batch_sched_delay=0,sched_interval=1
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


@pytest.fixture(scope="module")
def slurm():
    """Start Slurm on this machine only, with at most two cores, and end it after the test."""
    pytest.importorskip("submitit")
    places = {name: shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") for name in DAEMONS}
    if lacking := [name for name, place in places.items() if place is None]:
        pytest.skip(f"no Slurm here (apt-get install slurmctld slurmd munge): {', '.join(lacking)} missing")
    folder = Path(tempfile.mkdtemp(prefix="slurm"))
    folder.chmod(0o755)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key, config = folder / "munge.key", folder / "slurm.conf"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    facts = {"host": socket.gethostname().split(".")[0], "user": getpass.getuser(), "folder": folder}
    config.write_text(CONFIGURATION.format(**facts, ports=free_ports(2), cores=min(2, os.cpu_count() or 1)))
    os.environ["SLURM_CONF"] = str(config)
    munge = {
        "key-file": key,
        "socket": folder / "munge.socket",
        "pid-file": folder / "munge.pid",
        "log-file": folder / "munge.log",
        "seed-file": folder / "seed",
    }
    commands = [
        [places["munged"], "--force", "--foreground", *(f"--{name}={path}" for name, path in munge.items())],
        [places["slurmctld"], "-D", "-f", config],
        [places["slurmd"], "-D", "-f", config],
    ]
    daemons = []
    try:
        for command in commands:
            with (folder / f"daemon{len(daemons)}.txt").open("w") as log:
                daemons.append(subprocess.Popen([*map(str, command)], stdout=log, stderr=log))
            time.sleep(0.5)
        end = time.monotonic() + 30
        while "idle" not in subprocess.run(["sinfo", "-h"], capture_output=True, text=True).stdout:
            if time.monotonic() > end or any(daemon.poll() is not None for daemon in daemons):
                logs = "; ".join(path.read_text()[-200:] for path in sorted(folder.glob("*.txt")))
                pytest.skip(f"Slurm does not start here: {logs}")
            time.sleep(0.2)
        yield folder
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(20)
        del os.environ["SLURM_CONF"]
        shutil.rmtree(folder, ignore_errors=True)


def engine(folder, minutes=5, **more):
    options = SlurmOptions(gpus=0, cpus=1, minutes=minutes)
    return SlurmEngine(make_executor(folder / "slurm", options, None, exclusive=False), 1, **more)


@pytest.mark.slow
def test_a_study_runs_as_an_array(slurm, tmp_path):
    jobs = tiny_jobs(tmp_path, 5)
    jobs[1] = replace(jobs[1], behave="raise")
    jobs[2] = replace(jobs[2], behave="hang", patience_minutes=0.05)
    states = []
    outcomes = run_jobs(
        jobs,
        engine(tmp_path, poll_seconds=0.5),
        notify=lambda job, state, reason: states.append((job.run.seed, state)),
    )
    assert [outcome.state for outcome in outcomes.values()] == [
        *("finished", "failed", "failed", "finished", "finished")
    ]
    assert outcomes[jobs[1].name].reason == "exit status 1: RuntimeError: shapes do not match"
    assert outcomes[jobs[2].name].reason.startswith("no progress for 0.05 min")
    assert len(list((tmp_path / "slurm").glob("[0-9]*_submission.sh"))) == 1, "one array"
    assert (2, "running") in states
    assert [starts(job) for job in jobs] == [1] * 5


@pytest.mark.slow
def test_a_run_that_needs_more_than_its_time_limit_is_requeued_and_continued(slurm, tmp_path):
    """Steps of 12 s take 144 s; the limit is 120 s, and Slurm announces it 20 to 80 s before."""
    (job,) = tiny_jobs(tmp_path, 1, steps=12, step_seconds=12.0)
    assert run_jobs([job], engine(tmp_path, minutes=2))[job.name].state == "finished"
    assert starts(job) >= 2
    execute(tiny_jobs(tmp_path / "local", 1, steps=12), SLOTS)
    assert results(job.folder) == results(tmp_path / "local")
    # A run that reaches no checkpoint within the limit would otherwise be requeued for ever.
    (slow,) = tiny_jobs(tmp_path / "slow", 1, step_seconds=600.0)
    outcome = run_jobs([slow], engine(tmp_path / "slow", minutes=1))[slow.name]
    assert outcome.state == "failed"
    assert "time limit of its Slurm job without a new checkpoint" in outcome.reason
    (failure,) = read_records([slow.folder])[0]
    assert failure.values["reason"] == outcome.reason
    assert starts(slow) == 1


@pytest.mark.slow
def test_a_job_that_slurm_cancels_is_started_again(slurm, tmp_path):
    (job,) = tiny_jobs(tmp_path, 1, step_seconds=1.5)

    def cancel_once():
        while not (job.folder / "iter_1.pth").exists():
            time.sleep(0.05)
        subprocess.run(["scancel", "--me"], check=True)

    canceller = threading.Thread(target=cancel_once)
    canceller.start()
    assert run_jobs([job], engine(tmp_path, poll_seconds=0.5))[job.name].state == "finished"
    canceller.join()
    assert starts(job) == 2


DRIVER = """
import signal, sys
from pathlib import Path
from tests.studies.test_slurm import engine
from tests.studies.tiny import tiny_jobs
from lednet_mm.studies.scheduler import run_jobs

# A shell's background process, as these tests may be, is started with Ctrl-C ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
place = Path(sys.argv[1])
run_jobs(tiny_jobs(place, 3, step_seconds=2.0), engine(place, poll_seconds=0.5))
"""


@pytest.mark.slow
def test_ctrl_c_empties_the_queue_and_nothing_has_failed(slurm, tmp_path):
    jobs = tiny_jobs(tmp_path, 3)
    sweep = subprocess.Popen([sys.executable, "-c", DRIVER, str(tmp_path)], start_new_session=True)
    while not any((job.folder / "iter_1.pth").exists() for job in jobs):
        assert sweep.poll() is None
        time.sleep(0.1)
    sweep.send_signal(signal.SIGINT)
    assert sweep.wait(60) != 0
    queue = subprocess.run(["squeue", "--me", "-h"], capture_output=True, text=True)
    assert queue.stdout == ""
    assert {job.status().state for job in jobs} <= {"waiting", "cut off"}
    outcomes = run_jobs(jobs, engine(tmp_path, poll_seconds=0.5))
    assert {outcome.state for outcome in outcomes.values()} == {"finished"}
