"""A report is the same for the same records, changes only where a record has, and leaves no old files."""

import io
import json
import re
import shutil
import warnings

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from lednet_mm.errors import InputError
from lednet_mm.records import write_record
from lednet_mm.reports.content import Content
from lednet_mm.reports.drawing import Looks, pareto_front
from lednet_mm.reports.latencies import collect_latencies
from lednet_mm.reports.reading import read_evidence
from lednet_mm.reports.report import write_report
from lednet_mm.reports.runs import choose_runs
from lednet_mm.reports.sections import make_sections
from lednet_mm.reports.sections.ablation import Ablation
from lednet_mm.reports.sections.curves import learning_curves
from lednet_mm.reports.sections.latency import plot_rooflines
from lednet_mm.reports.sections.results import Results
from lednet_mm.reports.sections.tradeoff import plot_tradeoffs
from lednet_mm.reports.tables import Column, Table, to_csv, to_latex, to_markdown
from lednet_mm.studies.baseline import Baseline
from tests.reports.made import accuracy, complexity, failure, latency, train, write_study


@pytest.fixture
def runs(tmp_path):
    """Write a small study: a baseline and a variant with two seeds, another network, and a failure."""
    folder = tmp_path / "runs"
    write_study(folder, variants=("default", "no_apn", "no_bn"), seeds=(0, 1))
    for variant, quality in (("default", 0.8), ("no_apn", 0.7)):
        for seed in (0, 1):
            run = folder / f"lednet-{variant}-seed{seed}"
            for split in ("val", "test"):
                record = accuracy(variant=variant, seed=seed, split=split, quality=quality, study="parts")
                write_record(record, run)
            curve = [[10, 30 + seed], [20, 40 + seed]]
            write_record(train(variant=variant, seed=seed, curve=curve, study="parts"), run)
        write_record(complexity(variant=variant), folder / f"lednet-{variant}-seed0")
        write_record(latency(variant=variant), folder / "latency")
    write_record(complexity("erfnet", params=2_000_000), folder / "erfnet")
    write_record(latency("erfnet", fps=30), folder / "latency")
    write_record(failure(study="parts"), folder / "lednet-no_bn-seed0")
    return folder


def plots_of(folder):
    sections = make_sections(Content(read_evidence([folder])))
    return [plot for section in sections for plot in section.plots()]


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.thorough
def test_everything_is_there_and_the_same_again(runs, tmp_path):
    report = write_report([runs], tmp_path / "a")
    write_report([runs], tmp_path / "b")
    files = content(tmp_path / "a")
    assert content(tmp_path / "b") == files
    assert {path.name for path in report.files} == set(files) - {".report.json"}
    for table in ("comparison", "summary", "ablation", "class_summary", "latency", "published", "failures"):
        assert {f"{table}.csv", f"{table}.md", f"{table}.tex"} <= set(files)
    plots = {name.removesuffix(".png") for name in files if name.endswith(".png")}
    assert plots == {
        *("accuracy_over_speed", "accuracy_over_parameters", "accuracy_over_macs"),
        *("ablation", "learning_curves", "class_iou", "latency"),
    }
    assert all(f"{plot}.svg" in files for plot in plots)
    assert files["summary.md"].startswith(b"# The parts of LEDNet\n")
    for plot in plots:
        picture = matplotlib.image.imread(io.BytesIO(files[f"{plot}.png"]))
        assert picture[..., :3].std() > 0.01, plot  # something is drawn


@pytest.mark.thorough
def test_what_is_unchanged_is_not_written_again(runs, tmp_path):
    write_report([runs], tmp_path / "out")
    times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    report = write_report([runs], tmp_path / "out")
    assert report.changed == ()
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == times


@pytest.mark.thorough
def test_deleting_a_record_changes_only_what_depended_on_it(runs, tmp_path):
    write_report([runs], tmp_path / "out")
    before, tables = content(tmp_path / "out"), pd.read_csv(tmp_path / "out" / "comparison.csv", dtype=str)
    (gone,) = (p for p in (runs / "latency" / "records").glob("*") if '"erfnet"' in p.read_text())
    gone.unlink()
    report = write_report([runs], tmp_path / "out")
    changed = {path.name for path in report.changed}
    after = pd.read_csv(tmp_path / "out" / "comparison.csv", dtype=str)
    different = [c for c in after if not after[c].equals(tables[c])]
    speed = ["fps_p50", "latency_ms_p50", "latency_ms_p90", "latency_ms_p99"]
    assert different == [*speed, "unstable", "latency_record"]
    assert after[after.network == "lednet"].equals(tables[tables.network == "lednet"])
    # Files without speeds are the same byte for byte.
    assert not changed & {
        "class_iou.csv",
        "ablation.csv",
        "failures.md",
        "learning_curves.png",
        "class_iou.svg",
    }
    assert {"comparison.csv", "latency.csv", "latency.png", "index.html"} <= changed
    assert set(before) == set(content(tmp_path / "out"))


@pytest.mark.thorough
def test_what_has_no_records_any_more_is_removed(runs, tmp_path):
    out = tmp_path / "out"
    write_report([runs], out)
    (out / "mine.csv").write_text("kept")
    for path in runs.glob("*/records/latency-*"):
        path.unlink()
    write_report([runs], out)
    names = set(content(out))
    assert not names & {"latency.csv", "latency.png", "accuracy_over_speed.svg"}
    assert {"mine.csv", "summary.md"} <= names


@pytest.mark.thorough
def test_damaged_and_foreign_files_are_named_and_left_out(runs, tmp_path):
    records = runs / "erfnet" / "records"
    (records / "accuracy-x.json").write_text("{")
    (records / "metrics.json").write_text('{"mIoU": 70.5}')
    (runs / "erfnet" / "study.json").write_text('{"title": 1}')
    good = write_report([runs], tmp_path / "out")
    assert sorted(path.name for path in good.problems) == ["accuracy-x.json", "metrics.json", "study.json"]
    assert "accuracy-x.json" in (tmp_path / "out" / "index.html").read_text()


HOSTILE = "a$b$ |*x*| <b>`[y](z) & % _ # ^ ~ {"
CLASSES = ("=road", "study", "_sky")
CELL = {"default": "=1+1", "no_apn": "_hidden"}


@pytest.mark.thorough
def test_text_of_records_is_text_in_every_file(tmp_path, recwarn):
    folder = tmp_path / "runs"
    write_study(folder, variants=tuple(CELL.values()), seeds=(0,), title=f"Title {HOSTILE}")
    for variant in CELL.values():
        for quality, split in ((0.8, "val"), (0.7, "test")):
            made = accuracy(HOSTILE, variant, split=split, quality=quality, study="parts", classes=CLASSES)
            write_record(made, folder / "run")
        write_record(train(HOSTILE, variant, curve=[[10, 30.0], [20, 40.0]], study="parts"), folder / "run")
        write_record(complexity(HOSTILE, variant), folder / "run")
    write_record(failure(log=["\x1b[31m red", "```", "end"]), folder / "run")
    report = write_report([folder], tmp_path / "out", page=False)
    assert report.problems == {}
    files = {path.name: path.read_text() for path in report.files if path.suffix in (".md", ".tex", ".csv")}
    assert files["summary.md"].startswith(r"# Title a$b$ \|\*x\*\| \<b\>\`\[y\](z)")
    for name, text in files.items():
        if name.endswith(".md"):
            rows = [line for line in text.splitlines() if line.startswith("|")]
            assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1, name
            assert "<b>" not in text
        elif name.endswith(".tex"):
            assert not re.search(r"(?<!\\)[$&%_#]", re.sub(r"\$\\pm\$| & ", "", text)), name
        else:
            assert not re.search(r"(^|,)[=@]", text, re.MULTILINE), name
    assert "'=1+1" in files["summary.csv"]
    assert "'=road" in files["class_iou.csv"]
    plots = {path.name: path for path in report.files if path.suffix == ".svg"}
    assert {"learning_curves.svg", "class_iou.svg", "accuracy_over_parameters.svg"} <= set(plots)
    assert "a$b$ |*x*| &lt;b&gt;" in plots["learning_curves.svg"].read_text()
    assert "hidden" in plots["learning_curves.svg"].read_text()
    assert [str(warning.message) for warning in recwarn if "lednet" in str(warning.filename)] == []


def test_names_of_datasets_become_names_of_files(tmp_path):
    for dataset in ("a b", "a$b", "漢" * 100):
        for network, quality in (("lednet", 0.7), ("erfnet", 0.8)):
            write_record(accuracy(network, dataset=dataset, quality=quality), tmp_path / "run")
    names = [plot.name for plot in plots_of(tmp_path)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[\w.+-]+", name) for name in names)
    assert all(len(f"{name}.png".encode()) <= 255 for name in names)


def test_labels_that_are_all_void_are_explained(tmp_path):
    for network in ("lednet", "erfnet"):
        for split in ("val", "test"):
            write_record(accuracy(network, split=split, void=True), tmp_path / network)
        write_record(train(network, curve=[[10, None], [20, None]]), tmp_path / network)
        write_record(complexity(network), tmp_path / network)
    table = Results(Content(read_evidence([tmp_path]))).table
    assert table.frame["miou_percent"].isna().all()
    assert "mIoU cannot be computed of 2 runs: no labelled pixel." in table.notes
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for plot in plots_of(tmp_path):
            plot.files()


def test_one_run_without_labels_is_compared_with_nothing(tmp_path):
    write_record(accuracy(), tmp_path / "a")
    write_record(accuracy(variant="no_apn", void=True), tmp_path / "b")
    write_study(tmp_path, seeds=(0,))
    content = Content(read_evidence([tmp_path]), baselines=[Baseline(network="lednet")])
    verdict = content.against_baselines["verdict"][0]
    assert verdict == "no interval: no labelled pixel"


def test_an_edited_record_is_in_no_table(tmp_path):
    for variant, quality in (("default", 0.8), ("no_apn", 0.7)):
        for seed in (0, 1):
            path = write_record(accuracy(variant=variant, seed=seed, quality=quality), tmp_path / "run")
    record = json.loads(path.read_text())
    record["values"]["miou_percent"] += 5
    path.write_text(json.dumps(record))
    content = Content(read_evidence([tmp_path]), baselines=[Baseline(network="lednet")])
    assert content.summary["seeds"].tolist() == [2, 1]
    assert content.against_baselines["seeds"].tolist() == [1]
    assert len(content.classes) == 3


def test_the_same_record_in_two_folders_counts_once(runs, tmp_path):
    shutil.copytree(runs, tmp_path / "copy")
    one, both = read_evidence([runs]), read_evidence([runs, tmp_path / "copy"])
    assert len(one.records) == len(both.records)
    assert both.problems == {}


def test_bad_input_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        write_report([tmp_path / "nowhere"], tmp_path / "out")
    with pytest.raises(InputError, match="no records in"):
        write_report([tmp_path], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_curves_of_a_resumed_run_are_merged_by_iteration():
    records = [
        train(curve=[[10, 30.0], [20, 40.0]], minute=1),
        train(curve=[[20, 41.0], [30, 45.0]], minute=2),
    ]
    curve = learning_curves(choose_runs(records[::-1]))
    assert curve[["iteration", "miou_percent"]].to_numpy().tolist() == [[10, 30], [20, 41], [30, 45]]


def test_the_pareto_front():
    speed, miou = [10, 20, 30, 30, 5], [70, 65, 60, 50, 69]
    assert pareto_front(speed, miou, smaller_x=False) == [2, 1, 0]
    assert pareto_front(speed, miou, smaller_x=True) == [4, 0]


def test_labels_do_not_overlap():
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Annotation

    rng = np.random.default_rng(0)
    rows = [
        {
            **{"study": None, "dataset": "camvid", "split": "test", "network": f"network{i}"},
            **{"variant": "default", "recipe": None, "seeds": 1, "miou_percent_std": None},
            **{"miou_percent": 60 + rng.normal(), "params": 10 ** rng.uniform(5, 7), "macs": None},
            **{"macs_shape": None},
        }
        for i in range(40)
    ]
    (plot,) = plot_tradeoffs(
        pd.DataFrame(rows), "Title", "", Looks((f"network{i}", "default") for i in range(40))
    )
    canvas = FigureCanvasAgg(plot.figure)
    canvas.draw()
    axes = plot.figure.axes[0]
    texts = [child for child in axes.get_children() if isinstance(child, Annotation)]
    assert len(texts) > 30
    # Inked pixels only: the boxes of two lines may touch.
    boxes = [t.get_window_extent(canvas.get_renderer()).shrunk(1, 0.7) for t in texts]
    over = [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]
    assert over == []
    area = axes.get_window_extent()
    assert all(area.x0 < box.x0 and box.x1 < area.x1 for box in boxes)


def test_a_roofline_where_records_carry_it():
    ceilings = {"gflop_per_s_matmul": 100.0, "gflop_per_s_conv": 80.0, "gb_per_s_copy": 10.0}
    roofline = {"operations": 2_000_000, "minimum_bytes": 100_000, "ceilings": ceilings}
    record = latency(roofline=roofline)
    record.values["gflop_per_s"] = 40.0
    looks = Looks([("lednet", "default")])
    (plot,) = plot_rooflines(collect_latencies([record]), "Title", looks)
    axes = plot.figure.axes[0]
    assert axes.get_lines()[0].get_ydata().max() == 100
    assert axes.get_lines()[1].get_xydata().tolist() == [[20, 40]]
    assert plot_rooflines(collect_latencies([latency()]), "Title", looks) == []
    assert plot.files()["roofline.png"].startswith(b"\x89PNG")


def test_a_table_in_three_forms():
    frame = pd.DataFrame({"name": ["a|b & 50%", "c_d"], "size": [1_500_000, None], "_note": ["x", "y"]})
    columns = (Column("name", "name"), Column("size", "size (M)", ".2f", 1e6), Column("none", "none"))
    table = Table("t", "Title_1", columns, frame, ("Note.",), frozenset({(0, "size")}))
    assert to_markdown(table).split("\n") == [
        *("# Title_1", ""),
        "| name       | size (M) |",
        "| :--------- | -------: |",
        "| a\\|b & 50% | **1.50** |",
        "| c_d        |          |",
        *("", "Note.", ""),
    ]
    latex = to_latex(table)
    assert r"a|b \& 50\% & \textbf{1.50} \\" in latex
    assert r"\caption{Title\_1}" in latex
    assert latex.index(r"\toprule") < latex.index(r"\midrule") < latex.index(r"\bottomrule")
    assert to_csv(table) == "name,size\na|b & 50%,1500000.0000\nc_d,\n"


def test_large_tables_name_all_and_plots_the_largest(tmp_path):
    folder = tmp_path / "runs"
    for i in range(45):
        write_record(accuracy(variant=f"v{i}" if i else "default", quality=0.5 + i / 100), folder / str(i))
    section = Ablation(Content(read_evidence([folder])))
    assert len(section.table.frame) == 44
    (plot,) = section.plots()
    assert len(plot.figure.axes[0].get_yticks()) == 40
    assert "the largest 40 of 44" in plot.figure.get_suptitle()


def test_a_folder_without_a_study_may_say_its_title(tmp_path):
    for name in ("one", "two"):
        write_record(accuracy("lednet"), tmp_path / name)
        (tmp_path / name / "title.txt").write_text(f"Run {name}, at half resolution\n")
    assert read_evidence([tmp_path / "one"]).title == "Run one, at half resolution"
    assert read_evidence([tmp_path / "one", tmp_path / "two"]).title == "Comparison"
    write_report([tmp_path / "one"], tmp_path / "out")
    assert (tmp_path / "out" / "summary.md").read_text().startswith("# Run one, at half resolution\n")
