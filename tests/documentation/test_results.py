"""The committed reports, and the tables in README.md and docs/, are those that follow from the records."""

import json
import re
import shutil
from pathlib import Path

import pytest
from matplotlib.testing.compare import compare_images

from lednet_mm.cards import network_cards
from lednet_mm.documentation.results import PART, committed_reports, fill_tables, rewrite_report
from lednet_mm.errors import InputError
from lednet_mm.reports.published import read_published

ROOT = Path(__file__).resolve().parents[2]
REPORTS = committed_reports(ROOT)
NUMBER = re.compile(r"\d+(?:\.\d+)?")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_there_are_reports():
    assert REPORTS


@pytest.mark.thorough
@pytest.mark.parametrize("folder", REPORTS, ids=lambda folder: folder.name)
def test_a_report_is_current(folder, tmp_path):
    again = tmp_path / folder.name
    shutil.copytree(folder, again)
    rewrite_report(again, again)
    names = {path.name for path in folder.iterdir()}
    assert {path.name for path in again.iterdir()} == names
    for name in sorted(names):
        if name.endswith(".png"):
            assert compare_images(folder / name, again / name, tol=10) is None
        elif name.endswith((".csv", ".md", ".tex", ".html")):
            assert (again / name).read_bytes() == (folder / name).read_bytes(), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tables_of_a_page_are_current(page):
    assert fill_tables(page, ROOT) == page.read_text()


def sections_with_tables():
    """Return the sections of all pages that have tables, without these, with the tables' reports."""
    found = []
    for page in PAGES:
        for section in re.split(r"^## ", page.read_text(), flags=re.MULTILINE):
            if reports := {ROOT / place for _, _, place, *_ in PART.findall(section)}:
                text = PART.sub("", section)
                found.append(pytest.param(text, reports, id=f"{page.name}: {section.splitlines()[0]}"))
    return found


@pytest.mark.parametrize(("text", "reports"), sections_with_tables())
def test_the_figures_in_the_text_are_in_the_records(text, reports):
    text = re.sub(r"`[^`]*`|\]\([^)]*\)", "", text)
    figures = re.findall(r"(?<![\w.])\d+\.\d+(?![\w.]*\d)", text)
    known = [float(value) for report in reports for value in _figures_of(report)]
    published = " ".join(cell for row in read_published() for cell in row.values())
    known += [float(value) for value in NUMBER.findall(published)]
    decimals = {figure: len(figure.split(".")[1]) for figure in figures}
    missing = [f for f, places in decimals.items() if all(f"{value:.{places}f}" != f for value in known)]
    assert missing == []


def _figures_of(report):
    for table in report.glob("*.md"):
        yield from NUMBER.findall(table.read_text())
    for path in (report / "records").glob("*.json"):
        values = json.loads(path.read_text())["values"].values()
        yield from (value for value in values if isinstance(value, int | float))


@pytest.mark.parametrize("page", [p for p in PAGES if p.name != "networks.md"], ids=lambda page: page.name)
def test_prose_is_wrapped_at_100(page):
    text = re.sub(r"^```.*?^```", "", PART.sub("", page.read_text()), flags=re.DOTALL | re.MULTILINE)
    long = [line for line in text.splitlines() if len(line) > 100 and not line.startswith(("|", "!", "#"))]
    assert long == []


def test_the_readme_has_a_table():
    assert "<!-- table: reports/" in (ROOT / "README.md").read_text()


def test_a_table_is_put_between_its_markers(tmp_path):
    name = "lednet_camvid_cpu"
    page = tmp_path / "page.md"
    page.write_text(f"before\n<!-- table: reports/{name}/summary -->\nold\n<!-- end of table -->\nafter\n")
    text = fill_tables(page, ROOT)
    assert text.startswith("before\n")
    assert text.endswith("<!-- end of table -->\nafter\n")
    assert "old" not in text
    assert "| network " in text
    page.write_text(text)
    assert fill_tables(page, ROOT) == text
    page.write_text("<!-- table: reports/nothing/summary -->\n<!-- end of table -->\n")
    with pytest.raises(InputError, match="reports/nothing is not a committed report"):
        fill_tables(page, ROOT)
    page.write_text(f"<!-- table: reports/{name}/guesses -->\n<!-- end of table -->\n")
    with pytest.raises(InputError, match="has no table guesses; its tables are"):
        fill_tables(page, ROOT)


def test_chosen_columns_stand_alone_and_an_unknown_one_is_named(tmp_path):
    page = tmp_path / "page.md"
    table = "reports/camvid_half_cpu/ablation"
    page.write_text(f"<!-- table: {table} (variant, verdict) -->\n<!-- end of table -->\n")
    lines = fill_tables(page, ROOT).splitlines()
    assert [cell.strip() for cell in lines[2].strip("|").split("|")] == ["variant", "result"]
    assert "bootstrap" not in "".join(lines)
    page.write_text(f"<!-- table: {table} (variant, colour) -->\n<!-- end of table -->\n")
    with pytest.raises(InputError, match="ablation has no column colour, but network, variant, "):
        fill_tables(page, ROOT)


def test_the_notes_of_a_long_table_stand_alone(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- notes: reports/camvid_half_cpu/ablation -->\nold\n<!-- end of notes -->\nafter\n")
    text = fill_tables(page, ROOT)
    assert "old" not in text
    assert "| " not in text
    assert "paired percentile bootstrap" in " ".join(text.split())
    assert "reports/camvid_half_cpu/ablation.md), with its records." in text
    assert text.endswith("<!-- end of notes -->\nafter\n")
    assert max(map(len, text.splitlines()[:-6])) <= 100


def test_the_list_of_networks_has_every_one(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- networks -->\nold\n<!-- end of networks -->\n")
    text = " ".join(fill_tables(page, ROOT).split())
    assert "old" not in text
    assert sum(map(int, re.findall(r"\((\d+)\):", text))) == len(network_cards())
    for title in ("DABNet", "MiniNet-v2", "SegFormer-B0", "LEDNet (unofficial)"):
        assert title in text
