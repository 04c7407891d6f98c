"""The script that quantises all networks: a crash is recorded, and nothing is measured twice."""

import json
import subprocess
import sys

import pytest

from benchmarks import int8_networks
from lednet_mm.records import read_records

pytest.importorskip("onnxruntime")

LINES = [
    {"step": "exporting"},
    {"fp32_bytes": 4 << 20, "dynamic": True, "step": "quantising"},
    {"int8_bytes": 1 << 20},
    {"step": "onnxruntime"},
    {"onnxruntime_error": 0.05},
    {"step": "openvino"},
]


@pytest.fixture
def processes(monkeypatch):
    """Replace the processes that measure by their output; return the networks that they were started for."""
    started = []
    others = subprocess.run

    def run(command, **options):
        if command[0] != sys.executable:
            return others(command, **options)
        started.append(command[2])
        ended = len(LINES) if command[2] == "lednet" else 2
        printed = "noise\n" + "\n".join(map(json.dumps, LINES[:ended]))
        return subprocess.CompletedProcess(command, -11, printed, "")

    monkeypatch.setattr(int8_networks.subprocess, "run", run)
    return started


def test_a_crash_is_recorded_with_the_step_and_the_next_run_goes_on(processes, tmp_path, capsys):
    words = ["--work-dir", str(tmp_path)]
    int8_networks.main(["lednet", *words])
    int8_networks.main(["lednet", "enet", *words])
    assert processes == ["lednet", "enet"]
    records = {record.run.network: record for record in read_records([tmp_path])[0]}
    assert records["lednet"].values["quantised"] is True
    assert records["lednet"].values["onnxruntime_error"] == 0.05
    assert records["lednet"].values["openvino_error"] is None
    assert records["lednet"].details["openvino_reason"] == "crashed by signal 11"
    assert records["enet"].values["quantised"] is False
    assert records["enet"].details["reason"] == "quantising crashed by signal 11"
    table = capsys.readouterr().out.splitlines()[-2:]
    assert table[0] == "| lednet | 1.00 / 4.00 | 0.050 |  | crashed by signal 11 |"
    assert table[1].startswith("| enet |  / 4.00 |  |  | quantising crashed")
