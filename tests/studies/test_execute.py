"""The scheduler and the local engine, with stand-ins for trainings: order, isolation, locks, resuming."""

import _thread
import errno
import multiprocessing
import os
import signal
import threading
import time
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from lednet_mm.catalog import PLANNED
from lednet_mm.files import FolderLock, is_locked
from lednet_mm.records import read_records
from lednet_mm.studies.jobs import Attempts, Outcome, look
from lednet_mm.studies.local_engine import make_slots
from lednet_mm.studies.process import Slot
from tests.studies.tiny import SLOTS, TinyJob, execute, results, starts, tiny_jobs


def wait_until(condition, seconds=120.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_everything_runs_once_and_nothing_twice(tmp_path):
    jobs = tiny_jobs(tmp_path, 5)
    seen = []
    outcomes = execute(jobs, SLOTS, notify=lambda job, state, reason: seen.append((job.name, state)))
    assert {outcome.state for outcome in outcomes.values()} == {"finished"}
    assert len(results(tmp_path)) == 5
    assert [state for name, state in seen if name == jobs[0].name] == ["waiting", "running", "finished"]
    execute(jobs, SLOTS)
    assert [starts(job) for job in jobs] == [1] * 5


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        ("nan", "the loss became nan at iteration 2"),
        ("raise", "exit status 1: RuntimeError: shapes do not match"),
        ("kill", "killed by SIGKILL"),
        ("quiet", "ended without all its records"),
        ("silent", "exit status 3: nothing in its log"),
        ("hang", "no progress for 0.02 min"),
    ],
)
def test_a_failure_ends_one_run_and_says_why(tmp_path, behave, reason):
    jobs = tiny_jobs(tmp_path, 3)
    jobs[1] = replace(jobs[1], behave=behave, patience_minutes=0.02 if behave == "hang" else 1.0)
    outcomes = execute(jobs, SLOTS)
    assert [outcomes[job.name].state for job in jobs] == ["finished", "failed", "finished"]
    assert outcomes[jobs[1].name].reason.startswith(reason)
    (record,) = read_records([jobs[1].folder])[0]
    assert record.kind == "failure"
    assert record.run == jobs[1].run
    assert record.values["reason"].startswith(reason)
    assert record.values["last_checkpoint"] == (None if behave in ("quiet", "silent") else "iter_1.pth")
    if behave == "raise":
        assert any("Traceback" in line for line in record.details["log_tail"])
    # It stays failed until someone asks.
    assert execute(jobs, SLOTS)[jobs[1].name].state == "failed"
    assert starts(jobs[1]) == 1


def test_retry_takes_failed_runs_up_from_their_checkpoint(tmp_path):
    jobs = tiny_jobs(tmp_path, 2)
    jobs[0] = replace(jobs[0], behave="kill once")
    assert execute(jobs, SLOTS)[jobs[0].name].state == "failed"
    outcomes = execute(jobs, SLOTS, retry_failed=True)
    assert {outcome.state for outcome in outcomes.values()} == {"finished"}
    assert [starts(job) for job in jobs] == [2, 1]
    whole = tmp_path / "whole"
    execute(tiny_jobs(whole, 2), SLOTS)
    assert {seed: miou for job in jobs for seed, miou in results(job.folder).items()} == results(whole)


def test_a_defect_of_the_engine_costs_one_run(tmp_path):
    def launch(job, slot, known, stop):
        if job.run.seed == 1:
            raise OSError("no space left on device")
        return Outcome("finished")

    outcomes = execute(tiny_jobs(tmp_path, 3), SLOTS[:1], launch=launch)
    assert [outcome.state for outcome in outcomes.values()] == ["finished", "failed", "finished"]


def test_an_interrupted_retry_has_not_failed_whatever_the_clock_says(tmp_path):
    (job,) = tiny_jobs(tmp_path, 1, behave="kill")
    execute([job], SLOTS)
    assert job.status().state == "failed"
    job.begin()  # as a retry does, before it is cut off
    assert (job.status().state, job.status().failure) == ("cut off", None)
    outcome = execute([replace(job, behave="train")], SLOTS)[job.name]
    assert outcome.state == "finished"

    (other,) = tiny_jobs(tmp_path / "other", 1, behave="kill")
    execute([other], SLOTS)
    (path,) = other.folder.glob("records/failure-*.json")
    path.write_text(path.read_text().replace('"date":"2', '"date":"1'))  # a clock that was wrong by centuries
    assert other.status().state == "failed"


def broken_text(path):
    path.write_bytes(b"seed = '\xff'")


def changed_by_hand(path):
    path.write_text("seed = 7")


def a_folder_in_its_place(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (broken_text, "not UTF-8 text"),
        (changed_by_hand, "seed is 7 there and 1 here"),
        (a_folder_in_its_place, "not a regular file"),
    ],
)
def test_a_damaged_plan_is_named_and_costs_one_run(tmp_path, damage, words):
    jobs = tiny_jobs(tmp_path, 3)
    jobs[1].prepare()
    damage(jobs[1].folder / PLANNED)
    for retry_failed in (False, True):
        outcomes = execute(jobs, SLOTS, retry_failed=retry_failed)
        assert [outcomes[job.name].state for job in jobs] == ["finished", "failed", "finished"]
        assert words in outcomes[jobs[1].name].reason
        assert str(jobs[1].folder) in outcomes[jobs[1].name].reason
    assert not (jobs[1].folder / "records").exists(), "nothing is written into a folder of something else"


def test_a_folder_that_cannot_be_made_costs_one_run(tmp_path):
    jobs = tiny_jobs(tmp_path, 3)
    jobs[1].folder.write_text("a file")
    outcomes = execute(jobs, SLOTS)
    assert [outcomes[job.name].state for job in jobs] == ["finished", "failed", "finished"]
    assert "a file stands where a folder is needed" in outcomes[jobs[1].name].reason
    assert jobs[1].folder.read_text() == "a file"


def test_a_failure_that_cannot_be_recorded_is_still_told(tmp_path, monkeypatch):
    def no_space(job, *_):
        raise OSError(errno.ENOSPC, "No space left on device", str(job.folder))

    monkeypatch.setattr(TinyJob, "record_failure", no_space)
    jobs = tiny_jobs(tmp_path, 2)
    jobs[0] = replace(jobs[0], behave="nan")
    outcomes = execute(jobs, SLOTS)
    assert [outcome.state for outcome in outcomes.values()] == ["failed", "finished"]
    assert outcomes[jobs[0].name].reason.startswith("the loss became nan at iteration 2; this could not be")
    assert "No space left" in outcomes[jobs[0].name].reason


def test_a_full_disk_is_told_with_its_place(tmp_path, monkeypatch):
    def launch(job, slot, known, stop):
        raise OSError(errno.ENOSPC, "No space left on device")

    (job,) = tiny_jobs(tmp_path, 1, behave="silent")
    reason = execute([job], SLOTS, launch=launch)[job.name].reason
    assert reason.startswith(f"{job.folder}: No space left on device; free some space there")
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=0))
    assert execute([job], SLOTS)[job.name].reason.endswith("nothing in its log, as there is no space left")


def test_a_defect_keeps_its_traceback_in_the_log(tmp_path):
    def launch(job, slot, known, stop):
        job.prepare()
        raise ZeroDivisionError("a defect")

    (job,) = tiny_jobs(tmp_path, 1)
    outcome = execute([job], SLOTS, launch=launch)[job.name]
    assert outcome == Outcome("failed", "ZeroDivisionError: a defect")
    assert "Traceback" in (job.folder / "log.txt").read_text()


@pytest.mark.parametrize("name", ["log.txt", "lock"])
def test_nothing_is_written_through_a_link_in_a_run_folder(tmp_path, name):
    jobs = tiny_jobs(tmp_path, 2)
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    jobs[0].folder.mkdir()
    (jobs[0].folder / name).symlink_to(mine)
    outcomes = execute(jobs, SLOTS)
    assert [outcome.state for outcome in outcomes.values()] == ["failed", "finished"]
    assert str(jobs[0].folder / name) in outcomes[jobs[0].name].reason
    assert mine.read_text() == "mine"


def test_a_pipe_in_place_of_the_log_is_not_waited_for(tmp_path):
    (job,) = tiny_jobs(tmp_path, 1)
    job.folder.mkdir()
    os.mkfifo(job.folder / "log.txt")
    assert "log.txt: not a regular file" in execute([job], SLOTS)[job.name].reason


def test_an_output_that_cannot_be_written_stops_everything_and_is_told(tmp_path):
    def notify(job, state, reason):
        if state == "running":
            raise BrokenPipeError("no reader")

    with pytest.raises(BrokenPipeError):
        execute(tiny_jobs(tmp_path, 3), SLOTS, notify=notify)


def test_a_run_that_somebody_works_on_is_neither_waiting_nor_cut_off(tmp_path):
    (job,) = tiny_jobs(tmp_path, 1, behave="kill")
    execute([job], SLOTS)
    job.begin()
    assert look(job).state == "cut off"
    with FolderLock.take(job.folder):
        assert look(job).state == "elsewhere"
        assert str(os.getpid()) in look(job).reason
    assert look(job).state == "cut off"


def test_a_folder_of_another_config_is_left_alone(tmp_path):
    (job,) = tiny_jobs(tmp_path, 1)
    execute([job], SLOTS)
    files = [path for path in job.folder.rglob("*") if path.is_file() and path.name != "lock"]
    before = {path: path.read_bytes() for path in files}
    outcome = execute([replace(job, text="another")], SLOTS)[job.name]
    assert outcome.state == "failed"
    assert "holds a run of another config" in outcome.reason
    assert {path: path.read_bytes() for path in before} == before
    assert job.status().state == "finished"


def test_a_run_that_another_sweep_holds_is_waited_for(tmp_path):
    jobs = tiny_jobs(tmp_path, 2)
    lock = FolderLock.take(jobs[0].folder)
    states = []

    def notify(job, state, reason):
        states.append((job.run.seed, state))
        if (job.run.seed, state) == (0, "elsewhere"):
            lock.__exit__()

    outcomes = execute(jobs, SLOTS[:1], notify=notify, poll_seconds=0.05)
    assert {outcome.state for outcome in outcomes.values()} == {"finished"}
    assert states.index((0, "elsewhere")) < states.index((1, "finished")) < states.index((0, "finished"))


def start_sweep(folder, seconds):
    """Start a sweep of eight jobs in a process of its own; forked, as imports take seconds."""
    arguments = (tiny_jobs(folder, 8, step_seconds=seconds), SLOTS)
    sweep = multiprocessing.get_context("fork").Process(
        target=execute, args=arguments, kwargs={"poll_seconds": 0.05}
    )
    sweep.start()
    return sweep


@pytest.mark.thorough
def test_two_sweeps_share_the_work_and_a_killed_one_is_continued(tmp_path):
    both, cut = tmp_path / "both", tmp_path / "cut"
    pair = [start_sweep(both, 0.02) for _ in range(2)]
    for sweep in pair:
        sweep.join()
        assert sweep.exitcode == 0
    assert [starts(job) for job in tiny_jobs(both, 8)] == [1] * 8

    killed = start_sweep(cut, 0.3)
    wait_until(lambda: len(results(cut)) >= 2 and len(list(cut.glob("*/iter_2.pth"))) > len(results(cut)))
    killed.kill()  # -9: its children see the end of their standard input
    killed.join()
    jobs = tiny_jobs(cut, 8)
    assert len(results(cut)) < 8
    outcomes = execute(jobs, SLOTS, poll_seconds=0.05)
    assert {outcome.state for outcome in outcomes.values()} == {"finished"}
    assert 1 <= sum(starts(job) == 2 for job in jobs) <= 2, "only what was running starts again"
    assert results(cut) == results(both)


def test_ctrl_c_stops_the_processes_and_nothing_has_failed(tmp_path):
    jobs = tiny_jobs(tmp_path, 4, step_seconds=0.3)
    running = [job.folder / "starts" for job in jobs[:2]]

    def interrupt():
        wait_until(lambda: all(path.exists() for path in running))
        _thread.interrupt_main()

    threading.Thread(target=interrupt).start()
    states = []
    # A test process started in the background ignores SIGINT; a person's terminal does not.
    ignored = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            execute(jobs, SLOTS, notify=lambda job, state, reason: states.append(state))
    finally:
        signal.signal(signal.SIGINT, ignored)
    assert states.count("stopped") == 2
    for path in running:
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.read_text().split()[0]), 0)
    assert {job.status().state for job in jobs} <= {"waiting", "cut off"}
    outcomes = execute([replace(job, step_seconds=0) for job in jobs], SLOTS)
    assert {outcome.state for outcome in outcomes.values()} == {"finished"}


class Telling(TinyJob):
    """A run whose process prints how the sweep was started, and leaves a child process behind."""

    def command(self):
        return ["bash", "-c", 'echo "$LEDNET_COMMAND"; sleep 600 & echo $!; exit 1']


def test_a_process_knows_the_command_and_leaves_nothing_behind(tmp_path):
    (job,) = tiny_jobs(tmp_path, 1)
    job = Telling(**{field.name: getattr(job, field.name) for field in fields(job)})
    execute([job], [Slot("slot", {"LEDNET_COMMAND": "python tools/sweep.py 'a b.py'"})])
    _, command, child = (job.folder / "log.txt").read_text().splitlines()
    assert command == "python tools/sweep.py 'a b.py'"
    wait_until(lambda: not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text())
    assert not is_locked(job.folder)


def test_a_job_whose_worker_is_lost_is_started_again_and_recorded_when_that_does_not_help(tmp_path):
    jobs = tiny_jobs(tmp_path, 3)
    begun, told = [], []

    def launch(job, slot, known, stop):
        job.prepare()
        begun.append(job.run.seed)
        lost = job.run.seed == 1 or (job.run.seed == 2 and begun.count(2) == 1)
        return Outcome("lost", "the worker has died") if lost else Outcome("finished")

    outcomes = execute(
        jobs, SLOTS[:1], launch, notify=lambda job, state, reason: told.append((state, reason))
    )
    assert [outcome.state for outcome in outcomes.values()] == ["finished", "failed", "finished"]
    assert sorted(begun) == [0, 1, 1, 1, 1, 2, 2]
    assert ("waiting", "the worker has died: it is started again") in told
    assert (jobs[1].status().state, jobs[1].status().reason) == ("failed", "the worker has died, 4 times")


def test_jobs_that_follow_are_taken_up_when_what_they_wait_for_is_over(tmp_path):
    first, second, third = tiny_jobs(tmp_path, 3)
    first = replace(first, behave="nan")
    following = {first.name: [second], second.name: [third]}
    outcomes = execute([first], SLOTS, follow=lambda job, outcome: following.get(job.name, ()))
    assert [outcome.state for outcome in outcomes.values()] == ["failed", "finished", "finished"]
    again = execute([first], SLOTS, follow=lambda job, outcome: following.get(job.name, ()))
    assert again == outcomes
    assert [starts(job) for job in (first, second, third)] == [1, 1, 1]


def test_a_folder_tells_how_long_its_processes_took(tmp_path):
    (job,) = tiny_jobs(tmp_path, 1, behave="kill once", step_seconds=0.2)
    execute([job], SLOTS)
    first = Attempts.read(job.folder).seconds
    execute([job], SLOTS, retry_failed=True)
    assert 0.4 < first < Attempts.read(job.folder).seconds - 0.6
    assert Attempts.read(job.folder).begun == 2


def test_a_hopeless_trial_is_ended_and_is_no_failure(tmp_path, monkeypatch):
    monkeypatch.setattr("lednet_mm.studies.process.LOOK_SECONDS", 0.1)
    monkeypatch.setattr(TinyJob, "hopeless", lambda job: "too low" if job.run.seed == 0 else "")
    jobs = tiny_jobs(tmp_path, 2, step_seconds=0.4)
    outcomes = execute(jobs, SLOTS)
    assert list(outcomes.values()) == [Outcome("pruned", "too low"), Outcome("finished")]
    assert (jobs[0].status().state, jobs[0].status().reason) == ("pruned", "too low")
    assert execute(jobs, SLOTS, retry_failed=True) == outcomes
    assert starts(jobs[0]) == 1


def test_slots_share_the_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("lednet_mm.studies.local_engine.usable_cores", lambda: 8)
    monkeypatch.setattr("lednet_mm.studies.local_engine.count_gpus", lambda: 0)
    assert [slot.environment["OMP_NUM_THREADS"] for slot in make_slots(3)] == ["2"] * 3
    assert len(make_slots()) == 8
    assert make_slots(1, {"LEDNET_COMMAND": "python tools/sweep.py x.py"})[0].environment == {
        "LEDNET_COMMAND": "python tools/sweep.py x.py",
        "OMP_NUM_THREADS": "8",
    }
    monkeypatch.setattr("lednet_mm.studies.local_engine.count_gpus", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in make_slots()] == ["4", "6"]
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in make_slots(4)] == ["4", "6", "4", "6"]
