"""Run jobs on this machine, each in its own process, and at most one in each slot."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue

from lednet_mm.environment import count_gpus
from lednet_mm.studies.jobs import Job, Outcome, Status
from lednet_mm.studies.process import Launch, Slot, attempt, run_in_process, usable_cores
from lednet_mm.text import counted


def make_slots(jobs: int | None = None, environment: Mapping[str, str] | None = None) -> list[Slot]:
    """Return the slots of this machine.

    Args:
        jobs: number of slots. None gives one slot per GPU or, without a GPU, one per core, as single-threaded
            runs side by side use the cores best. If there are more slots than GPUs, several share a GPU.
        environment: additional environment variables of the processes.

    The threads are divided evenly, unless the caller has set ``OMP_NUM_THREADS`` or ``CUDA_VISIBLE_DEVICES``.
    """
    gpus = count_gpus()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = visible.split(",") if visible else [str(i) for i in range(gpus)]
    count = jobs or gpus or usable_cores()
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, usable_cores() // count))
    slots = []
    for i in range(count):
        variables = {**(environment or {}), "OMP_NUM_THREADS": threads}
        if gpus:
            variables["CUDA_VISIBLE_DEVICES"] = names[i % gpus]
        where = f"GPU {names[i % gpus]}" if gpus else f"CPU slot {i}"
        slots.append(Slot(f"{where} ({counted(threads, 'thread')})", variables))
    return slots


BACKLOG = 16
"""Number of jobs that a slot gets in advance, because waking a thread for every job takes longer than
starting the job. A job that waits here is not locked, and another sweep may take it."""


class LocalEngine:
    """Runs one job at a time in each slot.

    Args:
        slots: slots of the machine, see :func:`make_slots`.
        launch: function that runs one job and returns when it has ended.
    """

    def __init__(self, slots: Sequence[Slot], launch: Launch | None = None) -> None:
        self.launch = launch or run_in_process
        self._slots = list(slots)
        self._handed: SimpleQueue[tuple[Job, Status]] = SimpleQueue()
        self._changes: deque[tuple[Job, Outcome]] = deque()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._busy: set[str] = set()
        self._given = 0

    def has_room(self) -> bool:
        """Return whether a slot is free or can take another job in advance."""
        return self._given < BACKLOG * len(self._slots)

    def start(self, job: Job, known: Status) -> None:
        """Run a job in the slot that becomes free first."""
        self._handed.put((job, known))
        self._given += 1
        if len(self._threads) < min(self._given, len(self._slots)):
            slot = self._slots[len(self._threads)]
            self._threads.append(threading.Thread(target=self._serve, args=(slot,), daemon=True))
            self._threads[-1].start()

    def _serve(self, slot: Slot) -> None:
        while True:
            job, known = self._handed.get()
            self._busy.add(job.name)
            self._changes.append((job, Outcome("running", slot.name)))
            self._changes.append((job, attempt(self.launch, job, slot, known, self._stop)))
            if self._handed.empty():
                self._wake.set()
            self._busy.discard(job.name)

    def watch(self, seconds: float) -> list[tuple[Job, Outcome]]:
        """Wait at most ``seconds`` until a slot needs a job; return the changes."""
        if seconds:
            self._wake.wait(seconds)
        self._wake.clear()
        changes = [self._changes.popleft() for _ in range(len(self._changes))]
        self._given -= sum(outcome.state != "running" for _, outcome in changes)
        return changes

    def stop(self) -> list[tuple[Job, Outcome]]:
        """End the processes of all jobs and wait until they have ended."""
        self._stop.set()
        with suppress(Empty):
            while True:
                self._handed.get_nowait()
        # Ctrl-C may have interrupted any of the steps above, so ask the threads what they still run.
        changes = []
        while self._busy:
            changes += self.watch(0.1)
        return changes + self.watch(0.0)
