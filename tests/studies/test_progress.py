"""The display of running jobs."""

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from lednet_mm.studies import progress
from lednet_mm.studies.progress import Board, Progress, duration, read_progress
from lednet_mm.studies.watching import Watch
from tests.studies.tiny import SLOTS, execute, tiny_jobs


def write_log(folder, stamp, *lines):
    path = folder / stamp / "vis_data" / "scalars.json"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))


def test_progress_is_read_over_resumes(tmp_path):
    assert read_progress(tmp_path) == Progress(0, None, None)
    write_log(tmp_path, "20260101_000000", {"iter": 50, "time": 0.5, "loss": 1.0}, {"mIoU": 40.0, "step": 50})
    write_log(tmp_path, "20260101_000100", {"iter": 60, "time": 0.7, "loss": 1.0}, '{"iter": 7')
    assert read_progress(tmp_path) == Progress(60, 0.7, None)
    write_log(tmp_path, "20260101_000200", {"mIoU": 41.5, "step": 0})
    assert read_progress(tmp_path) == Progress(60, 0.7, 41.5)


@pytest.mark.parametrize(
    ("seconds", "words"), [(4.4, "4 s"), (600, "10 min"), (3 * 3600 + 290, "3 h 05 min")]
)
def test_durations(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize("terminal", [False, True])
def test_names_titles_and_reasons_are_text(tmp_path, terminal):
    (job,) = tiny_jobs(tmp_path, 1)
    out = io.StringIO()
    console = Console(file=out, width=200, height=40, force_terminal=terminal, color_system=None)
    with Board("T [/b] :smile:\x1b[31m", [job], console) as board:
        board.notify(job, "running", "")
        board.notify(job, "failed", "cannot open [/data/x]\x1b]0;gone\x07\nnext")
    assert r"cannot open [/data/x]\x1b]0;gone\x07 next" in out.getvalue()
    assert not terminal or r"T [/b] :smile:\x1b[31m" in out.getvalue()
    assert "\x1b]0" not in out.getvalue()


def test_a_run_without_progress_is_told_before_it_is_ended(tmp_path, monkeypatch):
    (job,) = tiny_jobs(tmp_path, 1)
    job.folder.mkdir()
    seconds = [0.0]
    monkeypatch.setattr(progress, "Watch", lambda folder: Watch(folder, clock=lambda: seconds[0]))
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    out = io.StringIO()
    with Board("A study", [job], Console(file=out, width=200)) as board:
        board.notify(job, "running", "")

        def told_after(passed):
            seconds[0] += passed
            board.last_read = 0.0
            board.tick()
            return out.getvalue().splitlines()[-1]

        assert "no progress" not in told_after(29)
        assert f"1 running; {job.name}: no progress for 60 s, ended after 30 min" in told_after(31)
        assert "no progress for 10 min" in told_after(540)
        (job.folder / "log.txt").write_text("a line")
        assert "no progress" not in told_after(60)


def test_time_in_a_queue_is_not_part_of_a_duration(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    jobs = tiny_jobs(tmp_path, 2)
    out = io.StringIO()
    with Board("A study", jobs, Console(file=out, width=200)) as board:
        for job in jobs:
            board.notify(job, "queued", "on the cluster")
        now[0] = 1000.0
        board.notify(jobs[0], "running", "process 1 on here")
        assert board._summary() == "1 queued, 1 running"
        now[0] = 1007.0
        board.notify(jobs[0], "finished", "")
    assert f"{jobs[0].name} finished after 7 s" in out.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
def test_board(tmp_path, terminal):
    jobs = [*tiny_jobs(tmp_path, 2), *tiny_jobs(tmp_path / "bad", 1, behave="nan")]
    jobs[2] = replace(jobs[2], folder=tmp_path / "bad" / "bad-run")
    write_log(jobs[0].folder, "20260101_000000", {"iter": 2, "time": 60.0, "loss": 1.0})
    out = io.StringIO()
    console = Console(file=out, width=120, height=40, force_terminal=terminal)
    with Board("A study", jobs, console) as board:
        board.notify(jobs[0], "running", "CPU slot 0")
        board.tick()
        assert "1 running, 2 waiting; about 10 min left" in board._summary()
        execute(jobs, SLOTS, notify=board.notify, tick=board.tick)
    text = out.getvalue()
    assert "the loss became nan at iteration 2" in text
    if terminal:
        assert "A study" in text
        assert "2 finished" in text
    else:
        assert text.count("bad-run") == 2, "one line when it starts, one when it fails"
        assert "[2/3]" in text
