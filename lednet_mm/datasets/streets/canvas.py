"""The canvases, camera, light and dimensions of a generated street scene, and how shapes are drawn on them.

The world has X to the right, Y up and Z ahead, in metres. The ground is Y = 0, and the camera is at
(0, camera height, 0).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from lednet_mm.datasets.streets.artwork import GROWTH, PAINTS, Colour

Point = tuple[float, float, float]


class Plane(NamedTuple):
    """The view of a vertical plane along the street: a window of the picture, with Z and Y of its pixels."""

    window: tuple[slice, slice]
    mask: np.ndarray
    z: np.ndarray
    y: np.ndarray


class Scene:
    """Two canvases (image and labelIds), a camera and a street.

    Args:
        rng: generator of all random numbers.
        size: (height, width) in pixels.
        featured: labelId of a vehicle that is placed in the street nearby.
    """

    def __init__(self, rng: np.random.Generator, size: tuple[int, int], featured: int) -> None:
        self.rng = rng
        self.featured = featured
        self.height, self.width = size
        self.image = np.zeros((*size, 3), np.uint8)
        self.labels = np.zeros(size, np.uint8)
        # Camera: approximately Cityscapes' field of view, with the vanishing point off the centre.
        self.focal = self.width * rng.uniform(0.85, 1.15)
        self.centre = self.width * rng.uniform(0.38, 0.62)
        self.horizon = self.height * rng.uniform(0.36, 0.52)
        self.camera_height = rng.uniform(1.2, 2.2)
        # Street: kerbs and building lines.
        self.lanes_left = int(rng.integers(1, 3))
        self.kerb = {-1: -(1.7 + 3.2 * self.lanes_left + rng.uniform(0, 2.2)), 1: 1.8 + rng.uniform(0, 3.2)}
        self.line = {side: self.kerb[side] + side * rng.uniform(2.5, 7) for side in (-1, 1)}
        self.rail = -1.6 - 1.6 * self.lanes_left
        self.crossing = rng.uniform(14, 45) if rng.random() < 0.35 else None
        # Light: haze, the side of the sun, the strength of shadows.
        self.haze: Colour = (0, 0, 0)
        self.visibility = rng.uniform(60, 400)
        self.sunny_side = int(rng.choice((-1, 1)))
        self.shadow = rng.uniform(0.45, 0.85)

    def paint(self) -> Colour:
        """Choose a colour of man-made things."""
        return self.vary(PAINTS[self.rng.integers(len(PAINTS))])

    def growth(self) -> Colour:
        """Choose a colour of plants."""
        return self.vary(GROWTH[self.rng.integers(len(GROWTH))])

    def vary(self, colour: Colour) -> Colour:
        """Return a colour near the given one."""
        gain = self.rng.uniform(0.75, 1.2)
        return shaded(colour, gain, self.rng.integers(-10, 11, size=3).tolist())

    def chance(self, probability: float) -> bool:
        """Return True with a probability."""
        return bool(self.rng.random() < probability)

    def noise(self, cells: int) -> np.ndarray:
        """Return a smooth random texture (256, 256), float32 in [0, 1], with ``cells`` bumps per side."""
        coarse = self.rng.integers(0, 256, (cells, cells), dtype=np.uint8)
        return cv2.resize(coarse, (256, 256), interpolation=cv2.INTER_LINEAR_EXACT) / np.float32(255)

    def project(self, point: Point) -> tuple[float, float]:
        """Return the pixel position (u, v) of a point in front of the camera."""
        x, y, z = point
        scale = self.focal / max(z, 0.5)
        return self.centre + x * scale, self.horizon + (self.camera_height - y) * scale

    def hazy(self, colour: Colour, z: float) -> Colour:
        """Mix a colour with the haze at the distance ``z``."""
        far = z / (z + self.visibility)
        mixed = (int(c + (h - c) * far) for c, h in zip(colour, self.haze, strict=True))
        return next(mixed), next(mixed), next(mixed)

    def polygon(self, label: int | None, colour: Colour | None, points: Sequence[Point]) -> None:
        """Fill a polygon given in the world; without a label or colour, that canvas is not changed."""
        limit = 64 * self.width
        pixels = np.array([self.project(point) for point in points])
        corners = np.clip(pixels * 16, -limit, limit).astype(np.int32)
        if colour is not None:
            depth = max(sum(point[2] for point in points) / len(points), 0.5)
            cv2.fillPoly(self.image, [corners], self.hazy(colour, depth), shift=4)
        if label is not None:
            cv2.fillPoly(self.labels, [corners], label, shift=4)

    def upright(
        self, label: int | None, colour: Colour | None, at: Point, shape: Sequence[tuple[float, float]]
    ) -> None:
        """Fill a polygon of (right, up) offsets in metres that stands at ``at`` and faces the camera."""
        x, y, z = at
        self.polygon(label, colour, [(x + right, y + up, z) for right, up in shape])

    def disc(self, label: int | None, colour: Colour | None, at: Point, radius: float) -> None:
        """Fill a circle with a radius in metres that faces the camera."""
        u, v = self.project(at)
        centre, pixels = (int(16 * u), int(16 * v)), int(16 * radius * self.focal / at[2])
        if colour is not None:
            cv2.circle(self.image, centre, pixels, self.hazy(colour, at[2]), -1, shift=4)
        if label is not None:
            cv2.circle(self.labels, centre, pixels, label, -1, shift=4)

    def plane(self, side: int, line: float, near: float, far: float, high: float) -> Plane | None:
        """Return the view of the plane X = side * line from ``near`` to ``far``; None if it is invisible."""
        columns = np.arange(self.width) + 0.5 - self.centre
        distance = self.focal * line / np.maximum(columns * side, 1e-3)
        seen = np.flatnonzero((distance >= near) & (distance < far))
        if seen.size == 0:
            return None
        z = distance[seen[0] : seen[-1] + 1][None, :]
        rows = np.arange(self.height)[:, None] + 0.5
        y = self.camera_height - (rows - self.horizon) * z / self.focal
        window = (slice(None), slice(int(seen[0]), int(seen[-1]) + 1))
        return Plane(window, (y >= 0) & (y < high), np.broadcast_to(z, y.shape), y)

    def fill(
        self, label: int, plane: Plane, colour: np.ndarray, light: float, painted: np.ndarray | None = None
    ) -> None:
        """Label a plane and paint it (or only its part ``painted``) with colours (H, w, 3)."""
        far = (plane.z / (plane.z + self.visibility))[..., None].astype(np.float32)
        lit = colour * np.float32(light)
        lit += (bgr(self.haze) - lit) * far
        mask = plane.mask if painted is None else plane.mask & painted
        self.image[plane.window][mask] = np.clip(lit, 0, 255)[mask]
        self.labels[plane.window][plane.mask] = label

    def light(self, side: int) -> float:
        """Return the brightness of a side of the street, at most 1."""
        return self.shadow if side == self.sunny_side else 1.0


def shaded(colour: Colour, gain: float, offset: Sequence[int] = (0, 0, 0)) -> Colour:
    """Return a colour times ``gain`` plus ``offset``, clipped to the range of a pixel."""
    blue, green, red = (min(max(int(c * gain) + o, 0), 255) for c, o in zip(colour, offset, strict=True))
    return blue, green, red


def bgr(colour: Colour) -> np.ndarray:
    """Return a colour as a float32 array (3,), for arithmetic."""
    return np.array(colour, np.float32)


def fraction(values: np.ndarray) -> np.ndarray:
    """Return the fractional part of each value, for arrays of any shape."""
    return values - np.floor(values)


def sampled(texture: np.ndarray, a: np.ndarray, b: np.ndarray, density: float) -> np.ndarray:
    """Look up a texture (256, 256) at coordinates in metres with ``density`` texels per metre; it repeats."""
    column, row = (np.floor(np.minimum(values, 1e4) * density).astype(np.int64) & 255 for values in (a, b))
    return texture[row, column]
