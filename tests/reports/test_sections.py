"""A section is one class in one file and appears everywhere, and every number on the page has its source."""

from __future__ import annotations

import json
import re

import pytest

from lednet_mm.records import write_record
from lednet_mm.reports import sections
from lednet_mm.reports.content import Content
from lednet_mm.reports.drawing import MARKERS, Looks
from lednet_mm.reports.page import ASSETS, page_data
from lednet_mm.reports.reading import read_evidence
from lednet_mm.reports.report import write_report
from lednet_mm.reports.sections import find_sections, make_sections
from tests.reports.made import (
    accuracy,
    benchmark,
    complexity,
    content_of,
    failure,
    latency,
    train,
    write_study,
)

TOY = '''
"""Seeds, added up."""

import pandas as pd

from lednet_mm.reports.runs import record_name
from lednet_mm.reports.sections.section import TableSection
from lednet_mm.reports.tables import Column, names


class Toy(TableSection):
    name = "toy"
    heading = "Toys"
    order = 35
    caption = "toys"

    def collect(self):
        records = [record for record in self.content.evidence.records if record.kind == "accuracy"]
        rows = [{"network": r.run.network, "toys": 7.5, "_records": [record_name(r)]} for r in records]
        return pd.DataFrame(rows)

    def columns(self):
        return (*names("network"), Column("toys", "toys (dozens)", ".1f", source="_records"))

    def notes(self):
        yield "Counted twice."
'''


def data_of(page: str) -> dict:
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(data)


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """Add a file with one class to the folder of sections."""
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "toy.py").write_text(TOY)
    monkeypatch.setattr(sections, "__path__", [*sections.__path__, str(folder)])
    return folder


def test_one_class_in_one_file_is_a_table_in_every_form(toy, tmp_path):
    write_record(accuracy(), tmp_path / "run")
    write_record(complexity(), tmp_path / "run")
    write_report([tmp_path / "run"], tmp_path / "out", "Title")
    out = tmp_path / "out"
    assert (out / "toy.csv").read_text() == "network,toys\nlednet,7.5000\n"
    assert (out / "toy.md").read_text().splitlines() == [
        *("# Title: toys", ""),
        "| network | toys (dozens) |",
        "| :------ | ------------: |",
        "| lednet  |           7.5 |",
        *("", "Counted twice."),
    ]
    assert r"lednet & 7.5 \\" in (out / "toy.tex").read_text()
    shown = data_of((out / "index.html").read_text())["sections"]
    names = [section["name"] for section in shown]
    assert names[:5] == ["summary", "tradeoff", "image_scores", "toy", "class_summary"]
    (part,) = shown[3]["parts"]
    assert (shown[3]["heading"], part["rows"][0]["texts"]) == ("Toys", ["lednet", "7.5"])


def test_two_sections_of_one_name_are_refused(toy):
    (toy / "another.py").write_text(TOY.replace("class Toy", "class Another"))
    with pytest.raises(ValueError, match="Toy and Another have the same name 'toy'"):
        find_sections()


def test_scripts_of_the_page_know_no_section_by_its_name():
    for path in ASSETS.glob("page*.js"):
        text = path.read_text()
        assert [kind.name for kind in find_sections() if f'"{kind.name}"' in text] == [], path.name


@pytest.fixture
def everything(tmp_path):
    """Return the data of a page with records of every kind."""
    runs = tmp_path / "runs"
    write_study(runs, questions={"no_apn": "Is it needed?"})
    for variant, quality in (("default", 0.8), ("no_apn", 0.7)):
        for seed in (0, 1):
            run = runs / f"lednet-{variant}-seed{seed}"
            write_record(accuracy(variant=variant, seed=seed, quality=quality, study="parts"), run)
            curve = [[10, 30 + seed], [20, 50 * quality + seed]]
            write_record(train(variant=variant, seed=seed, curve=curve, study="parts"), run)
        write_record(complexity(variant=variant), runs / "cost")
        write_record(latency(variant=variant), runs / "cost")
    write_record(accuracy("dabnet", study="parts"), runs / "dabnet")
    write_record(complexity("dabnet"), runs / "cost")
    write_record(latency("dabnet", fps=30), runs / "cost")
    write_record(benchmark(), runs / "cost")
    write_record(failure(study="parts"), runs / "lednet-no_bn")
    content = Content(read_evidence([runs]))
    data = page_data(content, make_sections(content), tmp_path)
    return {section["name"]: section["parts"] for section in data["sections"]}


def test_every_number_on_the_page_says_where_it_comes_from(everything):
    tables = [part for parts in everything.values() for part in parts if part["kind"] == "table"]
    assert len(tables) == 10
    bare = [
        (table["name"], column["key"], row["texts"][i])
        for table in tables
        for row in table["rows"]
        for i, column in enumerate(table["columns"])
        if column["numeric"] and row["texts"][i]
        if not (column["source"] is not None and row["sources"][column["source"]])
        if not (column["cite"] is not None and row["cites"][column["cite"]])
    ]
    # A variant that was not measured has no seed and therefore no record.
    assert [cell for cell in bare if cell[1:] != ("seeds", "0")] == []


def test_a_published_number_cites_its_own_source(everything):
    (table,) = everything["summary"]
    keys = [column["key"] for column in table["columns"]]
    row = next(row for row in table["rows"] if row["texts"][keys.index("network")] == "dabnet")
    cited = table["columns"][keys.index("published_miou_percent")]["cite"]
    assert row["texts"][keys.index("published_miou_percent")] == "66.7"
    assert "arXiv:1907.11357" in row["cites"][cited]
    (scatter,) = everything["tradeoff"]
    point = next(point for point in scatter["points"] if point["name"] == "dabnet")
    axis = next(i for i, axis in enumerate(scatter["axes"]) if axis["label"] == "published mIoU (%)")
    assert "arXiv:1907.11357" in point["cites"][axis]


def test_the_study_s_question_stands_beside_the_answer(everything):
    facts, answers = everything["question"]
    assert dict(facts["facts"])["study"] == "parts: The parts of LEDNet"
    keys = [column["key"] for column in answers["columns"]]
    row = next(dict(zip(keys, row["texts"], strict=True)) for row in answers["rows"])
    assert (row["question"], row["expectation"]) == ("Is it needed?", "1 to 3 points worse")
    assert row["verdict"] == "worse"
    assert re.fullmatch(r"-\d+\.\d\d \(-\d+\.\d\d to -\d+\.\d\d\)", row["answer"])


def test_learning_curves_are_on_the_page(everything):
    (part,) = everything["learning_curves"]
    ((group,), (first, second)) = part["groups"], part["groups"][0]["lines"]
    assert group["name"] == "parts, camvid, val"
    assert (first["name"], second["name"]) == ("lednet", "lednet, no apn")
    assert first["points"] == [[10, 30.5, 30, 31], [20, 40.5, 40, 41]]
    assert (len(first["sources"]), first["dashes"]) == (2, ())
    assert second["dashes"]


def test_a_network_has_one_colour_in_all_plots():
    records = [complexity(n) for n in ("lednet", "erfnet", "dabnet", "cgnet")]
    records += [accuracy("lednet"), accuracy("dabnet"), accuracy("lednet", "no_apn"), latency("dabnet")]
    looks = content_of(records).looks
    row = {"network": "lednet", "variant": "default"}
    assert looks.of(row).color == looks.of({**row, "variant": "no_apn"}).color
    assert looks.of({**row, "variant": "no_apn"}).is_variant
    found = {(look.color, look.marker) for look in map(looks.of, (r.run.model_dump() for r in records))}
    assert len(found) == 4
    # The files have the same as the page, although only some networks are in the plot.
    content = content_of(records)
    (forest,) = [
        plot
        for section in make_sections(content)
        for plot in section.plots()
        if plot.name.startswith("ablation")
    ]
    drawn = {line.get_color() for line in forest.figure.axes[0].get_lines()}
    assert looks.of(row).color in drawn


def test_looks_come_again_only_after_49_networks():
    looks = Looks((f"network{i:02}", "default") for i in range(60))
    found = [looks.of({"network": f"network{i:02}", "variant": "default"}) for i in range(60)]
    assert len({(look.color, look.marker) for look in found[:49]}) == 49
    assert found[49] == found[0]


def test_the_page_has_every_marker():
    script = (ASSETS / "page_charts.js").read_text()
    known = re.findall(r"(\S+): \[\"", script)
    assert [marker for marker in MARKERS if marker not in known and f'"{marker}"' not in known] == []
