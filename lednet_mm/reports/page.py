"""The page: one HTML file that needs nothing else, made from the same tables as everything beside it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lednet_mm.records import Record, plain
from lednet_mm.reports.classes import GROUP, class_names
from lednet_mm.reports.pictures import PictureSet
from lednet_mm.reports.reading import Evidence
from lednet_mm.reports.runs import record_name
from lednet_mm.reports.tables import Table, is_missing, rows_of

if TYPE_CHECKING:
    from lednet_mm.reports.report import Content

ASSETS = Path(__file__).with_name("assets")
STYLES = ("tabulator/tabulator.min.css", "page.css")
SCRIPTS = (
    "tabulator/tabulator.min.js",
    "chartjs/chart.umd.min.js",
    "page_tables.js",
    "page_plot.js",
    "page.js",
)
LICENCES = ("tabulator/LICENSE", "chartjs/LICENSE.md")
SHOWN = (
    *("summary", "ablation", "class_summary", "measures", "robustness", "latency", "benchmarks"),
    *("published", "failures"),
)


class Interned:
    """Strings by number, each kept once: commands, devices and hashes repeat in thousands of records."""

    def __init__(self) -> None:
        self.strings: list[str] = []
        self._numbers: dict[str, int] = {}

    def __call__(self, text: Any) -> int | None:
        """Return the number of a string; None for nothing."""
        if text is None:
            return None
        if text not in self._numbers:
            self._numbers[text] = len(self.strings)
            self.strings.append(text)
        return self._numbers[text]


class Sources:
    """The records that a page's numbers come from, each once."""

    def __init__(self, evidence: Evidence, folder: Path) -> None:
        self._evidence = evidence
        self._folder = folder
        self._records = {record_name(record): record for record in evidence.records}
        self._numbers: dict[str, int] = {}
        self.interned = Interned()
        self.rows: list[list[Any]] = []

    FIELDS = (
        *("name", "folder", "run", "seed", "values", "date", "commit", "dirty", "device", "threads"),
        *("precision", "command", "versions", "config", "checkpoint", "data"),
    )

    def number(self, name: str) -> int:
        """Return the number of a record by its name."""
        if name not in self._numbers:
            self._numbers[name] = len(self.rows)
            self.rows.append(self._row(name, self._records[name]))
        return self._numbers[name]

    def _row(self, name: str, record: Record) -> list[Any]:
        keep, run, provenance = self.interned, record.run, record.provenance
        versions = ", ".join(f"{k} {v}" for k, v in sorted(provenance.versions.items()) if v)
        where = [run.network, run.variant, run.dataset, *filter(None, [run.study])]
        folder = _place(self._evidence.paths[name].parent, self._folder)
        return [
            *(name, keep(folder), keep(", ".join(where)), run.seed),
            {key: _short(value) for key, value in record.values.items() if isinstance(value, (int, float))},
            *(keep(provenance.date), keep(provenance.commit), provenance.dirty, keep(provenance.device)),
            *(provenance.threads, keep(provenance.precision), keep(provenance.command), keep(versions)),
            *(keep(record.config.sha256), keep(provenance.checkpoint_sha256)),
            keep(provenance.dataset_fingerprint),
        ]


def table_data(table: Table, sources: Sources) -> dict[str, Any]:
    """Return a table as the page takes it.

    Returns:
        ``columns``; of each row ``values`` to sort by, ``texts`` to show, ``sources`` by column number, and
        the numbers of the columns in bold.
    """
    columns = table.shown()
    kept = list(dict.fromkeys(c.source for c in columns if c.source and c.source in table.frame))
    rows = []
    for label, row in zip(table.frame.index, table.rows(), strict=True):
        rows.append(
            {
                "values": [_value(row[c.key], c.scale if c.numeric else None) for c in columns],
                "texts": [c.text(row) for c in columns],
                "sources": [[sources.number(name) for name in _listed(row[key])] for key in kept],
                "best": [i for i, c in enumerate(columns) if (label, c.key) in table.best],
            }
        )
    return {
        "title": table.title,
        "notes": table.notes,
        "columns": [
            {
                "key": c.key,
                "header": c.header,
                "numeric": c.numeric,
                "source": kept.index(c.source) if c.source in kept else None,
            }
            for c in columns
        ],
        "rows": rows,
    }


def _place(path: Path, folder: Path) -> str:
    """Return where a file lies, seen from the page's folder: the same on every machine that both are on."""
    return Path(os.path.relpath(path, folder)).as_posix()


def _short(value: float) -> float:
    """Round to six digits, which is more than any table shows; whole numbers and truth stay as they are."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _value(value: Any, scale: float | None) -> Any:
    if is_missing(value):
        return None
    return _short(float(value / scale)) if scale is not None else str(value)


def _listed(names: Any) -> Sequence[str]:
    return names if isinstance(names, list) else []


def _tradeoff_data(content: Content, sources: Sources) -> dict[str, Any]:
    """Return what the interactive plot needs: points with every number that can be an axis."""
    table = content.tables.get("summary")
    if table is None:  # benchmarks or failures alone
        return {"axes": [], "points": []}
    columns = [c for c in table.shown() if c.numeric and c.key not in ("seeds", "miou_low")]
    classes = class_names(content.class_summary) if len(content.class_summary) else []
    by_class = _class_values(content, classes)
    points = []
    for row in table.rows():
        if not row["seeds"]:
            continue
        values = [_value(row[c.key], c.scale) for c in columns]
        std = row["miou_percent_std"]
        points.append(
            {
                "network": row["network"],
                "variant": row["variant"],
                "place": ", ".join(
                    str(row[k]) for k in ("study", "dataset", "split") if not is_missing(row[k])
                ),
                "recipe": None if is_missing(row["recipe"]) else row["recipe"],
                "seeds": int(row["seeds"]),
                "std": None if is_missing(std) else float(f"{std:.6g}"),
                "values": [*values, *by_class.get(_group(row), [None] * len(classes))],
                "sources": [
                    [sources.number(name) for name in _listed(row.get(c.source))] if c.source else []
                    for c in columns
                ],
                "accuracy": [sources.number(name) for name in row["_accuracy"]],
            }
        )
    better_large = ("FPS", "mIoU", "category IoU", "published")
    axes = [
        {"key": c.key, "label": c.header, "smaller": not c.header.startswith(better_large)} for c in columns
    ]
    axes += [{"key": name, "label": f"IoU of {name} (%)", "smaller": False} for name in classes]
    return {"axes": axes, "points": points}


def _group(row: Mapping[str, Any]) -> tuple:
    return tuple(None if is_missing(row[key]) else row[key] for key in GROUP)


def _class_values(content: Content, classes: Sequence[str]) -> dict[tuple, list[float | None]]:
    rows: list[dict[str, Any]] = rows_of(content.class_summary)
    return {_group(row): [_value(row[name], 1) for name in classes] for row in rows}


def page_data(
    content: Content, evidence: Evidence, pictures: Iterable[PictureSet], folder: Path
) -> dict[str, Any]:
    """Return everything that the page shows, as JSON has it."""
    sources = Sources(evidence, folder)
    tables = {n: table_data(content.tables[n], sources) for n in SHOWN if n in content.tables}
    failures = content.tables.get("failures")
    if failures is not None:
        for row, data in zip(failures.rows(), tables["failures"]["rows"], strict=True):
            data["log"] = row["_log_tail"]
    tradeoff = _tradeoff_data(content, sources)
    dates = [record.provenance.date for record in evidence.records]
    return {
        "tables": tables,
        "tradeoff": tradeoff,
        "pictures": [pictured.data() for pictured in pictures],
        "sources": {
            "fields": Sources.FIELDS,
            "rows": sources.rows,
            "strings": sources.interned.strings,
        },
        "problems": {_place(path, folder): reason for path, reason in evidence.problems.items()},
        "facts": {"records": len(evidence.records), "first": min(dates), "last": max(dates)},
    }


def to_script(data: Mapping[str, Any]) -> Markup:
    """Return data as JSON that cannot end the script element it stands in."""
    text = json.dumps(plain(data), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def _asset(name: str) -> Markup:
    """Read an asset as it is, less the pointer to a source map that is not there."""
    lines = (ASSETS / name).read_text(encoding="utf-8").splitlines()
    return Markup("\n".join(line for line in lines if "sourceMappingURL" not in line))


def _policy(scripts: Iterable[str]) -> str:
    """Return the page's Content-Security-Policy: these scripts run, and nothing else does or is loaded."""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    hashes = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def write_page(content: Content, evidence: Evidence, pictures: Iterable[PictureSet], folder: Path) -> str:
    """Return the page's HTML.

    Args:
        content: tables and frames.
        evidence: whose records the page names as sources.
        pictures: predictions to show; they make the page large.
        folder: the page's own, from which it says where records lie.
    """
    environment = Environment(
        loader=FileSystemLoader(ASSETS), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    scripts = [_asset(name) for name in SCRIPTS]
    return environment.get_template("page.html.j2").render(
        policy=_policy(scripts),
        title=content.title,
        data=to_script(page_data(content, evidence, pictures, folder)),
        styles=[_asset(name) for name in STYLES],
        scripts=scripts,
        licences=[_asset(name) for name in LICENCES],
    )
