"""Example predictions, as one picture and in the page's form: image, truth and networks side by side."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from lednet_mm.evaluation.rendering import colorize, picture_grid
from lednet_mm.reports.parts import Part

PAGE_WIDTH = 640


@dataclass(frozen=True)
class Example:
    """An image with its label and predictions.

    Attributes:
        name: name of its file.
        image: (H, W, 3) uint8 RGB.
        truth: (H, W) class ids, 255 where there is no label.
        predictions: (H, W) class ids of each network.
    """

    name: str
    image: np.ndarray
    truth: np.ndarray
    predictions: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class PictureSet:
    """The examples of a dataset.

    Attributes:
        dataset: name of the dataset in records.
        split: split to which the images belong.
        networks: names of the networks, one for each column.
        classes: names of the classes.
        palette: (C, 3) RGB colours of the classes.
        examples: images spread evenly over the split.
        name: stem of the picture's file name.
    """

    dataset: str
    split: str
    networks: tuple[str, ...]
    classes: Sequence[str]
    palette: Sequence[Sequence[int]]
    examples: tuple[Example, ...]
    name: str = "predictions"

    def files(self) -> dict[str, bytes]:
        """Return all examples as one PNG, with titles and legend, by file name."""
        rows = [
            [e.image, *(colorize(ids, self.palette) for ids in (e.truth, *e.predictions))]
            for e in self.examples
        ]
        grid = picture_grid(rows, ("image", "truth", *self.networks), self.classes, self.palette)
        return {f"{self.name}.png": _encode(Image.fromarray(grid), "PNG")}

    def part(self) -> Part:
        """Return the examples in the page's form, with pictures as data URLs."""
        rows = []
        for example in self.examples:
            image = Image.fromarray(example.image)
            small = image.resize(_page_size(image), Image.Resampling.LANCZOS)
            row = [{"what": "image", "source": _url(_encode(small, "JPEG"), "jpeg")}]
            for what, ids in zip(
                ("truth", *self.networks), (example.truth, *example.predictions), strict=True
            ):
                row.append({"what": what, "source": _url(_encode(self._paletted(ids), "PNG"), "png")})
            rows.append([{"name": example.name, **picture} for picture in row])
        colors = [f"rgb({', '.join(str(int(c)) for c in color)})" for color in self.palette]
        note = f"Images spread evenly over {self.dataset}'s split {self.split}; black has no label."
        return {
            "kind": "pictures",
            "title": self.dataset,
            "rows": rows,
            "legend": list(zip(self.classes, colors, strict=True)),
            "note": note,
        }

    def _paletted(self, ids: np.ndarray) -> Image.Image:
        table = np.zeros((256, 3), dtype=np.uint8)
        table[: len(self.palette)] = self.palette
        picture = Image.fromarray(ids).convert("P")
        picture.putpalette(table.tobytes())
        return picture.resize(_page_size(picture), Image.Resampling.NEAREST)


def _page_size(image: Image.Image) -> tuple[int, int]:
    width = min(PAGE_WIDTH, image.width)
    return width, round(image.height * width / image.width)


def _encode(image: Image.Image, form: str) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **({"quality": 85} if form == "JPEG" else {"optimize": True}))
    return stream.getvalue()


def _url(data: bytes, form: str) -> str:
    return f"data:image/{form};base64,{base64.b64encode(data).decode()}"
