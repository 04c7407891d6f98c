"""Predictions as pictures: class colours, an overlay on the image, or Cityscapes' labelIds."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

IGNORE = 255


def colorize(ids: np.ndarray, palette: Sequence[Sequence[int]]) -> np.ndarray:
    """Paint class ids in the dataset's colours; pixels without a label are black.

    Args:
        ids: (H, W) class ids, 255 where there is no label.
        palette: (C, 3) RGB colours in [0, 255].

    Returns:
        (H, W, 3) uint8 RGB.
    """
    table = np.zeros((256, 3), dtype=np.uint8)
    table[: len(palette)] = palette
    return table[ids]


def overlay(image: np.ndarray, ids: np.ndarray, palette: Sequence[Sequence[int]]) -> np.ndarray:
    """Blend the class colours half and half with the image: both (H, W, ...) -> (H, W, 3) uint8 RGB."""
    return cv2.addWeighted(image, 0.5, colorize(ids, palette), 0.5, 0)


def with_legend(picture: np.ndarray, classes: Sequence[str], palette: Sequence[Sequence[int]]) -> np.ndarray:
    """Put a legend of all classes under a picture: (H, W, 3) -> (H + rows, W, 3) uint8 RGB."""
    width = picture.shape[1]
    scale = max(0.35, min(0.6, width / 1600))
    entry = int(300 * scale)
    columns = max(1, width // entry)
    line = int(36 * scale) + 4
    rows = -(-len(classes) // columns)
    legend = np.full((rows * line + 6, width, 3), 255, dtype=np.uint8)
    for i, (name, color) in enumerate(zip(classes, palette, strict=True)):
        x, y = (i % columns) * entry + 6, (i // columns) * line + 5
        cv2.rectangle(legend, (x, y), (x + line - 8, y + line - 8), tuple(map(int, color)), -1)
        cv2.putText(
            legend, name, (x + line, y + line - 9), cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), 1, cv2.LINE_AA
        )
    return np.concatenate([picture, legend])


def picture_grid(
    rows: Sequence[Sequence[np.ndarray]],
    titles: Sequence[str],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    width: int = 480,
) -> np.ndarray:
    """Put pictures in a grid with one row per image, with column titles above and a legend below.

    Args:
        rows: rows of pictures (H, W, 3) uint8 RGB; all pictures of a row have the same shape.
        titles: titles of the columns, such as ``image``, ``truth`` and names of networks.
        classes: names of the classes, for the legend.
        palette: (C, 3) RGB in [0, 255].
        width: width of each picture in the grid, in pixels.

    Returns:
        (H', W', 3) uint8 RGB.
    """
    gap, head = 8, 34
    lines = []
    for row in rows:
        height = round(row[0].shape[0] * width / row[0].shape[1])
        scaled = [cv2.resize(p, (width, height), interpolation=cv2.INTER_AREA) for p in row]
        padded = [np.pad(p, ((0, gap), (0, gap), (0, 0)), constant_values=255) for p in scaled]
        lines.append(np.concatenate(padded, axis=1)[:, :-gap])
    top = np.full((head, lines[0].shape[1], 3), 255, dtype=np.uint8)
    for i, title in enumerate(titles):
        scale = 0.6
        while cv2.getTextSize(title, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)[0][0] > width and scale > 0.3:
            scale -= 0.05
        place = (i * (width + gap) + 2, head - 11)
        cv2.putText(top, title, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), 1, cv2.LINE_AA)
    return with_legend(np.concatenate([top, *lines]), classes, palette)
