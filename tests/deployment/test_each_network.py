"""The scripts that measure all networks: a crash is recorded, and nothing is measured twice."""

import json
import subprocess
import sys

import pytest

from benchmarks import each_network, export_networks, int8_networks
from lednet_mm.deployment.export import trace_to_onnx
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
        started.append(command[3])
        ended = len(LINES) if command[3] == "lednet" else 2
        printed = "noise\n" + "\n".join(map(json.dumps, LINES[:ended]))
        return subprocess.CompletedProcess(command, -11, printed, "")

    monkeypatch.setattr(each_network.subprocess, "run", run)
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


def test_each_exporter_is_tried_and_checked(tmp_path, monkeypatch, capsys):
    pytest.importorskip("onnx")

    def captured(network, images, *, dynamic):
        if dynamic:
            raise RuntimeError("sizes cannot be solved")
        return trace_to_onnx(network, images, dynamic=False)

    monkeypatch.setitem(export_networks.EXPORTERS, "newer", captured)
    export_networks.measure("erfnet", "camvid", (64, 96))
    known = {}
    for line in filter(None, capsys.readouterr().out.splitlines()):
        known |= json.loads(line)
    assert known.pop("step") == "ended"
    assert known["tracing_any_size"] is True
    assert known["newer_any_size"] is False
    assert known["newer_reason"] == "RuntimeError: sizes cannot be solved"
    monkeypatch.setattr(export_networks, "version", lambda package: "0")
    export_networks.keep("erfnet", "camvid", (64, 96), known, str(tmp_path))
    lines = export_networks.table(str(tmp_path)).splitlines()
    assert "works for 1 of 1 networks, the newer one for 0 of 1" in lines[2]
    cells = [cell.strip() for cell in lines[-1].split("|")]
    assert (cells[1], cells[4], cells[7], cells[8]) == (
        *("erfnet", "any", "fixed"),
        "RuntimeError: sizes cannot be solved",
    )
