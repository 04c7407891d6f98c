"""What becomes of every network in benchmarks that export or quantise each of them."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from functools import cached_property
from statistics import median
from typing import Any, ClassVar

import pandas as pd

from lednet_mm.records import Record
from lednet_mm.reports.runs import record_name
from lednet_mm.reports.sections.section import TableSection
from lednet_mm.reports.tables import Column, names

EXPORTERS = ("tracing", "newer")
ENGINES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}

APART = 1.5
"""The ratio of two engines' errors from which they are said to disagree."""
LARGE = 0.5
"""The error from which a network's logits in INT8 have little to do with those in fp32."""
COLOURS = re.compile(r"\\x1b\[[0-9;]*m")
"""The codes for colours in a terminal, as a record has them in a message."""


class EachNetwork(TableSection):
    """A table with one row for each network: its newest benchmark record that has a certain value.

    Attributes:
        needs: name of the value by which the records are known.
    """

    needs: ClassVar[str]

    @cached_property
    def newest(self) -> dict[str, Record]:
        """The newest record of each network, in the order of their names."""
        records = self.content.evidence.records
        found = {r.run.network: r for r in records if r.kind == "benchmark" and self.needs in r.values}
        return dict(sorted(found.items()))

    @abstractmethod
    def row(self, record: Record) -> dict[str, Any]:
        """Return the values of one row, without the network and the record."""

    def collect(self) -> pd.DataFrame:
        """Return the rows of all networks that have a record."""
        return pd.DataFrame(
            {
                "network": network,
                **self.row(record),
                "record": record_name(record),
                "_record": [record_name(record)],
            }
            for network, record in self.newest.items()
        )

    def condition(self) -> str:
        """Return where and at which size of images the networks were examined."""
        records = self.newest.values()
        sizes = sorted({"x".join(map(str, r.details["shape"])) for r in records})
        devices = sorted({r.provenance.device for r in records})
        versions = sorted({str(r.provenance.versions["torch"]) for r in records})
        return f"images of {' and '.join(sizes)}, PyTorch {' and '.join(versions)}, {' and '.join(devices)}"


class Exporters(EachNetwork):
    """The table of PyTorch's two ONNX exporters (``benchmarks/export_networks.py``)."""

    name = "exporters"
    heading = "PyTorch's exporters"
    order = 81
    caption = "PyTorch's two ONNX exporters"
    needs = "tracing_seconds"

    def row(self, record: Record) -> dict[str, Any]:
        """Return seconds, number of nodes and free sizes for each exporter, and what went wrong."""
        values, details = record.values, record.details
        cells: dict[str, Any] = {}
        for name in EXPORTERS:
            nodes, free = values[f"{name}_nodes"], values[f"{name}_any_size"]
            cells |= {f"{name}_seconds": values[f"{name}_seconds"], f"{name}_nodes": nodes}
            cells[f"{name}_sizes"] = "none" if nodes is None else "any" if free else "fixed"
        reasons = filter(None, (details[f"{name}_reason"] for name in EXPORTERS))
        return {**cells, "reason": COLOURS.sub("", "; ".join(reasons))}

    def columns(self) -> Sequence[Column]:
        """Return three columns for each exporter, and the reason why sizes are fixed or there is no file."""
        return (
            *names("network"),
            *(
                column
                for name in EXPORTERS
                for column in (
                    Column(f"{name}_seconds", f"{name} (CPU s)", ".1f", source="_record"),
                    Column(f"{name}_nodes", "nodes", ".0f", source="_record"),
                    Column(f"{name}_sizes", "sizes"),
                )
            ),
            Column("reason", "reason", show=lambda row: row["reason"][:160]),
        )

    def notes(self) -> Iterable[str]:
        """Say for how many networks each exporter works, and how long the newer one takes."""
        frame = self.frame
        free = {name: frame[f"{name}_sizes"].eq("any") for name in EXPORTERS}
        yield (
            f"For images of any size, the tracing exporter works for {free['tracing'].sum()} of {len(frame)} "
            f"networks, the newer one for {free['newer'].sum()}. A file counts if its logits equal "
            "PyTorch's at the given size and for two images of another size."
        )
        both = frame[free["tracing"] & free["newer"]]
        if len(both):
            ratios = list(both["newer_seconds"] / both["tracing_seconds"])
            yield (
                f"Where both do, the newer one takes {min(ratios):.0f} to {max(ratios):.0f} times as long "
                f"(median {median(ratios):.0f}), and its files have "
                f"{(both['newer_nodes'] / both['tracing_nodes']).median():.2f} times as many nodes (median)."
            )
        scripts = sorted({record.details["onnxscript"] for record in self.newest.values()})
        yield f"Condition: {self.condition()}, one thread, onnxscript {' and '.join(scripts)}."


class QuantisedNetworks(EachNetwork):
    """The table of all networks in INT8 (``benchmarks/int8_networks.py``)."""

    name = "int8_networks"
    heading = "Networks in INT8"
    order = 82
    caption = "networks in INT8"
    needs = "quantised"

    def row(self, record: Record) -> dict[str, Any]:
        """Return sizes of the files, the error on each engine, and what went wrong."""
        values, details = record.values, record.details
        reasons = [details["reason"]]
        reasons += [
            f"{name}: {why}" for engine, name in ENGINES.items() if (why := details[f"{engine}_reason"])
        ]
        return {
            **{name: values[name] for name in ("fp32_bytes", "int8_bytes")},
            **{f"{engine}_error": values[f"{engine}_error"] for engine in ENGINES},
            "remark": "; ".join(filter(None, reasons)),
        }

    def collect(self) -> pd.DataFrame:
        """Return the rows, with the smallest errors first and networks without INT8 last."""
        frame = super().collect()
        return (
            frame if frame.empty else frame.sort_values(["onnxruntime_error", "network"], ignore_index=True)
        )

    def columns(self) -> Sequence[Column]:
        """Return the sizes of the files and the errors of the engines."""
        return (
            *names("network"),
            Column("fp32_bytes", "fp32 (MiB)", ".2f", 2**20, source="_record"),
            Column("int8_bytes", "INT8 (MiB)", ".2f", 2**20, source="_record"),
            *(
                Column(f"{engine}_error", f"{title}, error", ".3f", source="_record")
                for engine, title in ENGINES.items()
            ),
            Column("remark", "remark", show=lambda row: row["remark"][:160]),
        )

    def notes(self) -> Iterable[str]:
        """Explain the error, and say how many networks run on each engine."""
        frame = self.frame
        quantised = int(frame["int8_bytes"].notna().sum())
        runs = " and ".join(
            f"{int(frame[f'{engine}_error'].notna().sum())} on {title}" for engine, title in ENGINES.items()
        )
        yield f"{quantised} of {len(frame)} networks can be quantised; of these files, {runs} give logits."
        errors = frame[[f"{engine}_error" for engine in ENGINES]]
        apart = errors.max(axis=1) > APART * errors.min(axis=1)
        lost = errors.max(axis=1) > LARGE
        for which, said in (
            (apart, f"On these networks one engine's error is more than {APART:g} times the other's"),
            (lost & ~apart, f"These amplify rounding to an error above {LARGE:g} on both engines"),
        ):
            if which.any():
                yield f"{said}: {', '.join(sorted(frame.loc[which, 'network']))}."
        images = sorted({record.details["calibration_images"] for record in self.newest.values()})
        yield (
            "The error is the root mean square of the difference to PyTorch's fp32 logits, relative to their "
            "standard deviation. Weights and images are made by a rule, not trained or taken, so the error "
            "says how much a network amplifies the rounding to 8 bits, and not what accuracy it loses. "
            f"Calibration: {' and '.join(map(str, images))} images."
        )
        yield f"Condition: {self.condition()}."
