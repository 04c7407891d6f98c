"""Names and titles with characters that mean something to a terminal, a page, LaTeX, a plot or a shell."""

from __future__ import annotations

import csv
import hashlib
import re

from tests.faults.place import Fault, Place
from tests.faults.records import RECORDS, lay

HOSTILE = {
    "markup of a terminal": "T [/b] [red]",
    "the mathematics of a plot": "T $\\frac{1$ and $x_",
    "HTML": "T <script>document.title='PWN'</script>",
    "Markdown": "T | a | [x](http://example.org) ![y](z)",
    "LaTeX": "T \\input{/etc/passwd} % & ~ ^ _",
    "a spreadsheet's formula": "=1+1",
    "a shell's command": "T $(touch EXECUTED) `touch EXECUTED` ; touch EXECUTED",
    "an escape sequence": "T \x1b[31m red \x07",
    "the other direction of writing": "T \u202e abc",
    "the marker of a table": "T <!-- end of table -->",
}


def titled(title: str):
    """Return the command that makes a report of some records with this title."""
    return lambda place: ("report", lay(place), "--out", place / "out", "--title", title)


def safe(title: str):
    """Return a check of every file of the report."""

    def check(place: Place, outcome) -> None:
        assert "\x1b" not in outcome.out + outcome.err
        page = (place / "out" / "index.html").read_text()
        assert "<script>document.title" not in page
        for path in (place / "out").glob("*.md"):
            text = path.read_text()
            assert "<script>" not in text.replace("\\<", "")
            assert "\x1b" not in text
        for path in (place / "out").glob("*.tex"):
            assert "\\input{" not in path.read_text()
        for path in (place / "out").glob("*.csv"):
            with path.open(newline="") as file:
                cells = [cell for row in csv.reader(file) for cell in row]
            assert not [cell for cell in cells if cell.startswith(("=", "@"))]
        assert len(list((place / "out").glob("*.svg"))) > 2

    return check


def named(part: str, name: str):
    """Return the command that makes a report in which one network (variant, dataset) has this name."""

    def change(found: list[dict]) -> None:
        for record in found:
            if record["run"]["variant"] == "no_apn":
                record["run"][part] = name
                text = re.sub(rf"(?m)^{part} = .*$", lambda _: f"{part} = {name!r}", record["config"]["text"])
                record["config"] = {"text": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}

    return lambda place: ("report", lay(place, change), "--out", place / "out")


def device(name: str):
    """Return the command that makes a report of latencies, one of them on a device of this name."""

    def change(found: list[dict]) -> None:
        for record in found:
            if record["kind"] == "latency" and record["run"]["variant"] == "no_apn":
                record["provenance"]["device"] = name

    return lambda place: ("report", lay(place, change), "--out", place / "out")


def all_of_them(place: Place, outcome) -> None:
    """Check that no record was left out."""
    assert f"{len(RECORDS)} records" in outcome.out


FAULTS = [
    *(
        Fault(f"a title with {what}", "H", titled(title), 0, also=(safe(title),))
        for what, title in HOSTILE.items()
    ),
    Fault("a title of 5,000 characters", "H", titled("long " * 1000), 0),
    Fault(
        "a variant's name with HTML",
        "C",
        named("variant", "<img src=x onerror=alert(1)>"),
        0,
        also=(safe(""), all_of_them),
    ),
    Fault(
        "a network's name with mathematics",
        "H",
        named("network", "net $x_$ & 5%"),
        0,
        also=(safe(""), all_of_them),
    ),
    Fault(
        "a variant's name like a formula",
        "C",
        named("variant", "=HYPERLINK(1)"),
        0,
        also=(safe(""), all_of_them),
    ),
    Fault(
        "a device's name with HTML",
        "C",
        device("<img src=x onerror=alert(1)>"),
        0,
        also=(safe(""), all_of_them),
    ),
    Fault("a device's name with an escape sequence", "C", device("CPU \x1b[2J"), 0, also=(safe(""),)),
    Fault(
        "a config whose network's name is a path",
        "B",
        lambda p: ("train", p.config("network = '../escaped/x'"), "--work-dir", p / "run"),
        says=("network",),
    ),
    Fault(
        "a config whose variant's name has 300 characters",
        "B",
        lambda p: ("train", p.config(f"variant = {'v' * 300!r}"), "--work-dir", p / "run"),
        says=("variant",),
    ),
    Fault(
        "a path with markup that does not exist",
        "H",
        lambda p: ("test", p.config(), p / "x [/red].pth", "--work-dir", p / "run"),
        says=("x [/red].pth",),
    ),
]
