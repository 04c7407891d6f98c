"""The progress of running jobs, read from their logs and shown as a live table or as lines."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lednet_mm.studies.jobs import ENDED, Job, State, look
from lednet_mm.studies.watching import Watch
from lednet_mm.text import one_line

STYLES = {
    "running": "cyan",
    "finished": "green",
    "failed": "red",
    "blocked": "red",
    "pruned": "yellow",
    "elsewhere": "magenta",
    "cut off": "yellow",
}
LINE_SECONDS = 60.0
QUIET_SECONDS = 30.0
"""Seconds without progress after which this is shown."""


@dataclass(frozen=True)
class Progress:
    """The progress of a training.

    Attributes:
        iteration: last iteration that was logged.
        seconds: recent time per iteration.
        miou_percent: mIoU of the last validation.
    """

    iteration: int = 0
    seconds: float | None = None
    miou_percent: float | None = None


def read_progress(folder: Path) -> Progress:
    """Read the progress of the training in a folder from the ends of its logs."""
    iteration, seconds, miou = 0, None, None
    for line in _newest_lines(folder):
        if miou is None and isinstance(line.get("mIoU"), float):
            miou = line["mIoU"]
        if isinstance(line.get("iter"), int) and isinstance(line.get("time"), (int, float)):
            iteration, seconds = line["iter"], float(line["time"])
            break
    return Progress(iteration, seconds, miou)


def _newest_lines(folder: Path) -> Iterator[dict]:
    """Yield the last entries of mmengine's logs, newest first; each resume has started a new file."""
    for path in sorted(folder.glob("*/vis_data/scalars.json"), reverse=True):
        try:
            with path.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - 8192))
                lines = file.read().splitlines()
        except OSError:
            continue
        for line in reversed(lines):
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # the first line read is cut, or the last one is still being written
            if isinstance(entry, dict):
                yield entry


def duration(seconds: float) -> str:
    """Return a duration in words: ``42 s``, ``7 min``, ``3 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


@dataclass
class _Row:
    """What is known of a job; ``watch`` exists while it runs."""

    state: State = "waiting"
    reason: str = ""
    started: float = 0.0
    said: set[State] = field(default_factory=set)
    progress: Progress = field(default_factory=Progress)
    problems: tuple[str, ...] = ()
    watch: Watch | None = None
    quiet_seconds: float = 0.0


class Board:
    """Shows the jobs of a study while they run: ``with Board(title, jobs, console) as board``.

    A terminal shows a live table; any other output gets a line for every change and one line a minute.

    Args:
        title: title of the study.
        jobs: all jobs of the study.
        console: console that shows them.
    """

    def __init__(self, title: str, jobs: Sequence[Job], console: Console) -> None:
        self.title = Text(one_line(title))
        self.jobs = {job.name: job for job in jobs}
        self.rows = {name: _Row() for name in self.jobs}
        self.side_by_side = 1
        self.console = console
        self.live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self.last_line = time.monotonic()
        self.last_read = 0.0

    def __enter__(self) -> Board:
        if self.live is not None:
            self.live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.live is not None:
            self._read()
            self.live.update(self._table(everything=True), refresh=True)
            self.live.stop()

    def notify(self, job: Job, state: State, reason: str) -> None:
        """Note a change of a job, even of one that is new to the board."""
        self.jobs[job.name] = job
        row = self.rows.setdefault(job.name, _Row())
        before, row.state, row.reason = row.state, state, reason
        row.watch, row.quiet_seconds = None, 0.0
        if state == "running":
            row.started = time.monotonic()
            row.watch = Watch(job.folder)
            self.side_by_side = max(self.side_by_side, self._count("running"))
        elif state in ENDED:
            status = look(job)
            row.problems = status.problems
            if state == "finished":
                row.progress = Progress(job.max_iters, row.progress.seconds, status.miou_percent)
        # A run that another sweep holds is tried every few seconds, which is reported only once.
        new = before in ("running", "queued") or state in ("running", "failed", "blocked", "elsewhere")
        if self.live is None and new and state not in row.said:
            row.said.add(state)
            took = f" after {duration(time.monotonic() - row.started)}" if before == "running" else ""
            miou = row.progress.miou_percent if state == "finished" else None
            score = f", mIoU {miou:.2f}" if miou is not None else ""
            why = f": {one_line(reason)}" if reason else ""
            earlier = " before" if state == "failed" and before == "waiting" else ""
            done = f"[{self._count('finished')}/{len(self.jobs)}]"
            self._line(f"{done} {job.name} {state}{earlier}{took}{score}{why}")

    def tick(self) -> None:
        """Read the logs and draw the table again."""
        if time.monotonic() - self.last_read < 2:
            return
        self._read()
        if self.live is not None:
            self.live.update(self._table(), refresh=True)
        elif time.monotonic() - self.last_line > LINE_SECONDS:
            self._line(self._summary() + self._quiet_runs())

    def _line(self, text: str) -> None:
        self.console.print(Text(f"{time.strftime('%H:%M:%S')} {text}"), soft_wrap=True)
        self.last_line = time.monotonic()

    def _read(self) -> None:
        for name, row in self.rows.items():
            if row.state in ("running", "elsewhere", "stopped"):
                row.progress = read_progress(self.jobs[name].folder)
            if row.watch is not None:
                row.quiet_seconds = row.watch.quiet_seconds()
        self.last_read = time.monotonic()

    def _count(self, state: State) -> int:
        return sum(row.state == state for row in self.rows.values())

    def _eta(self) -> float | None:
        """Return the estimated seconds for all remaining work, at the mean speed so far."""
        speeds = [row.progress.seconds for row in self.rows.values() if row.progress.seconds]
        if not speeds:
            return None
        left = sum(
            max(0, self.jobs[name].max_iters - row.progress.iteration)
            for name, row in self.rows.items()
            if row.state not in ENDED
        )
        return left * sum(speeds) / len(speeds) / self.side_by_side

    def _summary(self) -> str:
        counts = Counter(row.state for row in self.rows.values())
        parts = [f"{count} {state}" for state, count in sorted(counts.items())]
        eta = self._eta()
        return ", ".join(parts) + (f"; about {duration(eta)} left" if eta else "")

    def _quiet(self, name: str) -> str:
        """Return a note that a run makes no progress; empty if it does."""
        seconds = self.rows[name].quiet_seconds
        if seconds < QUIET_SECONDS:
            return ""
        limit = 60 * self.jobs[name].patience_minutes
        return f"no progress for {duration(seconds)}, ended after {duration(limit)}"

    def _quiet_runs(self) -> str:
        """Return a note of the runs without progress, longest time first."""
        names = [name for name in self.rows if self._quiet(name)]
        names.sort(key=lambda name: -self.rows[name].quiet_seconds)
        shown = [f"{name}: {self._quiet(name)}" for name in names[:3]]
        more = f"; {len(names) - 3} more without progress" if len(names) > 3 else ""
        return f"; {'; '.join(shown)}{more}" if shown else ""

    def _table(self, everything: bool = False) -> Table:
        table = Table(title=self.title, caption=Text(self._summary()))
        for column in ("run", "state", "iteration", "ETA", "mIoU (%)", ""):
            table.add_column(
                column, justify="right" if column in ("iteration", "ETA", "mIoU (%)") else "left"
            )
        rows = list(self.rows.items())
        room = self.console.height - 8
        if not everything and len(rows) > room:
            quiet = ("waiting", "finished")
            rows = [item for item in rows if item[1].state not in quiet][: max(room, 1)]
        for name, row in rows:
            job, progress = self.jobs[name], row.progress
            eta = ""
            if row.state == "running" and progress.seconds:
                eta = duration((job.max_iters - progress.iteration) * progress.seconds)
            iteration = (
                f"{progress.iteration}/{job.max_iters}" if job.max_iters and progress.iteration else ""
            )
            miou = f"{progress.miou_percent:.2f}" if progress.miou_percent is not None else ""
            state = Text(row.state, style=STYLES.get(row.state, ""))
            words = self._quiet(name) or one_line(row.reason)
            table.add_row(Text(name), state, iteration, eta, miou, Text(words))
        return table
