"""Draw one random street scene with Cityscapes' labelIds.

Sky, a far skyline, the ground in perspective, the two sides of the street segment by segment, and then every
object from far to near are drawn.

The colours of all classes come from the same two palettes (``PAINTS`` for man-made things, ``GROWTH`` for
plants), so colour alone says little: shape, position, texture and scale must be learned. Only exactly rounded
arithmetic is used on pixels (no exp, sin or normal deviates), so that a seed gives the same picture on every
machine.
"""

from __future__ import annotations

import cv2
import numpy as np

from lednet_mm.datasets.streets.artwork import CAR
from lednet_mm.datasets.streets.canvas import Scene
from lednet_mm.datasets.streets.objects import draw_objects
from lednet_mm.datasets.streets.surroundings import draw_ground, draw_side, draw_sky


def draw_scene(
    rng: np.random.Generator, size: tuple[int, int], featured: int = CAR
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one scene.

    Args:
        rng: generator of all random numbers.
        size: (height, width) in pixels.
        featured: labelId of a vehicle that is placed in the street nearby (bicycles with a rider), so that
            every dataset contains the rare classes.

    Returns:
        The image (H, W, 3) uint8 BGR and the labelIds (H, W) uint8.
    """
    scene = Scene(rng, size, featured)
    draw_sky(scene)
    draw_ground(scene)
    for side in (-1, 1):
        draw_side(scene, side)
    draw_objects(scene)
    return _developed(scene), scene.labels


def _developed(scene: Scene) -> np.ndarray:
    """Return the image after dirt, exposure, colour cast, slight blur and sensor noise."""
    dirt = cv2.resize(scene.noise(40), (scene.width, scene.height))
    uneven = cv2.resize(scene.noise(3), (scene.width, scene.height))
    gain = (0.9 + 0.2 * dirt) * (0.85 + 0.3 * uneven) * np.float32(scene.rng.uniform(0.55, 1.2))
    cast = scene.rng.uniform(0.88, 1.12, 3).astype(np.float32)
    image = np.clip(scene.image * gain[..., None] * cast, 0, 255).astype(np.uint8)
    if scene.chance(0.5):
        image = cv2.GaussianBlur(image, (3, 3), 0)
    amplitude = int(scene.rng.integers(2, 8))
    grain = scene.rng.integers(-amplitude, amplitude + 1, (2, *image.shape), dtype=np.int16).sum(0)
    return np.clip(image + grain, 0, 255).astype(np.uint8)
