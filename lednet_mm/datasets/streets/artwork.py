"""The parts of generated street scenes: ids, palettes, and the outlines of vehicles and riders.

Everything is drawn facing right or seen from behind; the scene mirrors, scales and places it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lednet_mm.datasets.cityscapes_ids import LABEL_ID_OF_TRAIN_ID

Colour = tuple[int, int, int]
Flat = tuple[tuple[float, float], ...]
Solid = tuple[tuple[float, float, float], ...]

(
    ROAD,
    SIDEWALK,
    BUILDING,
    WALL,
    FENCE,
    POLE,
    LIGHT,
    SIGN,
    VEGETATION,
    TERRAIN,
    SKY,
    PERSON,
    RIDER,
    CAR,
    TRUCK,
    BUS,
    TRAIN,
    MOTORCYCLE,
    BICYCLE,
) = LABEL_ID_OF_TRAIN_ID
DYNAMIC = 5  # bins and similar things, which are not evaluated

# Colours in BGR. Half of the colours of man-made things are grey, black or white.
PAINTS: tuple[Colour, ...] = (
    *((grey, grey, grey) for grey in (35, 60, 85, 105, 125, 145, 170, 205, 230)),
    (150, 160, 165),
    (110, 125, 140),
    (60, 45, 40),
    (40, 40, 150),
    (50, 60, 190),
    (130, 70, 35),
    (170, 120, 60),
    (75, 110, 60),
    (60, 150, 180),
    (70, 175, 215),
    (120, 165, 190),
    (90, 105, 150),
    (70, 90, 125),
    (140, 155, 120),
    (205, 190, 165),
)
GROWTH: tuple[Colour, ...] = (
    (45, 95, 60),
    (40, 75, 50),
    (55, 120, 95),
    (60, 130, 130),
    (50, 100, 120),
    (45, 80, 100),
    (70, 105, 110),
    (40, 60, 45),
)
SKIN: tuple[Colour, ...] = ((140, 170, 210), (100, 130, 175), (60, 80, 120), (45, 55, 80))
DARK: Colour = (38, 35, 33)
GLASS: Colour = (75, 65, 55)


class Size(NamedTuple):
    """A vehicle's smallest and largest length, width and height in metres."""

    length: tuple[float, float]
    width: tuple[float, float]
    height: tuple[float, float]


SIZES = {
    CAR: Size((3.7, 4.9), (1.7, 1.9), (1.4, 1.8)),
    TRUCK: Size((6.5, 10.0), (2.3, 2.6), (2.8, 3.8)),
    BUS: Size((10.0, 14.0), (2.5, 2.6), (2.9, 3.3)),
    TRAIN: Size((20.0, 32.0), (2.4, 2.7), (3.4, 3.8)),
}


def box(left: float, bottom: float, right: float, top: float) -> Flat:
    """Return the outline of a rectangle."""
    return (left, bottom), (right, bottom), (right, top), (left, top)


# Outlines of unit size, as (right, up).
CIRCLE = (
    *((1.0, 0.0), (0.92, 0.38), (0.71, 0.71), (0.38, 0.92), (0.0, 1.0), (-0.38, 0.92), (-0.71, 0.71)),
    *((-0.92, 0.38), (-1.0, 0.0), (-0.92, -0.38), (-0.71, -0.71), (-0.38, -0.92), (0.0, -1.0)),
    *((0.38, -0.92), (0.71, -0.71), (0.92, -0.38)),
)
TRIANGLE = ((-1.0, -0.6), (1.0, -0.6), (0.0, 1.1))
DIAMOND = ((0.0, -1.1), (1.1, 0.0), (0.0, 1.1), (-1.1, 0.0))
BOARD = box(-1.3, -0.6, 1.3, 0.6)

# Frames of cycles seen from the side, front to the right, as (right, up) in metres.
BICYCLE_SIDE = (
    ((-0.55, 0.32), (-0.2, 0.85), (-0.14, 0.85), (-0.48, 0.32)),
    ((-0.55, 0.38), (0.0, 0.38), (0.0, 0.3), (-0.55, 0.3)),
    ((-0.2, 0.85), (0.38, 0.85), (0.38, 0.76), (-0.2, 0.76)),
    ((-0.02, 0.34), (0.4, 0.82), (0.34, 0.86), (-0.08, 0.34)),
    ((0.36, 1.0), (0.42, 1.0), (0.58, 0.35), (0.52, 0.35)),
    ((0.2, 0.98), (0.5, 0.98), (0.5, 1.04), (0.2, 1.04)),
    ((-0.32, 0.86), (-0.05, 0.86), (-0.05, 0.94), (-0.32, 0.94)),
)
MOTORCYCLE_SIDE = (
    ((-0.75, 0.62), (-0.5, 0.8), (0.1, 0.78), (0.35, 0.98), (0.6, 0.85), (0.45, 0.35), (-0.35, 0.3)),
    ((0.4, 1.1), (0.48, 1.1), (0.78, 0.3), (0.68, 0.3)),
    ((0.2, 1.05), (0.5, 1.05), (0.5, 1.15), (0.2, 1.15)),
)

# A rider, relative to the saddle, as (tone, outline); the feet are 0.55 m below it.
RIDER_SIDE: tuple[tuple[str, Flat], ...] = (
    ("legs", ((-0.1, 0), (0.3, 0), (0.22, -0.55), (0.05, -0.55))),
    ("top", ((-0.22, -0.05), (0.08, -0.05), (0.32, 0.6), (0.04, 0.6))),
    ("sleeve", ((0.22, 0.52), (0.5, 0.2), (0.5, 0.1), (0.22, 0.38))),
)
RIDER_END: tuple[tuple[str, Flat], ...] = (
    ("legs", ((-0.2, 0), (0.2, 0), (0.22, -0.55), (0.1, -0.55), (0, -0.1), (-0.1, -0.55), (-0.22, -0.55))),
    ("top", ((-0.2, -0.05), (0.2, -0.05), (0.25, 0.55), (-0.25, 0.55))),
    ("sleeve", ((0.2, 0.55), (0.34, 0.15), (0.26, 0.1))),
    ("sleeve", ((-0.2, 0.55), (-0.34, 0.15), (-0.26, 0.1))),
)


def _panel(left: float, bottom: float, right: float, top: float, depth: float = 0.0) -> Solid:
    return tuple((across, up, depth) for across, up in box(left, bottom, right, top))


def _wheels(places: Sequence[float], radius: float, ratio: float) -> list[tuple[str, Flat]]:
    """Return wheels at places along a side; ``radius`` is in heights; ``ratio`` is length / height."""
    return [
        ("dark", tuple((place + radius / ratio * a, radius + radius * b) for a, b in CIRCLE))
        for place in places
    ]


def side_of(kind: int, ratio: float) -> list[tuple[str, Flat]]:
    """Return (tone, outline) of a vehicle's side, back to front; outlines are (along, up) in [0, 1]."""
    if kind == CAR:
        body = (
            (0, 0.2),
            (0, 0.6),
            (0.04, 0.68),
            (0.16, 0.97),
            (0.3, 1.0),
            (0.58, 0.97),
            (0.76, 0.65),
            (1, 0.5),
            (1, 0.2),
        )
        return [
            ("base", body),
            ("glass", ((0.13, 0.68), (0.21, 0.9), (0.38, 0.92), (0.38, 0.68))),
            ("glass", ((0.41, 0.68), (0.41, 0.92), (0.56, 0.9), (0.7, 0.68))),
            *_wheels((0.19, 0.81), 0.22, ratio),
        ]
    if kind == TRUCK:
        return [
            ("dark", box(0.02, 0.12, 0.98, 0.3)),
            ("base", box(0, 0.26, 0.74, 1)),
            ("second", ((0.78, 0.14), (0.78, 0.8), (0.93, 0.8), (1, 0.48), (1, 0.14))),
            ("glass", ((0.83, 0.5), (0.83, 0.74), (0.92, 0.74), (0.97, 0.5))),
            *_wheels((0.14, 0.28, 0.87), 0.14, ratio),
        ]
    panes = 7 if kind == BUS else 11
    step = 0.92 / panes
    windows = [("glass", box(0.04 + i * step, 0.45, 0.04 + (i + 0.85) * step, 0.82)) for i in range(panes)]
    if kind == BUS:
        return [
            ("base", box(0, 0.1, 1, 1)),
            ("second", box(0, 0.1, 1, 0.3)),
            *windows,
            *_wheels((0.22, 0.8), 0.15, ratio),
        ]
    return [
        ("dark", box(0.04, 0.02, 0.96, 0.12)),
        ("base", ((0, 0.08), (0.01, 0.5), (0.04, 0.9), (0.96, 0.9), (0.99, 0.5), (1, 0.08))),
        ("second", box(0.01, 0.1, 0.99, 0.34)),
        *windows,
        *(("second", box(a, 0.9, a + 0.18, 1.0)) for a in (0.15, 0.6)),
        ("dark", box(0.33, 0.05, 0.345, 0.9)),
        ("dark", box(0.66, 0.05, 0.675, 0.9)),
    ]


def end_of(kind: int, rear: bool) -> list[tuple[str, Solid]]:
    """Return (tone, outline) of a vehicle's rear or front, back to front.

    Outlines are (across, up, depth); depth is the distance of a corner from the end, divided by the length.
    """
    if kind == CAR:
        low, high = (0.04, 0.18) if rear else (0.24, 0.42)
        return [
            *(("dark", _panel(a, 0.0, a + 0.16, 0.3)) for a in (0.04, 0.8)),
            ("base", ((0, 0.6, low), (0, 0.98, high), (1, 0.98, high), (1, 0.6, low))),
            ("base", ((0, 0.96, high), (0, 0.98, high + 0.3), (1, 0.98, high + 0.3), (1, 0.96, high))),
            ("glass", ((0.07, 0.66, low), (0.13, 0.94, high), (0.87, 0.94, high), (0.93, 0.66, low))),
            ("base", ((0, 0.56, 0), (0, 0.66, low), (1, 0.66, low), (1, 0.56, 0))),
            ("base", _panel(0, 0.2, 1, 0.58)),
            ("dark", _panel(0.02, 0.16, 0.98, 0.28)),
            *(("lamp", _panel(a, 0.42, a + 0.15, 0.54)) for a in (0.04, 0.81)),
            ("second", _panel(0.38, 0.32, 0.62, 0.4)),
        ]
    if kind == TRUCK and rear:
        return [
            *(("dark", _panel(a, 0.0, a + 0.18, 0.2)) for a in (0.04, 0.78)),
            ("dark", _panel(0.02, 0.1, 0.98, 0.27)),
            ("base", _panel(0, 0.25, 1, 1)),
            ("dark", _panel(0.49, 0.27, 0.51, 0.97)),
            *(("lamp", _panel(a, 0.2, a + 0.12, 0.25)) for a in (0.03, 0.85)),
        ]
    if kind == TRUCK:
        return [
            ("base", _panel(0, 0.25, 1, 1, 0.26)),
            ("dark", _panel(0.06, 0.0, 0.94, 0.2)),
            ("second", ((0, 0.46, 0), (0, 0.8, 0.07), (1, 0.8, 0.07), (1, 0.46, 0))),
            ("glass", ((0.06, 0.5, 0.01), (0.06, 0.75, 0.06), (0.94, 0.75, 0.06), (0.94, 0.5, 0.01))),
            ("second", _panel(0, 0.12, 1, 0.48)),
            ("dark", _panel(0.25, 0.22, 0.75, 0.36)),
            *(("lamp", _panel(a, 0.2, a + 0.14, 0.28)) for a in (0.04, 0.82)),
        ]
    if kind == BUS:
        return [
            *(("dark", _panel(a, 0.0, a + 0.15, 0.15)) for a in (0.05, 0.8)),
            ("base", _panel(0, 0.08, 1, 1)),
            ("glass", _panel(0.05, 0.55 if rear else 0.42, 0.95, 0.83)),
            ("lamp", _panel(0.25, 0.87, 0.75, 0.96)),
            ("second", _panel(0, 0.1, 1, 0.28)),
            *(("lamp", _panel(a, 0.2, a + 0.12, 0.27)) for a in (0.04, 0.84)),
        ]
    return [
        ("dark", _panel(0.1, 0.0, 0.9, 0.12, 0.01)),
        ("base", ((0, 0.5, 0.01), (0, 0.9, 0.04), (1, 0.9, 0.04), (1, 0.5, 0.01))),
        ("base", ((0, 0.06, 0), (0, 0.52, 0.01), (1, 0.52, 0.01), (1, 0.06, 0))),
        ("glass", ((0.08, 0.45, 0.01), (0.18, 0.8, 0.03), (0.82, 0.8, 0.03), (0.92, 0.45, 0.01))),
        ("second", _panel(0.02, 0.08, 0.98, 0.3)),
        ("lamp", _panel(0.42, 0.82, 0.58, 0.88, 0.03)),
        *(("lamp", _panel(a, 0.24, a + 0.12, 0.32)) for a in (0.06, 0.82)),
    ]
