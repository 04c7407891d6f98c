"""The scripts that measure all networks: a crash is recorded, and nothing is measured twice."""

import json
import subprocess
import sys

import pytest

from benchmarks import each_network, export_networks, int8_networks
from lednet_mm.deployment.export import trace_to_onnx
from lednet_mm.records import read_records
from lednet_mm.reports.content import Content
from lednet_mm.reports.reading import read_evidence
from lednet_mm.reports.sections.each_network import QuantisedNetworks

pytest.importorskip("onnxruntime")

LINES = [
    {"step": "exporting"},
    {"fp32_bytes": 4 << 20, "dynamic": True, "step": "quantising"},
    {"int8_bytes": 1 << 20},
    {"step": "onnxruntime"},
    {"onnxruntime_error": 0.05},
    {"step": "openvino"},
]


def cells(line):
    """Return the cells of a row of a Markdown table."""
    return [cell.strip() for cell in line.strip("|").split("|")]


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
    printed = capsys.readouterr().out
    rows = [cells(line) for line in printed.splitlines() if line.startswith(("| lednet", "| enet"))][-2:]
    assert rows[0] == ["lednet", "4.00", "1.00", "0.050", "OpenVINO: crashed by signal 11"]
    assert rows[1] == ["enet", "4.00", "", "", "quantising crashed by signal 11"]
    assert "1 of 2 networks can be quantised; of these files, 1 on ONNX Runtime and 0 on OpenVINO" in printed


def test_each_exporter_is_tried_and_checked(tmp_path, monkeypatch, capsys):
    pytest.importorskip("onnx")

    def captured(network, images, *, dynamic):
        if dynamic:
            raise RuntimeError("\x1b[96msizes\x1b[0m cannot be solved")
        return trace_to_onnx(network, images, dynamic=False)

    monkeypatch.setitem(export_networks.EXPORTERS, "newer", captured)
    export_networks.measure("erfnet", "camvid", (64, 96))
    known = {}
    for line in filter(None, capsys.readouterr().out.splitlines()):
        known |= json.loads(line)
    assert known.pop("step") == "ended"
    assert known["tracing_any_size"] is True
    assert known["newer_any_size"] is False
    assert known["newer_reason"] == r"RuntimeError: \x1b[96msizes\x1b[0m cannot be solved"
    monkeypatch.setattr(export_networks, "version", lambda package: "0")
    monkeypatch.setattr(export_networks, "find_spec", lambda package: True)
    export_networks.keep("erfnet", "camvid", (64, 96), known, str(tmp_path))
    export_networks.main(["erfnet", "--work-dir", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "works for 1 of 1 networks, the newer one for 0." in printed
    row = next(cells(line) for line in printed.splitlines() if line.startswith("| erfnet"))
    assert (row[3], row[6], row[7]) == ("any", "fixed", "RuntimeError: sizes cannot be solved")


def test_networks_on_which_the_engines_disagree_are_named(tmp_path):
    errors = {"enet": (0.1, None), "dabnet": (0.06, 0.06), "espnetv2": (0.07, 0.6), "aglnet": (0.64, 0.64)}
    for network, found in errors.items():
        known = {"int8_bytes": 1, "fp32_bytes": 4}
        known |= {f"{e}_error": v for e, v in zip(int8_networks.ENGINES, found, strict=True) if v}
        int8_networks.keep(network, "camvid", (64, 96), known, str(tmp_path))
    notes = list(QuantisedNetworks(Content(read_evidence([tmp_path]))).notes())
    assert notes[1] == "On these networks one engine's error is more than 1.5 times the other's: espnetv2."
    assert notes[2] == "These amplify rounding to an error above 0.5 on both engines: aglnet."
