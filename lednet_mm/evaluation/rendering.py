"""Predictions as pictures: class colours, an overlay on the image, ids, or the certainty of each pixel."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from lednet_mm.text import fps_text

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


def ids_picture(ids: np.ndarray, own_ids: Sequence[int] | None) -> np.ndarray:
    """Return class ids as a picture of numbers.

    Args:
        ids: (H, W) uint8 class ids.
        own_ids: id that the dataset's own label files have for each class; None keeps the class ids.

    Returns:
        (H, W) uint8, or uint16 if some of the dataset's ids are above 255.
    """
    if own_ids is None:
        return ids
    table = np.asarray(own_ids, dtype=np.uint8 if max(own_ids) <= IGNORE else np.uint16)
    return table[ids]


def heat(values: np.ndarray) -> np.ndarray:
    """Paint numbers from 0 (dark) to 1 (bright) by the colour map viridis: (H, W) -> (H, W, 3) uint8 RGB."""
    levels = np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)


def with_scale(picture: np.ndarray, name: str) -> np.ndarray:
    """Put the scale of :func:`heat` under a picture: (H, W, 3) -> (H + rows, W, 3) uint8 RGB."""
    width = picture.shape[1]
    scale = max(0.35, min(0.6, width / 1600))
    bar, line = int(20 * scale) + 4, int(36 * scale) + 4
    below = np.full((bar + line, width, 3), 255, dtype=np.uint8)
    below[4:bar] = heat(np.linspace(0, 1, width)[None])
    texts = {"0": 2, name: width // 2, "1": width}
    for text, place in texts.items():
        length = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)[0][0]
        left = place if text == "0" else place - length // 2 if text == name else place - length - 2
        _write(below, text, (left, bar + line - 8), scale, (0, 0, 0))
    return np.concatenate([picture, below])


def with_rate(picture: np.ndarray, rate: float) -> np.ndarray:
    """Write a number of frames per second into the corner of a picture, (H, W, 3) uint8 RGB."""
    picture = picture.copy()
    text = f"{fps_text(rate)} FPS"
    scale = max(0.4, min(1.2, picture.shape[1] / 800))
    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    cv2.rectangle(picture, (0, 0), (width + 12, height + base + 10), (0, 0, 0), -1)
    _write(picture, text, (6, height + 6), scale, (255, 255, 255))
    return picture


def _write(
    picture: np.ndarray, text: str, place: tuple[int, int], scale: float, color: tuple[int, int, int]
) -> None:
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, color, 1, cv2.LINE_AA)


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
        _write(legend, name, (x + line, y + line - 9), scale, (0, 0, 0))
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
        _write(top, title, (i * (width + gap) + 2, head - 11), scale, (0, 0, 0))
    return with_legend(np.concatenate([top, *lines]), classes, palette)
