"""The objects of a generated street scene: vehicles, people, trees and street furniture."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lednet_mm.datasets.streets.artwork import (
    BICYCLE,
    BICYCLE_SIDE,
    BOARD,
    BUS,
    CAR,
    CIRCLE,
    DARK,
    DIAMOND,
    DYNAMIC,
    GLASS,
    LIGHT,
    MOTORCYCLE,
    MOTORCYCLE_SIDE,
    PERSON,
    POLE,
    RIDER,
    RIDER_END,
    RIDER_SIDE,
    SIGN,
    SIZES,
    SKIN,
    TRAIN,
    TRIANGLE,
    TRUCK,
    VEGETATION,
    Colour,
    box,
    end_of,
    side_of,
)
from lednet_mm.datasets.streets.canvas import Point, Scene, shaded


def draw_objects(scene: Scene) -> None:
    """Place vehicles, people, trees and street furniture, and draw them from far to near."""
    things: list[tuple[float, Callable[[], None]]] = []

    def add(z: float, draw: Callable[..., None], *arguments: object) -> None:
        things.append((z, lambda: draw(scene, *arguments)))

    _place_traffic(scene, add)
    for side in (-1, 1):
        z = scene.rng.uniform(5, 12)
        while z < 90:
            add(z, _draw_pole, scene.kerb[side] + side * scene.rng.uniform(0.3, 0.9), z, side)
            z += scene.rng.uniform(7, 20)
        z = scene.rng.uniform(6, 25)
        while z < 90 and scene.chance(0.8):
            add(z, draw_tree, scene.line[side] - side * scene.rng.uniform(0.2, 1.2), z)
            z += scene.rng.uniform(6, 18)
        low, high = sorted((scene.kerb[side] + side * 0.5, scene.line[side] - side * 0.3))
        for _ in range(scene.rng.integers(0, 7)):
            z = scene.rng.uniform(4, 32)
            add(z, _draw_person, scene.rng.uniform(low, high), z)
        if scene.chance(0.4):
            z = scene.rng.uniform(6, 20)
            add(z, _draw_bin, scene.kerb[side] + side * 0.8, z)
        if scene.chance(0.8):
            z = scene.rng.uniform(4, 14)
            kind = BICYCLE if scene.chance(0.6) else MOTORCYCLE
            add(z, _draw_cycle, kind, scene.rng.uniform(low, high), z, scene.chance(0.7), False)
    for _ in range(scene.rng.integers(0, 3)):
        z = scene.rng.uniform(8, 30)
        add(z, _draw_person, scene.rng.uniform(scene.kerb[-1], scene.kerb[1]), z)
    for _, draw in sorted(things, key=lambda thing: -thing[0]):
        draw()


def _place_traffic(scene: Scene, add: Callable[..., None]) -> None:
    """Fill the lanes and the parking rows, and put one featured vehicle nearby."""
    featured = scene.featured
    lanes = [(0.0, "away"), *((-3.2 * (lane + 1), "oncoming") for lane in range(scene.lanes_left))]
    stage = int(scene.rng.integers(1, len(lanes))) if featured != CAR else 0
    for i, (x, heading) in enumerate(lanes):
        z = scene.rng.uniform(6, 22) + (8 if i == 0 else 0)
        if i == stage and featured in (BICYCLE, MOTORCYCLE):
            z /= 2
        if i == stage:
            long = _add_vehicle(scene, add, featured, x if featured != TRAIN else scene.rail, z, heading)
            z += long + scene.rng.uniform(4, 20)
        while z < 80 and scene.chance(0.75):
            kind = int(
                scene.rng.choice((CAR, TRUCK, BUS, BICYCLE, MOTORCYCLE), p=(0.7, 0.1, 0.06, 0.07, 0.07))
            )
            z += _add_vehicle(scene, add, kind, x, z, heading) + scene.rng.uniform(4, 30)
    if scene.chance(0.3):
        kind = int(scene.rng.choice((CAR, TRUCK, BUS, BICYCLE, MOTORCYCLE), p=(0.5, 0.15, 0.1, 0.15, 0.1)))
        z = scene.crossing + 3 if scene.crossing is not None else scene.rng.uniform(14, 35)
        _add_vehicle(scene, add, kind, scene.rng.uniform(-8, 5), z, str(scene.rng.choice(("left", "right"))))
    for side in (-1, 1):
        if scene.chance(0.4):
            z = scene.rng.uniform(4, 15)
            while z < 70 and scene.chance(0.85):
                kind = CAR if scene.chance(0.9) else TRUCK
                x = scene.kerb[side] - side * 1.1
                z += _add_vehicle(scene, add, kind, x, z, "away" if side > 0 else "oncoming")
                z += scene.rng.uniform(0.8, 6)


def _add_vehicle(
    scene: Scene, add: Callable[..., None], kind: int, x: float, z: float, heading: str
) -> float:
    """Plan a vehicle whose middle is at ``x`` and whose near end is at ``z``; return its length."""
    if kind in (BICYCLE, MOTORCYCLE):
        x += scene.rng.uniform(-1, 1)
        add(z, _draw_cycle, kind, x, z, heading in ("left", "right"), True)
        return 2.0
    long, wide, high = (scene.rng.uniform(*extent) for extent in SIZES[kind])
    add(z, _draw_vehicle, kind, (x, z), (long, wide, high), heading)
    return long


def _draw_vehicle(
    scene: Scene, kind: int, at: tuple[float, float], size: tuple[float, float, float], heading: str
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
    base = scene.paint()
    second = scene.paint() if scene.chance(0.4) else base
    glass = scene.vary(GLASS)
    floor = [world(along, 0.0, sideways) for along, sideways in ((0, 0), (1, 0), (1, 1), (0, 1))]
    scene.polygon(None, DARK, floor)
    lamp: Colour = (60, 60, 200) if seen_end == 0 else (225, 235, 240)
    tones = {"base": base, "second": second, "glass": glass, "dark": DARK, "lamp": lamp}
    for tone, outline in side_of(kind, long / high):
        colour = shaded(tones[tone], 0.8 if across else 0.72)
        scene.polygon(kind, colour, [world(along, up, seen_side) for along, up in outline])
    for tone, solid in end_of(kind, rear=seen_end == 0):
        corners = [world(depth if seen_end == 0 else 1 - depth, up, width) for width, up, depth in solid]
        scene.polygon(kind, tones[tone], corners)


def _draw_cycle(scene: Scene, kind: int, x: float, z: float, sideways: bool, ridden: bool) -> None:
    """Draw a bicycle or a motorcycle, from its side or its end, and its rider."""
    base, heavy = scene.paint(), kind == MOTORCYCLE
    at = (x, 0.0, z)
    radius = 0.3 if heavy else 0.35
    turn = 1 if scene.chance(0.5) else -1
    if not sideways:
        half = 0.14 if heavy else 0.06
        scene.upright(kind, DARK, at, box(-half, 0, half, 2 * radius))
        scene.upright(kind, base, at, box(-half * 1.6, radius, half * 1.6, 1.05))
        scene.upright(kind, DARK, at, box(-0.33, 0.98, 0.33, 1.08))
        if heavy:
            scene.upright(kind, base, at, box(-0.28, 0.5, 0.28, 0.9))
            scene.disc(kind, (50, 50, 200), (x, 0.8, z), 0.08)
    else:
        reach = 0.72 if heavy else 0.55
        for wheel in (-reach, reach):
            scene.disc(kind, DARK, (x + wheel, radius, z), radius)
            rim = scene.paint() if heavy else shaded(scene.haze, 0.7)
            scene.disc(kind, rim, (x + wheel, radius, z), radius * (0.45 if heavy else 0.78))
        body = MOTORCYCLE_SIDE if heavy else BICYCLE_SIDE
        for shape in body:
            scene.upright(kind, base, at, [(turn * right, up) for right, up in shape])
    if ridden:
        _draw_rider(scene, at, turn, sideways, heavy)


def _draw_rider(scene: Scene, at: Point, turn: int, sideways: bool, heavy: bool) -> None:
    """Draw the rider of a cycle."""
    top, legs, skin = scene.paint(), scene.paint(), SKIN[scene.rng.integers(len(SKIN))]
    helmet = scene.paint() if heavy or scene.chance(0.5) else skin
    tones = {"top": top, "legs": legs, "sleeve": shaded(top, 0.8)}
    x, y, z = at[0], 0.75 if heavy else 0.9, at[2]
    for tone, shape in RIDER_SIDE if sideways else RIDER_END:
        scene.upright(RIDER, tones[tone], (x, y, z), [(turn * right, up) for right, up in shape])
    scene.disc(RIDER, helmet, (x + (0.25 * turn if sideways else 0), y + 0.74, z), 0.14)


def _draw_person(scene: Scene, x: float, z: float) -> None:
    """Draw a pedestrian in mid-step, tall or small, and sometimes with a long coat."""
    scale = scene.rng.uniform(0.85, 1.1) if scene.chance(0.85) else scene.rng.uniform(0.55, 0.8)
    top, legs, skin = scene.paint(), scene.paint(), SKIN[scene.rng.integers(len(SKIN))]
    step = scene.rng.uniform(0.03, 0.3)
    swing = scene.rng.uniform(-0.2, 0.2)
    at = (x, 0.0, z)

    def limb(colour: Colour, shape: Sequence[tuple[float, float]]) -> None:
        scene.upright(PERSON, colour, at, [(right * scale, up * scale) for right, up in shape])

    scene.polygon(
        None, DARK, [(x + a, 0.0, z + b) for a, b in ((-0.3, -0.1), (0.3, -0.1), (0.3, 0.2), (-0.3, 0.2))]
    )
    limb(legs, ((-0.15, 0.9), (0.06, 0.9), (-step + 0.06, 0), (-step - 0.1, 0)))
    limb(shaded(legs, 0.85), ((-0.06, 0.9), (0.15, 0.9), (step + 0.1, 0), (step - 0.06, 0)))
    hem = 0.5 if scene.chance(0.25) else 0.82
    limb(top, ((-0.18, hem), (0.18, hem), (0.23, 1.45), (-0.23, 1.45)))
    for arm in (-1.0, 1.0):
        hand = arm * (0.28 + swing)
        limb(
            shaded(top, 0.8),
            ((arm * 0.16, 1.43), (arm * 0.26, 1.4), (hand + 0.05, 0.8), (hand - 0.05, 0.8)),
        )
    scene.disc(PERSON, skin, (x, 1.6 * scale, z), 0.13 * scale)
    scene.upright(
        PERSON, scene.paint(), (x, 1.62 * scale, z), box(-0.13 * scale, 0, 0.13 * scale, 0.13 * scale)
    )


def draw_tree(scene: Scene, x: float, z: float, low: bool = False) -> None:
    """Draw a tree or (``low``) a bush: a trunk and a crown of many leaf clusters."""
    high = scene.rng.uniform(1.5, 4) if low else scene.rng.uniform(3.5, 8)
    wide = high * scene.rng.uniform(0.25, 0.45)
    leaves, bark = scene.growth(), scene.vary((55, 65, 75))
    scene.upright(VEGETATION, bark, (x, 0, z), box(-0.12, 0, 0.12, high * 0.7))
    middle = high * (0.5 if low else 0.68)
    for right, up, gain in scene.rng.uniform((-1, -1, 0.5), (1, 1, 1.4), (22, 3)).tolist():
        span = 1 - 0.5 * up * up
        at = (x + right * wide * span * 0.75, middle + up * (high - middle) * 0.75, z)
        scene.disc(VEGETATION, shaded(leaves, gain), at, wide * 0.33)


def _draw_pole(scene: Scene, x: float, z: float, side: int) -> None:
    """Draw a lamp post, or a pole with a traffic sign or a traffic light."""
    kind = scene.rng.choice(4, p=(0.22, 0.2, 0.33, 0.25))
    colour, half = scene.paint(), scene.rng.uniform(0.05, 0.1)
    high = (scene.rng.uniform(5, 8), scene.rng.uniform(0.9, 4), *scene.rng.uniform((2.3, 2.6), (3.2, 3.6)))[
        kind
    ]
    scene.upright(POLE, colour, (x, 0, z), box(-half, 0, half, high))
    if kind == 0:
        reach = -side * scene.rng.uniform(0.8, 2)
        scene.upright(POLE, colour, (x, high, z), ((0, 0), (reach, 0.1), (reach, -0.1), (0, -0.15)))
    elif kind == 2:
        _draw_sign(scene, x, high - 0.2, z)
    elif kind == 3:
        _draw_light(scene, x, high, z)


def _draw_sign(scene: Scene, x: float, y: float, z: float) -> None:
    """Draw a traffic sign: a disc, triangle, diamond or board with a rim and a pictogram."""
    face, rim, ink = scene.paint(), scene.paint(), scene.paint()
    radius = scene.rng.uniform(0.3, 0.5)
    shape = (CIRCLE, TRIANGLE, DIAMOND, BOARD)[scene.rng.integers(4)]
    for colour, part in ((rim, 1.0), (face, 0.75)):
        scene.upright(SIGN, colour, (x, y, z), [(radius * part * a, radius * part * b) for a, b in shape])
    scene.upright(SIGN, ink, (x, y, z), box(-radius * 0.35, -radius * 0.15, radius * 0.35, radius * 0.12))


def _draw_light(scene: Scene, x: float, y: float, z: float) -> None:
    """Draw a traffic light: an upright housing with three lamps, one of them lit."""
    housing = scene.paint() if scene.chance(0.5) else DARK
    scene.upright(LIGHT, housing, (x, y, z), box(-0.2, -0.55, 0.2, 0.55))
    lit = scene.rng.integers(3)
    for i, lamp in enumerate(((60, 60, 235), (60, 200, 240), (110, 220, 80))):
        at = (x, y + 0.34 - 0.34 * i, z)
        scene.disc(LIGHT, lamp if i == lit else shaded(lamp, 0.25), at, 0.13)


def _draw_bin(scene: Scene, x: float, z: float) -> None:
    """Draw a litter bin, which Cityscapes does not evaluate."""
    scene.upright(DYNAMIC, scene.paint(), (x, 0, z), ((-0.28, 0), (0.28, 0), (0.34, 1.0), (-0.34, 1.0)))
    scene.upright(DYNAMIC, DARK, (x, 0.95, z), box(-0.36, 0, 0.36, 0.12))
