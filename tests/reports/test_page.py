"""The page is one complete, safe and small file, and works in a real browser (if one is installed)."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest

from lednet_mm.records import write_record
from lednet_mm.reports.content import Content
from lednet_mm.reports.page import ASSETS, to_script, write_page
from lednet_mm.reports.pictures import Example, PictureSet
from lednet_mm.reports.reading import read_evidence
from lednet_mm.reports.sections import make_sections
from lednet_mm.reports.sections.predictions import Predictions
from tests.reports.made import accuracy, benchmark, complexity, failure, latency, train, write_study

TITLE = 'The <b>parts</b> & "more"'


def page_of(folder, title, pictures=()):
    """Return the page of the records in a folder, with made-up pictures instead of predictions."""
    content = Content(read_evidence([folder]), title)
    sections = make_sections(content)
    (predictions,) = (section for section in sections if isinstance(section, Predictions))
    vars(predictions)["_predicted"] = list(pictures), []
    return write_page(content, sections, folder.parent)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Write the page of a small study, with a picture."""
    folder = tmp_path_factory.mktemp("page")
    runs = folder / "runs"
    write_study(runs, variants=("default", "no_apn", "no_bn"))
    for name, variant, quality in (
        ("lednet", "default", 0.8),
        ("lednet", "no_apn", 0.7),
        ("erfnet", "default", 0.9),
    ):
        for seed in (0, 1) if name == "lednet" else (0,):
            record = accuracy(name, variant, seed, quality=quality, study="parts")
            write_record(record, runs / f"{name}-{variant}-{seed}")
            curve = [[10, 40 * quality], [20, 50 * quality + seed]]
            trained = train(name, variant, seed, curve=curve, study="parts")
            write_record(trained, runs / f"{name}-{variant}-{seed}")
        fps = {"default": 10, "no_apn": 12}[variant] * (2 if name == "erfnet" else 1)
        write_record(complexity(name, variant, params=int(1e6 * quality)), runs / f"{name}-{variant}-0")
        write_record(latency(name, variant, fps=fps), runs / "latency")
    write_record(benchmark(), runs / "benchmarks")
    write_record(failure(study="parts"), runs / "lednet-no_bn-0")
    (runs / "latency" / "records" / "broken.json").write_text("{")
    ids = np.arange(8 * 16, dtype=np.uint8).reshape(8, 16) % 3
    example = Example("a.png", np.full((8, 16, 3), 90, np.uint8), ids, (ids,))
    pictures = PictureSet("camvid", "test", ("lednet",), ("a", "b", "c"), np.eye(3) * 255, (example,))
    path = folder / "index.html"
    path.write_text(page_of(runs, TITLE, [pictures]), encoding="utf-8")
    return path


class Links(HTMLParser):
    """Collects everything that a page would load from elsewhere, and its scripts with data."""

    def __init__(self):
        super().__init__()
        self.loaded, self.headings = [], []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        url = found.get("src") or (found.get("href") if tag == "link" else None)
        if url and not url.startswith("data:"):
            self.loaded.append(url)


def test_files_are_named_as_seen_from_the_page(page):
    text = page.read_text()
    assert str(page.parent) not in text
    assert '"runs/latency/records"' in text
    assert '["runs/latency/records/broken.json",' in text


def test_it_is_one_small_file(page):
    text = page.read_text()
    links = Links()
    links.feed(text)
    assert links.loaded == []
    assert "@import" not in text
    assert page.stat().st_size < 2**20
    assert "sourceMappingURL" not in text
    assert text.count("Permission is hereby granted, free of charge") == 2  # both libraries' licences


def test_data_cannot_end_its_script(page):
    text = page.read_text()
    assert "<title>The &lt;b&gt;parts&lt;/b&gt; &amp; &#34;more&#34;</title>" in text
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    strings = json.loads(data)["sources"]["strings"]
    assert "python tools/test.py </script><b>" in strings  # the command of the records
    assert json.loads(str(to_script({"a": "</script>\u2028", "b": np.float64("nan")}))) == {
        "a": "</script>\u2028",
        "b": None,
    }


def test_the_libraries_are_the_ones_the_readme_names():
    readme = (ASSETS / "README.md").read_text()
    for path in sorted(ASSETS.glob("*/*.min.*")):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert digest in readme, f"{path.name}: {digest}"


# ---- in a browser ----


def open_log(tab, text):
    """Open the log of the first failed run; a click is lost if the table is drawn again meanwhile."""
    shown = tab.locator("#dialog pre", has_text=text)
    for _ in range(10):
        tab.locator("#failures button.sourced", has_text="end of the log").first.click()
        tab.wait_for_timeout(200)
        if shown.count():
            return
    raise AssertionError(f"no log with {text!r}")


def until(tab, expression):
    """Wait until an expression is true; the page's policy forbids Playwright's own way of waiting."""
    for _ in range(200):
        if tab.evaluate(expression):
            return
        tab.wait_for_timeout(50)
    raise AssertionError(expression)


@pytest.fixture(scope="module")
def browser():
    """Start a headless Chromium."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium is installed (apt-get install chromium)")
    with sync_api.sync_playwright() as play:
        started = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def tab(browser, page):
    """Open the page; no error may have been logged when the test is over."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    tab = context.new_page()
    errors = []
    tab.on("console", lambda message: errors.append(message.text) if message.type != "log" else None)
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto(page.as_uri())
    tab.locator("html[data-ready=yes]").wait_for(state="attached")
    yield tab
    context.close()
    assert errors == []


def column(tab, section: str, header: str) -> list[str]:
    """Return the cells of a column in their order on the page."""
    field = tab.evaluate(
        "([name, header]) => 'c' + report.data.sections.find(s => s.name === name)"
        ".parts.find(p => p.kind === 'table').columns.findIndex(c => c.header === header)",
        [section, header],
    )
    return tab.locator(
        f"#{section} .tabulator-row .tabulator-cell[tabulator-field='{field}']"
    ).all_inner_texts()


def test_every_section_is_there(tab):
    titles = tab.locator("section h2").all_inner_texts()
    assert titles == [
        "The question",
        "Results",
        "Accuracy against cost",
        "Differences to the baseline",
        "Scores by image, and ranks",
        "Differences by image",
        "IoU by class",
        "Learning curves",
        "Predictions",
        "Latency",
        "Benchmarks",
        "Measured and published",
        "Runs without a result",
        "Files left out",
    ]
    assert tab.locator("h1").inner_text() == TITLE
    assert "broken.json" in tab.locator("#left-out").inner_text()
    shown = tab.evaluate("[...document.images].map(i => i.complete && i.naturalWidth)")
    assert shown == [16, 16, 16]


def test_sorting(tab):
    assert column(tab, "summary", "network") == ["erfnet", "lednet", "lednet"]
    header = tab.locator("#summary .tabulator-col", has_text="parameters (M)")
    header.locator(".tabulator-col-title").click()
    first = column(tab, "summary", "parameters (M)")
    header.locator(".tabulator-col-title").click()
    second = column(tab, "summary", "parameters (M)")
    assert first == sorted(first, key=float, reverse=True)
    assert second == first[::-1]


def test_filtering(tab):
    search = tab.get_by_label("search Results")
    search.fill("no_apn")
    until(tab, "document.querySelector('#summary .count').textContent === '1 of 3 rows'")
    assert column(tab, "summary", "variant") == ["no_apn"]
    search.fill("")
    until(tab, "document.querySelector('#summary .count').textContent === '3 rows'")
    numbers = tab.locator("#summary").get_by_label("filter FPS (p50)", exact=True)
    numbers.fill("> 11")
    numbers.press("Enter")
    until(tab, "document.querySelector('#summary .count').textContent === '2 of 3 rows'")
    assert [float(fps) > 11 for fps in column(tab, "summary", "FPS (p50)")] == [True, True]


def test_hovering_and_choosing_axes(tab):
    def places():
        return tab.evaluate("report.charts.tradeoff.getDatasetMeta(0).data.map(p => [p.x, p.y])")

    before = places()
    canvas = tab.locator("#tradeoff canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    tab.mouse.move(box["x"] + before[0][0], box["y"] + before[0][1])
    until(tab, "report.charts.tradeoff.tooltip.opacity === 1")
    lines = tab.evaluate("report.charts.tradeoff.tooltip.body[0].lines")
    assert lines[0] == "erfnet"
    assert float(lines[1].removeprefix("FPS (p50): ")) == pytest.approx(20, rel=0.02)
    tab.get_by_label("horizontal axis").select_option(label="parameters (M)")
    assert places() != before
    assert tab.evaluate("report.charts.tradeoff.options.scales.x.title.text") == "parameters (M)"
    tab.get_by_label("vertical axis").select_option(label="IoU of sky (%)")
    assert tab.evaluate("report.charts.tradeoff.options.scales.y.title.text") == "IoU of sky (%)"
    tab.get_by_label("logarithmic").check()
    assert tab.evaluate("report.charts.tradeoff.scales.x.type") == "logarithmic"
    assert tab.evaluate("report.charts.tradeoff.data.datasets[1].data.length") > 0
    tab.get_by_label("Pareto front").uncheck()
    assert tab.evaluate("report.charts.tradeoff.data.datasets[1].data.length") == 0


def test_where_a_number_comes_from(tab):
    tab.locator("#summary .tabulator-row", has_text="no_apn").locator("button.sourced").first.click()
    dialog = tab.locator("#dialog")
    shown = dialog.inner_text()
    assert "Computed from 2 records." in shown
    for fact in (
        "accuracy-",
        "c0ffee",
        "CPU A, 2 threads, fp32",
        "2026-11-21",
        "python tools/test.py </script><b>",
    ):
        assert fact in shown, fact
    assert "lednet, no_apn, camvid, parts, seed 1" in shown
    tab.keyboard.press("Escape")
    assert not dialog.is_visible()
    before = tab.evaluate("report.charts.tradeoff.getDatasetMeta(0).data.map(p => [p.x, p.y])[0]")
    canvas = tab.locator("#tradeoff canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    tab.mouse.click(box["x"] + before[0], box["y"] + before[1])
    dialog.get_by_text("latency-").first.wait_for()


def test_where_a_published_number_comes_from(tab):
    tab.locator("#summary button.sourced", has_text="71.0").click()
    dialog = tab.locator("#dialog")
    assert "Published" in dialog.inner_text()
    assert "arXiv:1905.02423" in dialog.inner_text()
    assert "record" not in dialog.inner_text()


def test_learning_curves(tab):
    def lines():
        return tab.evaluate(
            "report.charts.learning_curves.data.datasets.flatMap((set, i) => set.line"
            " && report.charts.learning_curves.isDatasetVisible(i) ? [[set.label, set.borderColor]] : [])"
        )

    # The best at the end first; the colours are those of the plot of accuracy against cost.
    assert [name for name, _ in lines()] == ["erfnet", "lednet", "lednet, no apn"]
    points = tab.evaluate("report.charts.tradeoff.data.datasets[0].data.map(p => [p.name, p.point.color])")
    assert sorted(map(tuple, lines())) == sorted(map(tuple, points))
    canvas = tab.locator("#learning_curves canvas")
    canvas.scroll_into_view_if_needed()
    chart = "report.charts.learning_curves"

    def click(place):
        x, y = tab.evaluate(place)
        box = canvas.bounding_box()
        tab.mouse.click(box["x"] + x, box["y"] + y)

    click(f"(b => [b.left + b.width / 2, b.top + b.height / 2])({chart}.legend.legendHitBoxes[1])")
    until(tab, f"!{chart}.isDatasetVisible({chart}.data.datasets.findIndex(set => set.label === 'lednet'))")
    assert [name for name, _ in lines()] == ["erfnet", "lednet, no apn"]
    index = f"{chart}.data.datasets.findIndex(set => set.label === 'lednet, no apn')"
    click(f"(p => [p.x, p.y])({chart}.getDatasetMeta({index}).data[1])")
    dialog = tab.locator("#dialog")
    dialog.get_by_text("Computed from 2 records.").wait_for()
    assert "train-" in dialog.inner_text()


def test_a_difference_of_one_seed_looks_uncertain(tab):
    for network, dots in (("erfnet", "2 3"), ("no_apn", None)):
        line = tab.locator("#ablation .tabulator-row", has_text=network).locator(".interval line").nth(1)
        assert line.get_attribute("stroke-dasharray") == dots


def test_a_failed_run_shows_its_log(tab):
    tab.locator("#failures", has_text="the loss became nan at iteration 7").wait_for()
    open_log(tab, "failed: nan")


def test_light_and_dark(tab):
    def ground():
        return tab.evaluate("getComputedStyle(document.body).backgroundColor")

    light = ground()
    tab.emulate_media(color_scheme="dark")
    until(tab, "document.documentElement.dataset.theme === 'dark'")
    dark = ground()
    assert dark != light
    tab.locator("#theme").click()
    assert ground() == light


def test_a_long_table_is_built_when_it_comes_near_the_window(browser, tmp_path):
    for i in range(201):
        write_record(failure(f"network{i}", minute=i % 60, log=[f"line {i}"]), tmp_path / "runs")
        write_record(accuracy("lednet", f"variant{i}", quality=0.5), tmp_path / "runs")
    path = tmp_path / "index.html"
    path.write_text(page_of(tmp_path / "runs", TITLE), encoding="utf-8")
    tab = browser.new_page()
    tab.goto(path.as_uri())
    tab.locator("html[data-ready=yes]").wait_for(state="attached")
    assert tab.evaluate("Object.keys(report.tables)[0]") == "summary"
    assert tab.locator("#failures .tabulator-row").count() == 0
    before = tab.evaluate("document.documentElement.scrollHeight")
    tab.locator("#failures").scroll_into_view_if_needed()
    tab.locator("#failures .tabulator-row").first.wait_for()
    tab.get_by_label("search Runs without a result").fill("network200")
    until(tab, "document.querySelector('#failures .count').textContent === '1 of 201 rows'")
    assert abs(tab.evaluate("document.documentElement.scrollHeight") - before) < 100
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert tab.evaluate("waiting.size") == 0
    tab.close()


def test_a_plot_of_many_points_is_drawn_when_it_comes_near_the_window(browser, tmp_path):
    for i in range(101):
        write_record(accuracy("lednet", f"variant{i}", quality=0.5), tmp_path / "runs")
        write_record(train("lednet", f"variant{i}", curve=[[10, 40], [20, 50]]), tmp_path / "runs")
        write_record(failure(f"network{i}"), tmp_path / "runs")
    path = tmp_path / "index.html"
    path.write_text(page_of(tmp_path / "runs", TITLE), encoding="utf-8")
    tab = browser.new_page()
    tab.goto(path.as_uri())
    tab.locator("html[data-ready=yes]").wait_for(state="attached")
    lines = "report.charts.learning_curves.data.datasets.length"
    assert tab.evaluate(lines) == 0
    tab.get_by_role("button", name="theme").click()
    assert tab.evaluate(lines) == 0  # the theme changes what has been drawn
    tab.locator("#learning_curves canvas").scroll_into_view_if_needed()
    until(tab, f"{lines} === 101")
    tab.close()


HOSTILE = "<img src=x onerror=document.title='ran'>"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Write a page on which all names are markup."""
    folder = tmp_path_factory.mktemp("hostile")
    classes = (HOSTILE, "=sky", "car")
    for network in ("lednet", HOSTILE):
        for variant, quality in (("default", 0.8), (HOSTILE, 0.7)):
            write_record(accuracy(network, variant, quality=quality, classes=classes), folder / "run")
            write_record(complexity(network, variant), folder / "run")
            for device in ("CPU A", HOSTILE):
                write_record(latency(network, variant, device=device, engine=HOSTILE), folder / "run")
    write_record(failure(HOSTILE, minute=1, log=[HOSTILE]), folder / "run")
    assert read_evidence([folder]).problems == {}
    path = folder / "index.html"
    path.write_text(page_of(folder, HOSTILE), encoding="utf-8")
    return path


def test_text_of_records_is_no_markup(browser, hostile):
    # Without the page's policy too: the policy is a second line of defence.
    for context in (browser.new_context(bypass_csp=True), browser.new_context()):
        tab = context.new_page()
        complaints = []
        tab.on("console", lambda message, found=complaints: found.append(message.text))
        tab.on("pageerror", lambda error, found=complaints: found.append(str(error)))
        tab.set_viewport_size({"width": 1800, "height": 1200})
        tab.goto(hostile.as_uri())
        tab.locator("html[data-ready=yes]").wait_for(state="attached")
        for name in ("network", "variant"):
            tab.locator("#summary").get_by_label(f"filter {name}", exact=True).click()
            tab.locator(".tabulator-edit-list-item", has_text=HOSTILE).first.wait_for()
            tab.keyboard.press("Escape")
        open_log(tab, HOSTILE)
        tab.keyboard.press("Escape")
        tab.locator("#summary button.sourced").first.click()
        titles = tab.locator("#class_summary .tabulator-col-title").all_inner_texts()
        assert f"{HOSTILE} (%)" in titles
        assert tab.evaluate("document.querySelectorAll('main img, dialog img').length") == 0
        assert tab.title() == HOSTILE
        assert complaints == []
        context.close()


def test_only_the_page_s_own_scripts_run(browser, page, tmp_path):
    changed = page.read_text().replace("</body>", "<script>document.title = 'ran'</script></body>")
    changed = changed.replace("<main", "<img src=x onerror=\"document.title = 'ran'\"><main")
    path = tmp_path / "index.html"
    path.write_text(changed)
    tab = browser.new_page()
    tab.goto(path.as_uri())
    tab.locator("html[data-ready=yes]").wait_for(state="attached")
    assert tab.title() == TITLE
    tab.close()


@pytest.mark.thorough
def test_a_phone(browser, page):
    context = browser.new_context(viewport={"width": 390, "height": 844})
    tab = context.new_page()
    tab.goto(page.as_uri())
    tab.locator("html[data-ready=yes]").wait_for(state="attached")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()
