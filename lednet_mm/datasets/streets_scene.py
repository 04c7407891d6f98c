"""Draw one random street scene with Cityscapes' labelIds.

The world has X to the right, Y up, Z ahead, in metres; the ground is Y = 0 and the camera stands at
(0, camera height, 0). What is drawn: sky, a far skyline, the ground in perspective, the two sides of the
street segment by segment, then every object from far to near.

Classes draw their colours from the same two palettes (:data:`PAINTS` for all that people make,
:data:`GROWTH` for what grows), so that colour alone tells little: shape, position, texture and scale must be
learned. Only exactly rounded arithmetic is used on pixels (no exp, sin or normal deviates), so that a seed
gives the same picture on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from lednet_mm.datasets.streets_artwork import (
    BICYCLE,
    BICYCLE_SIDE,
    BOARD,
    BUILDING,
    BUS,
    CAR,
    CIRCLE,
    DARK,
    DIAMOND,
    DYNAMIC,
    FENCE,
    GLASS,
    GROWTH,
    LIGHT,
    MOTORCYCLE,
    MOTORCYCLE_SIDE,
    PAINTS,
    PERSON,
    POLE,
    RIDER,
    RIDER_END,
    RIDER_SIDE,
    ROAD,
    SIDEWALK,
    SIGN,
    SIZES,
    SKIN,
    SKY,
    TERRAIN,
    TRAIN,
    TRIANGLE,
    TRUCK,
    VEGETATION,
    WALL,
    Colour,
    box,
    end_of,
    side_of,
)

Point = tuple[float, float, float]


def draw_scene(
    rng: np.random.Generator, size: tuple[int, int], featured: int = CAR
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one scene.

    Args:
        rng: source of everything random.
        size: (height, width) in pixels.
        featured: labelId of a vehicle (or its rider's vehicle) that stands in the street nearby, so that
            rare classes appear in a set for certain.

    Returns:
        The image (H, W, 3) uint8 BGR and the labelIds (H, W) uint8.
    """
    scene = _Scene(rng, size, featured)
    scene.draw_sky()
    scene.draw_ground()
    for side in (-1, 1):
        scene.draw_side(side)
    scene.draw_objects()
    return scene.developed(), scene.labels


class _Scene:
    """Two canvases, a camera and a street; every ``draw`` method paints over what is there."""

    def __init__(self, rng: np.random.Generator, size: tuple[int, int], featured: int) -> None:
        self.rng = rng
        self.featured = featured
        self.height, self.width = size
        self.image = np.zeros((*size, 3), np.uint8)
        self.labels = np.zeros(size, np.uint8)
        # Camera: about Cityscapes' field of view, with the vanishing point off the centre.
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
        # Light: haze, which side the sun is on, how strong shadows are.
        self.haze: Colour = (0, 0, 0)
        self.visibility = rng.uniform(60, 400)
        self.sunny_side = int(rng.choice((-1, 1)))
        self.shadow = rng.uniform(0.45, 0.85)

    # Random choices

    def paint(self) -> Colour:
        return self.vary(PAINTS[self.rng.integers(len(PAINTS))])

    def growth(self) -> Colour:
        return self.vary(GROWTH[self.rng.integers(len(GROWTH))])

    def vary(self, colour: Colour) -> Colour:
        gain = self.rng.uniform(0.75, 1.2)
        return _shaded(colour, gain, self.rng.integers(-10, 11, size=3).tolist())

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def noise(self, cells: int) -> np.ndarray:
        """Return a smooth random texture (256, 256) float32 in [0, 1] with ``cells`` bumps a side."""
        coarse = self.rng.integers(0, 256, (cells, cells), dtype=np.uint8)
        return cv2.resize(coarse, (256, 256), interpolation=cv2.INTER_LINEAR_EXACT) / np.float32(255)

    # Camera

    def project(self, point: Point) -> tuple[float, float]:
        """Return the pixel position (u, v) of a point in front of the camera."""
        x, y, z = point
        scale = self.focal / max(z, 0.5)
        return self.centre + x * scale, self.horizon + (self.camera_height - y) * scale

    def hazy(self, colour: Colour, z: float) -> Colour:
        """Mix a colour with the haze of the distance ``z``."""
        far = z / (z + self.visibility)
        mixed = (int(c + (h - c) * far) for c, h in zip(colour, self.haze, strict=True))
        return next(mixed), next(mixed), next(mixed)

    def polygon(self, label: int | None, colour: Colour | None, points: Sequence[Point]) -> None:
        """Fill a polygon given in the world; without a label or a colour that canvas stays as it is."""
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
        """Fill a polygon of (right, up) offsets in metres, standing at ``at`` and facing the camera."""
        x, y, z = at
        self.polygon(label, colour, [(x + right, y + up, z) for right, up in shape])

    def disc(self, label: int | None, colour: Colour | None, at: Point, radius: float) -> None:
        """Fill a circle of a radius in metres that faces the camera."""
        u, v = self.project(at)
        centre, pixels = (int(16 * u), int(16 * v)), int(16 * radius * self.focal / at[2])
        if colour is not None:
            cv2.circle(self.image, centre, pixels, self.hazy(colour, at[2]), -1, shift=4)
        if label is not None:
            cv2.circle(self.labels, centre, pixels, label, -1, shift=4)

    # Sky and ground

    def draw_sky(self) -> None:
        """Fill the picture with a sky: clear, overcast or evening, with clouds, and a skyline below."""
        kinds: tuple[tuple[Colour, Colour], ...] = (
            ((205, 150, 95), (225, 210, 190)),
            ((185, 180, 175), (215, 215, 215)),
            ((120, 115, 110), (170, 170, 175)),
            ((150, 120, 110), (140, 185, 225)),
            ((235, 230, 225), (245, 245, 245)),
        )
        top, bottom = (self.vary(colour) for colour in kinds[self.rng.integers(len(kinds))])
        self.haze = bottom
        down = np.minimum(np.arange(self.height, dtype=np.float32) / np.float32(self.horizon), 1)[
            :, None, None
        ]
        sky = _bgr(top) + (_bgr(bottom) - _bgr(top)) * down
        clouds = cv2.resize(self.noise(int(self.rng.integers(4, 12))), (self.width, self.height))[..., None]
        self.image[:] = np.clip(
            sky + np.maximum(clouds - 0.5, 0) * np.float32(self.rng.uniform(0, 90)), 0, 255
        )
        self.labels[:] = SKY
        x = -90.0
        while x < 90:
            wide, high, z = self.rng.uniform(8, 25), self.rng.uniform(4, 22), self.rng.uniform(90, 140)
            label, colour = (BUILDING, self.paint()) if self.chance(0.5) else (VEGETATION, self.growth())
            if label == BUILDING:
                self.upright(label, colour, (x, 0, z), box(0, 0, wide, high))
            else:
                for _ in range(5):
                    at = (x + self.rng.uniform(0, wide), self.rng.uniform(0, high / 2), z)
                    self.disc(label, self.vary(colour), at, wide / 4)
            x += wide * self.rng.uniform(0.7, 1.6)

    def draw_ground(self) -> None:
        """Draw road, sidewalks and terrain with their textures in perspective, marks and shadows."""
        first = int(self.horizon) + 1
        below = np.arange(first, self.height)[:, None] + np.float64(0.5) - self.horizon
        z = self.focal * self.camera_height / np.maximum(below, 0.25)
        x = (np.arange(self.width)[None, :] + 0.5 - self.centre) * z / self.focal
        z = np.broadcast_to(z, x.shape)

        edges = [self.line[-1], self.kerb[-1], self.kerb[1], self.line[1]]
        kinds = np.array([TERRAIN, SIDEWALK, ROAD, SIDEWALK, TERRAIN], np.uint8)
        labels = kinds[np.searchsorted(edges, x.ravel()).reshape(x.shape)]
        # Grass between kerb and pavement on some sides.
        for side in (-1, 1):
            if self.chance(0.4):
                start = self.kerb[side] + side * self.rng.uniform(0, 1.5)
                strip = sorted((start, start + side * self.rng.uniform(0.8, 2.5)))
                labels[(x > strip[0]) & (x < strip[1]) & (labels == SIDEWALK)] = TERRAIN
        if self.crossing is not None:
            labels[(z > self.crossing) & (z < self.crossing + 8)] = ROAD

        fine, rough = self.noise(128), self.noise(24)
        asphalt, paving, soil = self.ground_colour(), self.ground_colour(), self.growth()
        grain = 0.75 + 0.25 * _sampled(fine, x, z, 9) + 0.25 * _sampled(rough, x, z, 1.5)
        colour = np.empty((*labels.shape, 3), np.float32)
        colour[:] = _bgr(asphalt)
        on_paving, on_soil = labels == SIDEWALK, labels == TERRAIN
        slab = self.rng.uniform(0.5, 1.4)
        joints = (_fraction(x / slab) < 0.12) | (_fraction(z / slab) < 0.12)
        colour[on_paving] = _bgr(paving)
        colour[on_paving & joints] *= np.float32(0.72)
        colour[on_soil] = _bgr(soil)
        tufts = 0.55 + 0.9 * _sampled(rough, x, z, 12) * _sampled(fine, x, z, 4)
        grain = np.where(on_soil, tufts, grain)
        colour *= grain[..., None].astype(np.float32)
        self.draw_marks(colour, labels == ROAD, x, z)

        kerb = np.minimum(np.abs(x - self.kerb[-1]), np.abs(x - self.kerb[1])) < 0.12
        colour[kerb & (labels != TERRAIN)] *= np.float32(0.8)
        # The houses' shadow falls from the sunny side onto the ground.
        side, reach = self.sunny_side, self.rng.uniform(1, 8)
        colour[(x - (self.line[side] - side * reach)) * side > 0] *= np.float32(self.shadow)
        far = (z / (z + self.visibility))[..., None].astype(np.float32)
        colour += (_bgr(self.haze) - colour) * far
        self.image[first:] = np.clip(colour, 0, 255)
        self.labels[first:] = labels

    def ground_colour(self) -> Colour:
        """Return a grey or, now and then, a reddish or sandy tone, as asphalt and paving both have."""
        grey = int(self.rng.integers(60, 165))
        tint = ((0, 0, 0), (0, 0, 0), (0, 0, 0), (-18, -8, 16), (-14, 0, 10))[self.rng.integers(5)]
        return _shaded((grey, grey, grey), 1, tint)

    def draw_marks(self, colour: np.ndarray, road: np.ndarray, x: np.ndarray, z: np.ndarray) -> None:
        """Paint lane marks, a zebra crossing or rails into the ground's colour array."""
        white = np.float32(self.rng.uniform(170, 235))
        lanes = [-1.6 - 3.2 * lane for lane in range(self.lanes_left)]
        for i, lane in enumerate(lanes):
            dashed = _fraction(z / 9) < (0.45 if i or self.chance(0.7) else 1)
            colour[road & (np.abs(x - lane) < 0.09) & dashed] = white
        if self.crossing is not None and self.chance(0.7):
            zebra = (z > self.crossing - 4) & (z < self.crossing - 1) & (_fraction(x / 1.1) < 0.5)
            colour[road & zebra] = white
        if self.featured == TRAIN or self.chance(0.2):
            rails = np.abs(np.abs(x - self.rail) - 0.72) < 0.07
            colour[road & rails] *= np.float32(0.55)

    # The two sides of the street

    def draw_side(self, side: int) -> None:
        """Draw buildings, walls, fences and hedges along one side, from far to near."""
        segments = []
        z = self.rng.uniform(1.2, 3)
        while z < 110:
            long = self.rng.uniform(6, 18) + z / 10
            segments.append((z, z + long))
            z += long * self.rng.uniform(1.0, 1.15)
        for near, far in reversed(segments):
            if self.crossing is not None and near < self.crossing + 10 and far > self.crossing - 1:
                continue
            kind = self.rng.choice(5, p=(0.36, 0.21, 0.21, 0.12, 0.10))
            back = abs(self.line[side]) + self.rng.uniform(2, 6)
            line = abs(self.line[side])
            if kind == 0:
                self.draw_facade(side, line + self.rng.uniform(0, 1.5), near, far)
                continue
            behind = self.rng.random()
            if behind < 0.45:
                self.draw_facade(side, back, near, far)
            elif behind < 0.85:
                for _ in range(3):
                    self.draw_tree(side * back, self.rng.uniform(near, far), low=True)
            draw = (None, self.draw_wall, self.draw_fence, self.draw_hedge, None)[kind]
            if draw is not None:
                draw(side, line, near, far)

    def plane(self, side: int, line: float, near: float, far: float, high: float) -> _Plane | None:
        """Return where the vertical plane X = side * line from ``near`` to ``far`` is seen, if at all."""
        columns = np.arange(self.width) + 0.5 - self.centre
        distance = self.focal * line / np.maximum(columns * side, 1e-3)
        seen = np.flatnonzero((distance >= near) & (distance < far))
        if seen.size == 0:
            return None
        z = distance[seen[0] : seen[-1] + 1][None, :]
        rows = np.arange(self.height)[:, None] + 0.5
        y = self.camera_height - (rows - self.horizon) * z / self.focal
        window = (slice(None), slice(int(seen[0]), int(seen[-1]) + 1))
        return _Plane(window, (y >= 0) & (y < high), np.broadcast_to(z, y.shape), y)

    def fill(
        self, label: int, plane: _Plane, colour: np.ndarray, light: float, painted: np.ndarray | None = None
    ) -> None:
        """Label a plane and paint it (or the part ``painted`` of it) with its colours (H, w, 3)."""
        far = (plane.z / (plane.z + self.visibility))[..., None].astype(np.float32)
        lit = colour * np.float32(light)
        lit += (_bgr(self.haze) - lit) * far
        mask = plane.mask if painted is None else plane.mask & painted
        self.image[plane.window][mask] = np.clip(lit, 0, 255)[mask]
        self.labels[plane.window][plane.mask] = label

    def light(self, side: int) -> float:
        return self.shadow if side == self.sunny_side else 1.0

    def draw_facade(self, side: int, line: float, near: float, far: float) -> None:
        """Draw a building: windows in rows, often a shop below, a gable towards the camera."""
        floors, floor = int(self.rng.integers(1, 6)), self.rng.uniform(2.7, 3.6)
        high, base = floors * floor + self.rng.uniform(0.3, 3), self.paint()
        axis, frame = self.rng.uniform(1.6, 3.5), self.rng.uniform(0.18, 0.32)
        glass = self.vary(GLASS) if self.chance(0.6) else self.paint()
        shop = self.paint() if self.chance(0.4) else base
        gable = _shaded(base, 1.15 - 0.3 * self.light(side))
        self.upright(BUILDING, gable, (side * line, 0, near), box(0, 0, side * 12, high))
        for level in range(floors):
            for column in range(3):
                x, y = side * (line + 2 + 3.5 * column), (level + 0.35) * floor
                self.upright(BUILDING, glass, (x, y, near), box(-0.5, 0, 0.5, floor * 0.45))
        plane = self.plane(side, line, near, far, high)
        if plane is None:
            return
        rough = 0.85 + 0.3 * _sampled(self.noise(64), plane.z, plane.y, 3)
        tone = np.where((plane.y < floor)[..., None], _bgr(shop), _bgr(base))
        colour = tone * rough[..., None].astype(np.float32)
        along, up = _fraction((plane.z - near) / axis), _fraction(plane.y / floor)
        window = (np.abs(along - 0.5) < 0.5 - frame) & (np.abs(up - 0.55) < 0.27) & (plane.y < floors * floor)
        colour[window] = _bgr(glass)
        colour[window & (np.abs(along - 0.5) < 0.04)] *= np.float32(1.5)
        colour[_fraction(plane.y / floor) < 0.05] *= np.float32(0.8)
        self.fill(BUILDING, plane, colour, self.light(side))

    def draw_wall(self, side: int, line: float, near: float, far: float) -> None:
        """Draw a garden or retaining wall: courses of stones or concrete panels, with a coping."""
        high, base = self.rng.uniform(1.2, 3.8), self.paint()
        plane = self.plane(side, line, near, far, high)
        if plane is None:
            return
        course = self.rng.uniform(0.25, 0.6)
        stones = self.chance(0.6)
        row = np.floor(plane.y / course)
        stone = 2.2 * course if stones else 2.5
        along = plane.z / stone + (row % 2) * (0.5 if stones else 0)
        joints = _fraction(along) < 0.1
        if stones:
            joints |= _fraction(plane.y / course) < 0.16
        shade = 0.75 + 0.5 * _sampled(self.noise(64), np.floor(along), row * (1 if stones else 0), 37)
        colour = _bgr(base) * shade[..., None].astype(np.float32)
        colour[joints] *= np.float32(0.65)
        colour[plane.y > high - 0.15] *= np.float32(1.25)
        self.fill(WALL, plane, colour, self.light(side))

    def draw_fence(self, side: int, line: float, near: float, far: float) -> None:
        """Draw a fence: bars, mesh or boards; what is seen between bars is labelled fence as well."""
        high, base = self.rng.uniform(1.0, 2.4), self.paint()
        plane = self.plane(side, line, near, far, high)
        if plane is None:
            return
        gap = self.rng.uniform(0.25, 0.55)
        rails = (plane.y > high - 0.12) | (np.abs(plane.y - 0.25) < 0.06)
        kind = self.rng.integers(3)
        if kind == 0:
            solid = rails | (_fraction(plane.z / gap) < 0.35)
        elif kind == 1:
            mesh = _fraction((plane.z + plane.y) / gap) < 0.25
            solid = rails | mesh | (_fraction((plane.z - plane.y) / gap) < 0.25)
        else:
            solid = _fraction(plane.z / gap) < 0.8
        posts = _fraction((plane.z - near) / 2.5) < 0.06
        colour = np.full((*plane.mask.shape, 3), base, np.float32)
        colour[rails] *= np.float32(0.8)
        colour[posts] *= np.float32(0.6)
        self.fill(FENCE, plane, colour, self.light(side), solid | posts)

    def draw_hedge(self, side: int, line: float, near: float, far: float) -> None:
        """Draw a hedge: mottled leaves with an uneven top."""
        high = self.rng.uniform(1.0, 3.0)
        plane = self.plane(side, line, near, far, high + 0.8)
        if plane is None:
            return
        rough = self.noise(64)
        uneven = plane.y < high + 0.8 * _sampled(rough, plane.z, plane.z * 0, 14)
        leaves = 0.4 + 1.1 * _sampled(rough, plane.z, plane.y, 16)
        colour = _bgr(self.growth()) * leaves[..., None].astype(np.float32)
        self.fill(VEGETATION, plane._replace(mask=plane.mask & uneven), colour, self.light(side))

    # Objects

    def draw_objects(self) -> None:
        """Place vehicles, people, trees and street furniture, and draw them from far to near."""
        things: list[tuple[float, Callable[[], None]]] = []

        def add(z: float, draw: Callable[..., None], *arguments: object) -> None:
            things.append((z, lambda: draw(*arguments)))

        self.place_traffic(add)
        for side in (-1, 1):
            z = self.rng.uniform(5, 12)
            while z < 90:
                add(z, self.draw_pole, self.kerb[side] + side * self.rng.uniform(0.3, 0.9), z, side)
                z += self.rng.uniform(7, 20)
            z = self.rng.uniform(6, 25)
            while z < 90 and self.chance(0.8):
                add(z, self.draw_tree, self.line[side] - side * self.rng.uniform(0.2, 1.2), z)
                z += self.rng.uniform(6, 18)
            low, high = sorted((self.kerb[side] + side * 0.5, self.line[side] - side * 0.3))
            for _ in range(self.rng.integers(0, 7)):
                z = self.rng.uniform(4, 32)
                add(z, self.draw_person, self.rng.uniform(low, high), z)
            if self.chance(0.4):
                z = self.rng.uniform(6, 20)
                add(z, self.draw_bin, self.kerb[side] + side * 0.8, z)
            if self.chance(0.8):
                z = self.rng.uniform(4, 14)
                cycle = self.draw_bicycle if self.chance(0.6) else self.draw_motorcycle
                add(z, cycle, self.rng.uniform(low, high), z, self.chance(0.7), False)
        for _ in range(self.rng.integers(0, 3)):
            z = self.rng.uniform(8, 30)
            add(z, self.draw_person, self.rng.uniform(self.kerb[-1], self.kerb[1]), z)
        for _, draw in sorted(things, key=lambda thing: -thing[0]):
            draw()

    def place_traffic(self, add: Callable[..., None]) -> None:
        """Fill the lanes and the parking rows, and put one featured vehicle nearby."""
        featured = self.featured
        lanes = [(0.0, "away"), *((-3.2 * (lane + 1), "oncoming") for lane in range(self.lanes_left))]
        stage = int(self.rng.integers(1, len(lanes))) if featured != CAR else 0
        for i, (x, heading) in enumerate(lanes):
            z = self.rng.uniform(6, 22) + (8 if i == 0 else 0)
            if i == stage and featured in (BICYCLE, MOTORCYCLE):
                z /= 2
            if i == stage:
                long = self.add_vehicle(add, featured, x if featured != TRAIN else self.rail, z, heading)
                z += long + self.rng.uniform(4, 20)
            while z < 80 and self.chance(0.75):
                kind = int(
                    self.rng.choice((CAR, TRUCK, BUS, BICYCLE, MOTORCYCLE), p=(0.7, 0.1, 0.06, 0.07, 0.07))
                )
                z += self.add_vehicle(add, kind, x, z, heading) + self.rng.uniform(4, 30)
        if self.chance(0.3):
            kind = int(self.rng.choice((CAR, TRUCK, BUS, BICYCLE, MOTORCYCLE), p=(0.5, 0.15, 0.1, 0.15, 0.1)))
            z = self.crossing + 3 if self.crossing is not None else self.rng.uniform(14, 35)
            self.add_vehicle(add, kind, self.rng.uniform(-8, 5), z, str(self.rng.choice(("left", "right"))))
        for side in (-1, 1):
            if self.chance(0.4):
                z = self.rng.uniform(4, 15)
                while z < 70 and self.chance(0.85):
                    kind = CAR if self.chance(0.9) else TRUCK
                    x = self.kerb[side] - side * 1.1
                    z += self.add_vehicle(add, kind, x, z, "away" if side > 0 else "oncoming")
                    z += self.rng.uniform(0.8, 6)

    def add_vehicle(self, add: Callable[..., None], kind: int, x: float, z: float, heading: str) -> float:
        """Plan a vehicle whose middle is at ``x`` and whose near end is at ``z``; return its length."""
        if kind in (BICYCLE, MOTORCYCLE):
            draw = self.draw_bicycle if kind == BICYCLE else self.draw_motorcycle
            x += self.rng.uniform(-1, 1)
            add(z, draw, x, z, heading in ("left", "right"), True)
            return 2.0
        long, wide, high = (self.rng.uniform(*extent) for extent in SIZES[kind])
        add(z, self.draw_vehicle, kind, (x, z), (long, wide, high), heading)
        return long

    def draw_vehicle(
        self, kind: int, at: tuple[float, float], size: tuple[float, float, float], heading: str
    ) -> None:
        """Draw the side and the end of a vehicle that the camera sees.

        Its artwork is in the vehicle's own frame: (along, up, across), each from 0 to 1.
        """
        long, wide, high = size
        x, z = at
        across = heading in ("left", "right")
        left = x - (long if across else wide) / 2

        def world(along: float, up: float, sideways: float) -> Point:
            if heading in ("left", "oncoming"):
                along, sideways = 1 - along, 1 - sideways
            if across:
                return left + along * long, up * high, z + sideways * wide
            return left + sideways * wide, up * high, z + along * long

        def nearer(low: Point, high: Point, axis: int) -> int:
            return int(abs(high[axis]) < abs(low[axis]))

        axis = 2 if across else 0
        seen_side = nearer(world(0.5, 0, 0), world(0.5, 0, 1), axis)
        seen_end = nearer(world(0, 0, 0.5), world(1, 0, 0.5), 2 - axis)
        base = self.paint()
        second = self.paint() if self.chance(0.4) else base
        glass = self.vary(GLASS)
        floor = [world(along, 0.0, sideways) for along, sideways in ((0, 0), (1, 0), (1, 1), (0, 1))]
        self.polygon(None, DARK, floor)
        lamp: Colour = (60, 60, 200) if seen_end == 0 else (225, 235, 240)
        tones = {"base": base, "second": second, "glass": glass, "dark": DARK, "lamp": lamp}
        for tone, outline in side_of(kind, long / high):
            colour = _shaded(tones[tone], 0.8 if across else 0.72)
            self.polygon(kind, colour, [world(along, up, seen_side) for along, up in outline])
        for tone, solid in end_of(kind, rear=seen_end == 0):
            corners = [world(depth if seen_end == 0 else 1 - depth, up, width) for width, up, depth in solid]
            self.polygon(kind, tones[tone], corners)

    def draw_bicycle(self, x: float, z: float, sideways: bool, ridden: bool) -> None:
        """Draw a bicycle, from its side or its end, and its rider."""
        self.draw_cycle(BICYCLE, x, z, sideways, ridden)

    def draw_motorcycle(self, x: float, z: float, sideways: bool, ridden: bool) -> None:
        """Draw a motorcycle, from its side or its end, and its rider."""
        self.draw_cycle(MOTORCYCLE, x, z, sideways, ridden)

    def draw_cycle(self, kind: int, x: float, z: float, sideways: bool, ridden: bool) -> None:
        base, heavy = self.paint(), kind == MOTORCYCLE
        at = (x, 0.0, z)
        radius = 0.3 if heavy else 0.35
        turn = 1 if self.chance(0.5) else -1
        if not sideways:
            half = 0.14 if heavy else 0.06
            self.upright(kind, DARK, at, box(-half, 0, half, 2 * radius))
            self.upright(kind, base, at, box(-half * 1.6, radius, half * 1.6, 1.05))
            self.upright(kind, DARK, at, box(-0.33, 0.98, 0.33, 1.08))
            if heavy:
                self.upright(kind, base, at, box(-0.28, 0.5, 0.28, 0.9))
                self.disc(kind, (50, 50, 200), (x, 0.8, z), 0.08)
        else:
            reach = 0.72 if heavy else 0.55
            for wheel in (-reach, reach):
                self.disc(kind, DARK, (x + wheel, radius, z), radius)
                rim = self.paint() if heavy else _shaded(self.haze, 0.7)
                self.disc(kind, rim, (x + wheel, radius, z), radius * (0.45 if heavy else 0.78))
            body = MOTORCYCLE_SIDE if heavy else BICYCLE_SIDE
            for shape in body:
                self.upright(kind, base, at, [(turn * right, up) for right, up in shape])
        if ridden:
            self.draw_rider(at, turn, sideways, heavy)

    def draw_rider(self, at: Point, turn: int, sideways: bool, heavy: bool) -> None:
        top, legs, skin = self.paint(), self.paint(), SKIN[self.rng.integers(len(SKIN))]
        helmet = self.paint() if heavy or self.chance(0.5) else skin
        tones = {"top": top, "legs": legs, "sleeve": _shaded(top, 0.8)}
        x, y, z = at[0], 0.75 if heavy else 0.9, at[2]
        for tone, shape in RIDER_SIDE if sideways else RIDER_END:
            self.upright(RIDER, tones[tone], (x, y, z), [(turn * right, up) for right, up in shape])
        self.disc(RIDER, helmet, (x + (0.25 * turn if sideways else 0), y + 0.74, z), 0.14)

    def draw_person(self, x: float, z: float) -> None:
        """Draw a pedestrian in mid-step, tall or small, now and then with a long coat."""
        scale = self.rng.uniform(0.85, 1.1) if self.chance(0.85) else self.rng.uniform(0.55, 0.8)
        top, legs, skin = self.paint(), self.paint(), SKIN[self.rng.integers(len(SKIN))]
        step = self.rng.uniform(0.03, 0.3)
        swing = self.rng.uniform(-0.2, 0.2)
        at = (x, 0.0, z)

        def limb(colour: Colour, shape: Sequence[tuple[float, float]]) -> None:
            self.upright(PERSON, colour, at, [(right * scale, up * scale) for right, up in shape])

        self.polygon(
            None, DARK, [(x + a, 0.0, z + b) for a, b in ((-0.3, -0.1), (0.3, -0.1), (0.3, 0.2), (-0.3, 0.2))]
        )
        limb(legs, ((-0.15, 0.9), (0.06, 0.9), (-step + 0.06, 0), (-step - 0.1, 0)))
        limb(_shaded(legs, 0.85), ((-0.06, 0.9), (0.15, 0.9), (step + 0.1, 0), (step - 0.06, 0)))
        hem = 0.5 if self.chance(0.25) else 0.82
        limb(top, ((-0.18, hem), (0.18, hem), (0.23, 1.45), (-0.23, 1.45)))
        for arm in (-1.0, 1.0):
            hand = arm * (0.28 + swing)
            limb(
                _shaded(top, 0.8),
                ((arm * 0.16, 1.43), (arm * 0.26, 1.4), (hand + 0.05, 0.8), (hand - 0.05, 0.8)),
            )
        self.disc(PERSON, skin, (x, 1.6 * scale, z), 0.13 * scale)
        self.upright(
            PERSON, self.paint(), (x, 1.62 * scale, z), box(-0.13 * scale, 0, 0.13 * scale, 0.13 * scale)
        )

    def draw_tree(self, x: float, z: float, low: bool = False) -> None:
        """Draw a tree or (``low``) a bush: a trunk and a crown of many leaf clusters."""
        high = self.rng.uniform(1.5, 4) if low else self.rng.uniform(3.5, 8)
        wide = high * self.rng.uniform(0.25, 0.45)
        leaves, bark = self.growth(), self.vary((55, 65, 75))
        self.upright(VEGETATION, bark, (x, 0, z), box(-0.12, 0, 0.12, high * 0.7))
        middle = high * (0.5 if low else 0.68)
        for right, up, gain in self.rng.uniform((-1, -1, 0.5), (1, 1, 1.4), (22, 3)).tolist():
            span = 1 - 0.5 * up * up
            at = (x + right * wide * span * 0.75, middle + up * (high - middle) * 0.75, z)
            self.disc(VEGETATION, _shaded(leaves, gain), at, wide * 0.33)

    def draw_pole(self, x: float, z: float, side: int) -> None:
        """Draw a lamp post, or a pole with a traffic sign or a traffic light."""
        kind = self.rng.choice(4, p=(0.22, 0.2, 0.33, 0.25))
        colour, half = self.paint(), self.rng.uniform(0.05, 0.1)
        high = (self.rng.uniform(5, 8), self.rng.uniform(0.9, 4), *self.rng.uniform((2.3, 2.6), (3.2, 3.6)))[
            kind
        ]
        self.upright(POLE, colour, (x, 0, z), box(-half, 0, half, high))
        if kind == 0:
            reach = -side * self.rng.uniform(0.8, 2)
            self.upright(POLE, colour, (x, high, z), ((0, 0), (reach, 0.1), (reach, -0.1), (0, -0.15)))
        elif kind == 2:
            self.draw_sign(x, high - 0.2, z)
        elif kind == 3:
            self.draw_light(x, high, z)

    def draw_sign(self, x: float, y: float, z: float) -> None:
        """Draw a traffic sign: a disc, triangle, diamond or board with a rim and a pictogram."""
        face, rim, ink = self.paint(), self.paint(), self.paint()
        radius = self.rng.uniform(0.3, 0.5)
        shape = (CIRCLE, TRIANGLE, DIAMOND, BOARD)[self.rng.integers(4)]
        for colour, part in ((rim, 1.0), (face, 0.75)):
            self.upright(SIGN, colour, (x, y, z), [(radius * part * a, radius * part * b) for a, b in shape])
        self.upright(SIGN, ink, (x, y, z), box(-radius * 0.35, -radius * 0.15, radius * 0.35, radius * 0.12))

    def draw_light(self, x: float, y: float, z: float) -> None:
        """Draw a traffic light: an upright housing with three lamps, one of them lit."""
        housing = self.paint() if self.chance(0.5) else DARK
        self.upright(LIGHT, housing, (x, y, z), box(-0.2, -0.55, 0.2, 0.55))
        lit = self.rng.integers(3)
        for i, lamp in enumerate(((60, 60, 235), (60, 200, 240), (110, 220, 80))):
            at = (x, y + 0.34 - 0.34 * i, z)
            self.disc(LIGHT, lamp if i == lit else _shaded(lamp, 0.25), at, 0.13)

    def draw_bin(self, x: float, z: float) -> None:
        """Draw a litter bin, which Cityscapes does not evaluate."""
        self.upright(DYNAMIC, self.paint(), (x, 0, z), ((-0.28, 0), (0.28, 0), (0.34, 1.0), (-0.34, 1.0)))
        self.upright(DYNAMIC, DARK, (x, 0.95, z), box(-0.36, 0, 0.36, 0.12))

    # Development

    def developed(self) -> np.ndarray:
        """Return the image after dirt, exposure, colour cast, slight blur and sensor noise."""
        dirt = cv2.resize(self.noise(40), (self.width, self.height))
        uneven = cv2.resize(self.noise(3), (self.width, self.height))
        gain = (0.9 + 0.2 * dirt) * (0.85 + 0.3 * uneven) * np.float32(self.rng.uniform(0.55, 1.2))
        cast = self.rng.uniform(0.88, 1.12, 3).astype(np.float32)
        image = np.clip(self.image * gain[..., None] * cast, 0, 255).astype(np.uint8)
        if self.chance(0.5):
            image = cv2.GaussianBlur(image, (3, 3), 0)
        amplitude = int(self.rng.integers(2, 8))
        grain = self.rng.integers(-amplitude, amplitude + 1, (2, *image.shape), dtype=np.int16).sum(0)
        return np.clip(image + grain, 0, 255).astype(np.uint8)


class _Plane(NamedTuple):
    """Where a vertical plane along the street is seen: a window of the picture and, in it, Z and Y."""

    window: tuple[slice, slice]
    mask: np.ndarray
    z: np.ndarray
    y: np.ndarray


def _shaded(colour: Colour, gain: float, offset: Sequence[int] = (0, 0, 0)) -> Colour:
    blue, green, red = (min(max(int(c * gain) + o, 0), 255) for c, o in zip(colour, offset, strict=True))
    return blue, green, red


def _bgr(colour: Colour) -> np.ndarray:
    return np.array(colour, np.float32)


def _fraction(values: np.ndarray) -> np.ndarray:
    return values - np.floor(values)


def _sampled(texture: np.ndarray, a: np.ndarray, b: np.ndarray, density: float) -> np.ndarray:
    """Look a texture (256, 256) up at coordinates in metres, ``density`` texels a metre, repeating."""
    column, row = (np.floor(np.minimum(values, 1e4) * density).astype(np.int64) & 255 for values in (a, b))
    return texture[row, column]
