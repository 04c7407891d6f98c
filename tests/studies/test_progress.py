"""What a person sees of running jobs."""

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from lednet_mm.studies.execute import execute
from lednet_mm.studies.progress import Board, Progress, duration, read_progress
from tests.studies.tiny import SLOTS, tiny_jobs


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
