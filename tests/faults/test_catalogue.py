"""Every fault gives one clear line and the right status, runs no code, and loses no file of the user's."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from lednet_mm.reports.drawing import Plot
from tests.conftest import Outcome
from tests.faults import (
    checkpoints,
    configs,
    datasets,
    names,
    outputs,
    pictures,
    records,
    studies,
    study_files,
    training,
)
from tests.faults.place import KINDS, Fault, Place, run_tool, small_config, snapshot

pytestmark = pytest.mark.thorough

MODULES = (
    *(checkpoints, configs, datasets, names, outputs, pictures),
    *(records, studies, study_files, training),
)
LONGEST_SECONDS = 180
FAULTS = [fault for module in MODULES for fault in module.FAULTS]


@pytest.fixture(scope="session")
def trained(small_streets, tmp_path_factory) -> Path:
    """Return the folder of a training of 4 iterations, with checkpoints at iterations 2 and 4."""
    folder = tmp_path_factory.mktemp("trained")
    config = folder / "small.py"
    config.write_text(small_config(small_streets))
    outcome = run_tool("train", config, "--work-dir", folder / "run")
    assert outcome.status == 0, outcome.err
    return folder / "run"


def test_the_catalogue_is_whole():
    assert len(FAULTS) >= 150
    assert len({fault.what for fault in FAULTS}) == len(FAULTS)
    assert {fault.kind for fault in FAULTS} == set(KINDS)


@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.what) for fault in FAULTS])
def test_fault(fault: Fault, tmp_path, small_streets, trained, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if not fault.drawn:
        monkeypatch.setattr(Plot, "files", lambda plot: {f"{plot.name}.png": b"", f"{plot.name}.svg": b""})
    place = Place(tmp_path / "here", small_streets, trained)
    place.folder.mkdir()
    name, *arguments = fault.words(place)
    before, base = snapshot(place.folder), snapshot(trained)
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(LONGEST_SECONDS)
    try:
        outcome = run_tool(str(name), *arguments)
    finally:
        signal.alarm(0)
    check_outcome(fault, outcome)
    after = snapshot(place.folder)
    lost = {
        path
        for path, digest in before.items()
        if after.get(path) != digest and not any(Path(path).match(pattern) for pattern in fault.changes)
    }
    assert not lost, f"lost or changed: {sorted(lost)}"
    assert snapshot(trained) == base
    assert not place.executed.exists(), "code of a file has run"
    assert not [path for path in after if path.endswith(".part")]
    for check in fault.also:
        check(place, outcome)


def _too_long(number, frame) -> None:
    raise TimeoutError(f"no end after {LONGEST_SECONDS} s")


def check_outcome(fault: Fault, outcome: Outcome) -> None:
    """Compare status and message with what the catalogue says."""
    whole = outcome.out + outcome.err
    assert outcome.status == fault.status, whole
    assert "Traceback (most recent call last)" not in whole, whole
    errors = [line for line in outcome.err.splitlines() if line.startswith("error: ") or ": error: " in line]
    if fault.status == 2:
        assert len(errors) == 1, whole
        shown = errors[0]
    else:
        shown = " ".join(whole.split())
    for part in fault.says:
        assert part.lower() in shown.lower(), f"{part!r} not in: {shown}"
