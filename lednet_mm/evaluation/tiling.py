"""Large images in overlapping tiles, so that the memory of a prediction is bounded.

The tiles are those of MMSegmentation's slide mode: they begin every ``size - overlap`` pixels, those at the
right and bottom edge are moved inwards, and where tiles overlap, their scores are averaged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lednet_mm.errors import InputError


@dataclass(frozen=True)
class Tiles:
    """The tiles into which an image is cut, in pixels of the network's input.

    Attributes:
        height: height of a tile.
        width: width of a tile.
        overlap: number of rows and columns that neighbouring tiles share at least.

    Raises:
        InputError: the overlap is as large as a side of the tile.
    """

    height: int
    width: int
    overlap: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < min(self.height, self.width):
            raise InputError(
                f"--overlap {self.overlap}: neighbouring tiles of {self.height}x{self.width} can share 0 to "
                f"{min(self.height, self.width) - 1} pixels"
            )

    def check_fits(self, height: int, width: int, what: object) -> None:
        """Check that an image is at least as large as a tile.

        Args:
            height: height of the image as the network gets it.
            width: width of that image.
            what: name of the image for the message.

        Raises:
            InputError: a side of the image is shorter than that of the tile.
        """
        if height < self.height or width < self.width:
            raise InputError(
                f"--tile {self.height} {self.width}: {what} is only {height}x{width} (height x width) as the "
                "network gets it: give a smaller tile, or predict it whole"
            )

    def slide_mode(self) -> dict[str, Any]:
        """Return the ``test_cfg`` of a model that is tested in these tiles by MMSegmentation."""
        stride = (self.height - self.overlap, self.width - self.overlap)
        return {"mode": "slide", "crop_size": (self.height, self.width), "stride": stride}

    def strips(self, image: Tensor, scores_of: Callable[[Tensor], Tensor]) -> Iterator[Tensor]:
        """Predict an image row of tiles by row of tiles.

        At any time there are the scores of one row of tiles, whatever the height of the image.

        Args:
            image: (..., H, W), at least as large as a tile.
            scores_of: function that predicts a tile: (..., height, width) -> (C, height, width).

        Yields:
            The scores of the next finished rows of the image, (C, rows, W); all strips make up H rows.
        """
        height, width = image.shape[-2:]
        tops = _beginnings(height, self.height, self.overlap)
        lefts = _beginnings(width, self.width, self.overlap)
        kept = counts = torch.empty(0)
        for number, top in enumerate(tops):
            scores = torch.empty(0)
            for left in lefts:
                tile = scores_of(image[..., top : top + self.height, left : left + self.width])
                if not scores.numel():
                    scores = tile.new_zeros(tile.shape[0], self.height, width)
                    count = tile.new_zeros(self.height, width)
                scores[..., left : left + self.width] += tile
                count[:, left : left + self.width] += 1
            if number:  # the rows that the previous row of tiles has begun
                shared = kept.shape[1]
                scores[:, :shared] += kept
                count[:shared] += counts
            done = tops[number + 1] - top if number + 1 < len(tops) else self.height
            yield scores[:, :done] / count[:done]
            kept, counts = scores[:, done:], count[done:]


def _beginnings(length: int, size: int, overlap: int) -> list[int]:
    """Return where the tiles along one side begin."""
    stride = size - overlap
    number = -(-(length - size) // stride) + 1
    return [min(i * stride, length - size) for i in range(number)]
