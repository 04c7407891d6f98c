"""A network's input as a picture that people can look at."""

from __future__ import annotations

import numpy as np
from torch import Tensor


def as_rgb(image: Tensor) -> np.ndarray:
    """Return a network's input image as an RGB picture.

    Args:
        image: (C, H, W) from a pipeline: BGR, grey, or other channels, of which the first is shown. Values
            from 0 to 255 are taken unchanged, floating-point values from 0 to 1 map black to white, and any
            other range is stretched to 8 bits.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    pixels = image.cpu().numpy()
    if pixels.dtype != np.uint8:
        low, high = float(pixels.min()), float(pixels.max())
        if not (low >= 0 and high <= 255):
            pixels = 255 * (pixels - low) / max(high - low, 1e-6)
        elif pixels.dtype.kind == "f" and high <= 1:
            pixels = 255 * pixels
        pixels = np.rint(pixels).astype(np.uint8)
    shown = pixels[::-1] if len(pixels) == 3 else np.repeat(pixels[:1], 3, axis=0)
    return np.ascontiguousarray(shown.transpose(1, 2, 0))
