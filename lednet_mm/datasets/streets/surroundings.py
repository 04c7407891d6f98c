"""The static surroundings of a generated street scene: sky, ground, and the two sides of the street."""

from __future__ import annotations

import cv2
import numpy as np

from lednet_mm.datasets.streets.artwork import (
    BUILDING,
    FENCE,
    GLASS,
    ROAD,
    SIDEWALK,
    SKY,
    TERRAIN,
    TRAIN,
    VEGETATION,
    WALL,
    Colour,
    box,
)
from lednet_mm.datasets.streets.canvas import Scene, bgr, fraction, sampled, shaded
from lednet_mm.datasets.streets.objects import draw_tree


def draw_sky(scene: Scene) -> None:
    """Fill the picture with a sky: clear, overcast or evening, with clouds, and a skyline below."""
    kinds: tuple[tuple[Colour, Colour], ...] = (
        ((205, 150, 95), (225, 210, 190)),
        ((185, 180, 175), (215, 215, 215)),
        ((120, 115, 110), (170, 170, 175)),
        ((150, 120, 110), (140, 185, 225)),
        ((235, 230, 225), (245, 245, 245)),
    )
    top, bottom = (scene.vary(colour) for colour in kinds[scene.rng.integers(len(kinds))])
    scene.haze = bottom
    down = np.minimum(np.arange(scene.height, dtype=np.float32) / np.float32(scene.horizon), 1)[:, None, None]
    sky = bgr(top) + (bgr(bottom) - bgr(top)) * down
    clouds = cv2.resize(scene.noise(int(scene.rng.integers(4, 12))), (scene.width, scene.height))[..., None]
    scene.image[:] = np.clip(sky + np.maximum(clouds - 0.5, 0) * np.float32(scene.rng.uniform(0, 90)), 0, 255)
    scene.labels[:] = SKY
    x = -90.0
    while x < 90:
        wide, high, z = scene.rng.uniform(8, 25), scene.rng.uniform(4, 22), scene.rng.uniform(90, 140)
        label, colour = (BUILDING, scene.paint()) if scene.chance(0.5) else (VEGETATION, scene.growth())
        if label == BUILDING:
            scene.upright(label, colour, (x, 0, z), box(0, 0, wide, high))
        else:
            for _ in range(5):
                at = (x + scene.rng.uniform(0, wide), scene.rng.uniform(0, high / 2), z)
                scene.disc(label, scene.vary(colour), at, wide / 4)
        x += wide * scene.rng.uniform(0.7, 1.6)


def draw_ground(scene: Scene) -> None:
    """Draw road, sidewalks and terrain with their textures in perspective, marks and shadows."""
    first = int(scene.horizon) + 1
    below = np.arange(first, scene.height)[:, None] + np.float64(0.5) - scene.horizon
    z = scene.focal * scene.camera_height / np.maximum(below, 0.25)
    x = (np.arange(scene.width)[None, :] + 0.5 - scene.centre) * z / scene.focal
    z = np.broadcast_to(z, x.shape)

    edges = [scene.line[-1], scene.kerb[-1], scene.kerb[1], scene.line[1]]
    kinds = np.array([TERRAIN, SIDEWALK, ROAD, SIDEWALK, TERRAIN], np.uint8)
    labels = kinds[np.searchsorted(edges, x.ravel()).reshape(x.shape)]
    # Grass between kerb and pavement on some sides.
    for side in (-1, 1):
        if scene.chance(0.4):
            start = scene.kerb[side] + side * scene.rng.uniform(0, 1.5)
            strip = sorted((start, start + side * scene.rng.uniform(0.8, 2.5)))
            labels[(x > strip[0]) & (x < strip[1]) & (labels == SIDEWALK)] = TERRAIN
    if scene.crossing is not None:
        labels[(z > scene.crossing) & (z < scene.crossing + 8)] = ROAD

    fine, rough = scene.noise(128), scene.noise(24)
    asphalt, paving, soil = _ground_colour(scene), _ground_colour(scene), scene.growth()
    grain = 0.75 + 0.25 * sampled(fine, x, z, 9) + 0.25 * sampled(rough, x, z, 1.5)
    colour = np.empty((*labels.shape, 3), np.float32)
    colour[:] = bgr(asphalt)
    on_paving, on_soil = labels == SIDEWALK, labels == TERRAIN
    slab = scene.rng.uniform(0.5, 1.4)
    joints = (fraction(x / slab) < 0.12) | (fraction(z / slab) < 0.12)
    colour[on_paving] = bgr(paving)
    colour[on_paving & joints] *= np.float32(0.72)
    colour[on_soil] = bgr(soil)
    tufts = 0.55 + 0.9 * sampled(rough, x, z, 12) * sampled(fine, x, z, 4)
    grain = np.where(on_soil, tufts, grain)
    colour *= grain[..., None].astype(np.float32)
    _draw_marks(scene, colour, labels == ROAD, x, z)

    kerb = np.minimum(np.abs(x - scene.kerb[-1]), np.abs(x - scene.kerb[1])) < 0.12
    colour[kerb & (labels != TERRAIN)] *= np.float32(0.8)
    # The houses' shadow falls onto the ground from the side of the sun.
    side, reach = scene.sunny_side, scene.rng.uniform(1, 8)
    colour[(x - (scene.line[side] - side * reach)) * side > 0] *= np.float32(scene.shadow)
    far = (z / (z + scene.visibility))[..., None].astype(np.float32)
    colour += (bgr(scene.haze) - colour) * far
    scene.image[first:] = np.clip(colour, 0, 255)
    scene.labels[first:] = labels


def _ground_colour(scene: Scene) -> Colour:
    """Return a grey or, sometimes, a reddish or sandy tone, as asphalt and paving both have."""
    grey = int(scene.rng.integers(60, 165))
    tint = ((0, 0, 0), (0, 0, 0), (0, 0, 0), (-18, -8, 16), (-14, 0, 10))[scene.rng.integers(5)]
    return shaded((grey, grey, grey), 1, tint)


def _draw_marks(scene: Scene, colour: np.ndarray, road: np.ndarray, x: np.ndarray, z: np.ndarray) -> None:
    """Paint lane marks, a zebra crossing or rails into the ground's colour array."""
    white = np.float32(scene.rng.uniform(170, 235))
    lanes = [-1.6 - 3.2 * lane for lane in range(scene.lanes_left)]
    for i, lane in enumerate(lanes):
        dashed = fraction(z / 9) < (0.45 if i or scene.chance(0.7) else 1)
        colour[road & (np.abs(x - lane) < 0.09) & dashed] = white
    if scene.crossing is not None and scene.chance(0.7):
        zebra = (z > scene.crossing - 4) & (z < scene.crossing - 1) & (fraction(x / 1.1) < 0.5)
        colour[road & zebra] = white
    if scene.featured == TRAIN or scene.chance(0.2):
        rails = np.abs(np.abs(x - scene.rail) - 0.72) < 0.07
        colour[road & rails] *= np.float32(0.55)


def draw_side(scene: Scene, side: int) -> None:
    """Draw buildings, walls, fences and hedges along one side, from far to near."""
    segments = []
    z = scene.rng.uniform(1.2, 3)
    while z < 110:
        long = scene.rng.uniform(6, 18) + z / 10
        segments.append((z, z + long))
        z += long * scene.rng.uniform(1.0, 1.15)
    for near, far in reversed(segments):
        if scene.crossing is not None and near < scene.crossing + 10 and far > scene.crossing - 1:
            continue
        kind = scene.rng.choice(5, p=(0.36, 0.21, 0.21, 0.12, 0.10))
        back = abs(scene.line[side]) + scene.rng.uniform(2, 6)
        line = abs(scene.line[side])
        if kind == 0:
            _draw_facade(scene, side, line + scene.rng.uniform(0, 1.5), near, far)
            continue
        behind = scene.rng.random()
        if behind < 0.45:
            _draw_facade(scene, side, back, near, far)
        elif behind < 0.85:
            for _ in range(3):
                draw_tree(scene, side * back, scene.rng.uniform(near, far), low=True)
        draw = (None, _draw_wall, _draw_fence, _draw_hedge, None)[kind]
        if draw is not None:
            draw(scene, side, line, near, far)


def _draw_facade(scene: Scene, side: int, line: float, near: float, far: float) -> None:
    """Draw a building: windows in rows, often a shop below, a gable towards the camera."""
    floors, floor = int(scene.rng.integers(1, 6)), scene.rng.uniform(2.7, 3.6)
    high, base = floors * floor + scene.rng.uniform(0.3, 3), scene.paint()
    axis, frame = scene.rng.uniform(1.6, 3.5), scene.rng.uniform(0.18, 0.32)
    glass = scene.vary(GLASS) if scene.chance(0.6) else scene.paint()
    shop = scene.paint() if scene.chance(0.4) else base
    gable = shaded(base, 1.15 - 0.3 * scene.light(side))
    scene.upright(BUILDING, gable, (side * line, 0, near), box(0, 0, side * 12, high))
    for level in range(floors):
        for column in range(3):
            x, y = side * (line + 2 + 3.5 * column), (level + 0.35) * floor
            scene.upright(BUILDING, glass, (x, y, near), box(-0.5, 0, 0.5, floor * 0.45))
    plane = scene.plane(side, line, near, far, high)
    if plane is None:
        return
    rough = 0.85 + 0.3 * sampled(scene.noise(64), plane.z, plane.y, 3)
    tone = np.where((plane.y < floor)[..., None], bgr(shop), bgr(base))
    colour = tone * rough[..., None].astype(np.float32)
    along, up = fraction((plane.z - near) / axis), fraction(plane.y / floor)
    window = (np.abs(along - 0.5) < 0.5 - frame) & (np.abs(up - 0.55) < 0.27) & (plane.y < floors * floor)
    colour[window] = bgr(glass)
    colour[window & (np.abs(along - 0.5) < 0.04)] *= np.float32(1.5)
    colour[fraction(plane.y / floor) < 0.05] *= np.float32(0.8)
    scene.fill(BUILDING, plane, colour, scene.light(side))


def _draw_wall(scene: Scene, side: int, line: float, near: float, far: float) -> None:
    """Draw a garden or retaining wall from courses of stones or concrete panels, with a coping."""
    high, base = scene.rng.uniform(1.2, 3.8), scene.paint()
    plane = scene.plane(side, line, near, far, high)
    if plane is None:
        return
    course = scene.rng.uniform(0.25, 0.6)
    stones = scene.chance(0.6)
    row = np.floor(plane.y / course)
    stone = 2.2 * course if stones else 2.5
    along = plane.z / stone + (row % 2) * (0.5 if stones else 0)
    joints = fraction(along) < 0.1
    if stones:
        joints |= fraction(plane.y / course) < 0.16
    shade = 0.75 + 0.5 * sampled(scene.noise(64), np.floor(along), row * (1 if stones else 0), 37)
    colour = bgr(base) * shade[..., None].astype(np.float32)
    colour[joints] *= np.float32(0.65)
    colour[plane.y > high - 0.15] *= np.float32(1.25)
    scene.fill(WALL, plane, colour, scene.light(side))


def _draw_fence(scene: Scene, side: int, line: float, near: float, far: float) -> None:
    """Draw a fence of bars, mesh or boards; the gaps between bars are labelled as fence too."""
    high, base = scene.rng.uniform(1.0, 2.4), scene.paint()
    plane = scene.plane(side, line, near, far, high)
    if plane is None:
        return
    gap = scene.rng.uniform(0.25, 0.55)
    rails = (plane.y > high - 0.12) | (np.abs(plane.y - 0.25) < 0.06)
    kind = scene.rng.integers(3)
    if kind == 0:
        solid = rails | (fraction(plane.z / gap) < 0.35)
    elif kind == 1:
        mesh = fraction((plane.z + plane.y) / gap) < 0.25
        solid = rails | mesh | (fraction((plane.z - plane.y) / gap) < 0.25)
    else:
        solid = fraction(plane.z / gap) < 0.8
    posts = fraction((plane.z - near) / 2.5) < 0.06
    colour = np.full((*plane.mask.shape, 3), base, np.float32)
    colour[rails] *= np.float32(0.8)
    colour[posts] *= np.float32(0.6)
    scene.fill(FENCE, plane, colour, scene.light(side), solid | posts)


def _draw_hedge(scene: Scene, side: int, line: float, near: float, far: float) -> None:
    """Draw a hedge: mottled leaves with an uneven top."""
    high = scene.rng.uniform(1.0, 3.0)
    plane = scene.plane(side, line, near, far, high + 0.8)
    if plane is None:
        return
    rough = scene.noise(64)
    uneven = plane.y < high + 0.8 * sampled(rough, plane.z, plane.z * 0, 14)
    leaves = 0.4 + 1.1 * sampled(rough, plane.z, plane.y, 16)
    colour = bgr(scene.growth()) * leaves[..., None].astype(np.float32)
    scene.fill(VEGETATION, plane._replace(mask=plane.mask & uneven), colour, scene.light(side))
