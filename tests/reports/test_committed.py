"""The committed reports are what the tool makes of the committed records, byte for byte."""

from pathlib import Path

import pytest

from lednet_mm.reports.report import write_report

REPORTS = sorted(path.parent for path in (Path(__file__).resolve().parents[2] / "reports").glob("*/records"))
TABLES = ("comparison.csv", "comparison.md", "class_iou.csv")


def test_there_are_reports():
    assert REPORTS


@pytest.mark.parametrize("folder", REPORTS, ids=lambda folder: folder.name)
def test_the_tables_are_current(folder, tmp_path):
    title = (folder / "comparison.md").read_text().split("\n")[0].removeprefix("# ")
    report = write_report([folder], tmp_path, title)
    assert report.problems == {}
    for name in TABLES:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name
