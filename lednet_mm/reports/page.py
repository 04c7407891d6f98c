"""The page: one self-contained HTML file with the same sections as the report's other files."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lednet_mm.records import plain
from lednet_mm.reports.content import Content
from lednet_mm.reports.parts import Sources
from lednet_mm.reports.sections.section import Section

ASSETS = Path(__file__).with_name("assets")
STYLES = ("tabulator/tabulator.min.css", "page.css")
SCRIPTS = (
    "tabulator/tabulator.min.js",
    "chartjs/chart.umd.min.js",
    "page_sources.js",
    "page_table.js",
    "page_charts.js",
    "page.js",
)
LICENCES = ("tabulator/LICENSE", "chartjs/LICENSE.md")


def page_data(content: Content, sections: Iterable[Section], folder: Path) -> dict[str, Any]:
    """Return all data that the page shows, in a form for JSON.

    Args:
        content: content from which the sections are made.
        sections: sections of the report, in order.
        folder: folder of the page, to which the paths of records are relative.
    """
    sources = Sources(content.evidence, folder)
    shown = [(section, section.parts(sources)) for section in sections]
    dates = [record.provenance.date for record in content.evidence.records]
    return {
        "sections": [
            {"name": section.name, "heading": section.heading, "parts": list(parts)}
            for section, parts in shown
            if parts
        ],
        "sources": sources.data(),
        "facts": {"records": len(dates), "first": min(dates), "last": max(dates)},
    }


def to_script(data: Mapping[str, Any]) -> Markup:
    """Return data as JSON that cannot close the script element that contains it."""
    text = json.dumps(plain(data), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def _asset(name: str) -> Markup:
    """Read an asset, without its reference to a source map that is not there."""
    lines = (ASSETS / name).read_text(encoding="utf-8").splitlines()
    return Markup("\n".join(line for line in lines if "sourceMappingURL" not in line))


def _policy(scripts: Iterable[str]) -> str:
    """Return the page's Content-Security-Policy, which allows these scripts and nothing else."""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    hashes = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def write_page(content: Content, sections: Sequence[Section], folder: Path) -> str:
    """Return the page's HTML.

    Args:
        content: content from which the sections are made.
        sections: sections of the report, in order; predicted pictures among them make the page large.
        folder: folder of the page, to which the paths of records are relative.
    """
    environment = Environment(
        loader=FileSystemLoader(ASSETS), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    scripts = [_asset(name) for name in SCRIPTS]
    return environment.get_template("page.html.j2").render(
        policy=_policy(scripts),
        title=content.title,
        data=to_script(page_data(content, sections, folder)),
        styles=[_asset(name) for name in STYLES],
        scripts=scripts,
        licences=[_asset(name) for name in LICENCES],
    )
