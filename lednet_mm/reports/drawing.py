"""Common parts of all plots: colours, labels that do not overlap, and files that depend on the data only."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from lednet_mm.text import DEFAULT, for_file_name, for_plot, one_line

# Okabe and Ito's colours (2008), which people with any kind of colour vision can distinguish. Grey replaces
# black, because the page also has a dark background.
COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C8C8C"]
MARKERS = ["o", "s", "^", "D", "v", "<", ">"]
DASHES: list[tuple[float, ...]] = [
    (),
    (5, 2),
    (1.2, 1.6),
    (6, 2, 1.2, 2),
    (10, 2.5),
    (3, 1.2, 1.2, 1.2, 1.2, 1.2),
    (2.5, 4),
]
MARKER_SIZE = 7
MAX_LABELS = 60
"""If there are more points, only those on the Pareto front are labelled."""
MAX_ROWS = 40
"""The largest number of rows that are readable in one plot; tables have all rows."""
LABEL_SIZE = 8
LABEL_LENGTH = 60
TITLE_LINES = 6


@dataclass(frozen=True)
class Look:
    """The look of a network or variant in plots and on the page.

    Attributes:
        color: colour of the network, which its variants share.
        marker: marker of the network, which its variants share.
        is_variant: whether markers are hollow.
        dashes: lengths of a line's dashes and gaps in points; empty for the network itself, whose line is
            solid.
    """

    color: str
    marker: str
    is_variant: bool
    dashes: tuple[float, ...]

    def point(self) -> dict[str, Any]:
        """Return Matplotlib's arguments for markers."""
        face = "white" if self.is_variant else self.color
        return {"color": self.color, "marker": self.marker, "markerfacecolor": face}

    def line(self) -> dict[str, Any]:
        """Return Matplotlib's arguments for lines with markers."""
        return {**self.point(), "linestyle": (0, self.dashes) if self.dashes else "-"}


class Looks:
    """The look of each network and variant of a report; there are 49 different looks for networks.

    Args:
        variants: pairs (network, variant) in any order; pairs may occur several times.
    """

    def __init__(self, variants: Iterable[tuple[str, str]]) -> None:
        known = sorted(set(variants))
        self._networks = {name: i for i, name in enumerate(dict.fromkeys(network for network, _ in known))}
        others: dict[str, int] = {}
        self._variants: dict[tuple[str, str], int] = {}
        for network, variant in known:
            if variant != DEFAULT:
                self._variants[network, variant] = others.get(network, 0)
                others[network] = self._variants[network, variant] + 1

    def of(self, row: Mapping[str, Any]) -> Look:
        """Return the look of a row that names a ``network`` and a ``variant``."""
        i = self._networks[row["network"]]
        marker = MARKERS[(i + i // len(COLORS)) % len(MARKERS)]
        number = self._variants.get((row["network"], row["variant"]))
        dashes = () if number is None else DASHES[1 + number % (len(DASHES) - 1)]
        return Look(COLORS[i % len(COLORS)], marker, number is not None, dashes)


@dataclass(frozen=True)
class Plot:
    """A figure and the name of its files without ending."""

    name: str
    figure: Figure

    def files(self) -> dict[str, bytes]:
        """Return the figure as PNG and SVG, by file name; the same figure gives the same bytes."""
        png, svg = io.BytesIO(), io.BytesIO()
        with (
            mpl.rc_context({"svg.hashsalt": "lednet-mm", "svg.fonttype": "none"}),
            warnings.catch_warnings(),
        ):
            # The font lacks the letters of some languages, but an SVG uses the fonts of its reader.
            warnings.filterwarnings("ignore", "Glyph .* missing from")
            self.figure.savefig(png, format="png", dpi=150, metadata={"Software": None})
            self.figure.savefig(svg, format="svg", metadata={"Date": None})
        return {f"{self.name}.png": png.getvalue(), f"{self.name}.svg": svg.getvalue()}


def places(frame: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Split a frame into the parts that one plot can show: one study, dataset and split.

    Yields:
        Ending of the file name (empty if there is only one part), words for the title, and rows.
    """
    found = list(frame.groupby(["study", "dataset", "split"], dropna=False, sort=True))
    for key, rows in found:
        words = [str(word) for word in key if isinstance(word, str)]
        ending = "" if len(found) == 1 else "_" + for_file_name("_".join(words))
        yield ending, ", ".join(words), rows


def label(text: str) -> str:
    """Return a name as a plot shows it: on one line, without mathematics, and shortened to fit."""
    line = one_line(text)
    shown = for_plot(line if len(line) <= LABEL_LENGTH else f"{line[: LABEL_LENGTH - 1]}…")
    return f" {shown}" if shown.startswith("_") else shown  # Matplotlib hides labels that begin with "_"


def set_title(figure: Figure, title: str) -> None:
    """Put a title above a figure, wrapped to its width.

    A title above the axes would be pushed out of the picture by long labels to their left.
    """
    width = int(14 * figure.get_figwidth())
    lines = [line for part in title.split("\n") for line in textwrap.wrap(one_line(part), width)]
    if len(lines) > TITLE_LINES:
        lines = [*lines[: TITLE_LINES - 1], f"{lines[TITLE_LINES - 1]} …"]
    figure.suptitle("\n".join(map(for_plot, lines)), fontsize=9)


def set_note(figure: Figure, notes: Iterable[str]) -> None:
    """Put notes in small print below a figure."""
    figure.supxlabel("; ".join(notes), fontsize=7, color="0.35")


def set_log(axes: Axes, which: str) -> None:
    """Make an axis (``x`` or ``y``) logarithmic, with plain numbers at 1, 2 and 5."""
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def pareto_front(x: Sequence[float], y: Sequence[float], smaller_x: bool) -> list[int]:
    """Return the indices of the points that no other point beats in both coordinates, cheapest first.

    Args:
        x: cost or speed of each point.
        y: accuracy of each point.
        smaller_x: whether less of x is better.
    """
    cost = np.asarray(x, dtype=float) * (1 if smaller_x else -1)
    best, front = -np.inf, []
    for i in np.lexsort((-np.asarray(y, dtype=float), cost)):
        if y[i] > best:
            best = y[i]
            front.append(int(i))
    return front


def label_points(
    axes: Axes,
    x: Sequence[float] | np.ndarray,
    y: Sequence[float] | np.ndarray,
    labels: Sequence[str],
    points: int,
) -> None:
    """Write labels beside the first ``len(labels)`` points, so that they overlap neither labels nor points.

    A label that does not fit near its point is moved away from it and connected by a thin line. A label that
    fits nowhere is left out.

    Args:
        axes: axes whose limits are final.
        x: horizontal position of every point.
        y: vertical position of every point.
        labels: text for each of the first points.
        points: diameter of a marker, in points.
    """
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # fixes the layout, so that data coordinates can be converted to pixels
    scale = figure.dpi / 72
    places = axes.transData.transform(np.column_stack([x, y]))
    radius = points / 2 * scale
    taken = [(px - radius, py - radius, px + radius, py + radius) for px, py in places]
    area = axes.get_window_extent()
    font = FontProperties(size=LABEL_SIZE)
    for name, (px, py) in zip(map(label, labels), places, strict=False):
        width, height, _ = canvas.get_renderer().get_text_width_height_descent(name, font, False)
        width, height = width + 2, height + 3
        found = _free_place((px, py), (width, height), radius + 2 * scale, taken, area.extents)
        if found is None:
            continue
        left, bottom, far = found
        taken.append((left, bottom, left + width, bottom + height))
        offset = ((left + 1 - px) / scale, (bottom + 2 - py) / scale)
        line = {"arrowstyle": "-", "color": "0.6", "linewidth": 0.6, "shrinkA": 0, "shrinkB": points / 2}
        text = axes.annotate(
            name,
            tuple(axes.transData.inverted().transform((px, py))),
            xytext=offset,
            textcoords="offset points",
            fontsize=LABEL_SIZE,
            arrowprops=line if far else None,
        )
        text.set_in_layout(False)  # else the labels would shrink the axes


def _free_place(
    point: tuple[float, float],
    size: tuple[float, float],
    gap: float,
    taken: Sequence[tuple[float, float, float, float]],
    area: Sequence[float],
) -> tuple[float, float, bool] | None:
    """Return left and bottom of the nearest free place around a point, and whether it is far from it."""
    (x, y), (width, height) = point, size
    boxes = np.array(taken)
    for ring in range(9):
        for angle in np.arange(16) * np.pi / 8:
            distance = gap + ring * height * 0.9
            cos, sin = np.cos(angle), np.sin(angle)
            left = x + distance * cos - (width if cos < -0.1 else width / 2 if cos < 0.1 else 0)
            bottom = y + distance * sin - (height if sin < -0.1 else height / 2 if sin < 0.1 else 0)
            right, top = left + width, bottom + height
            inside = area[0] < left and right < area[2] and area[1] < bottom and top < area[3]
            over = (boxes[:, 0] < right) & (boxes[:, 2] > left) & (boxes[:, 1] < top) & (boxes[:, 3] > bottom)
            if inside and not over.any():
                return left, bottom, ring > 0
    return None
