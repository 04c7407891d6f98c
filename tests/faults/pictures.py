"""The prediction of pictures of all kinds, and the places of the resulting pictures."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from tests.faults.place import CAMVID, WEIGHTS, Fault, Place


def predict(images: object, out: object, *options: object):
    """Return the command that predicts with the committed weights."""
    return ("predict", CAMVID, WEIGHTS, images, "--out", out, *options)


def photo(make, *options: object):
    """Return the command that predicts a picture written by ``make(place)``."""
    return lambda place: predict(make(place), place / "out", *options)


def converted(mode: str, name: str = "a.png"):
    """Return a function that writes a picture in one of Pillow's modes."""

    def make(place: Place):
        path = place / name
        source = Image.open(place.photo("source.png"))
        (source.convert("RGB").convert(mode) if mode != "I;16" else source).save(path)
        (place / "source.png").unlink()
        return path

    return make


def array(name: str, pixels: np.ndarray):
    """Return a function that writes an array as a picture."""

    def make(place: Place):
        assert cv2.imwrite(str(place / name), pixels)
        return place / name

    return make


def oriented(orientation: int):
    """Return a function that writes a photo with an EXIF orientation."""

    def make(place: Place):
        exif = Image.Exif()
        exif[274] = orientation
        Image.open(place.photo("source.png")).save(place / "a.jpg", exif=exif, quality=95)
        (place / "source.png").unlink()
        return place / "a.jpg"

    return make


def folder(*names: str, also=lambda place: None, out: str = "out", options: tuple = ()):
    """Return the command that predicts a folder of pictures."""

    def words(place: Place):
        for name in names:
            place.photo(f"in/{name}")
        also(place)
        return predict(place / "in", place / out, *options)

    return words


def written(*expected: str):
    """Return a check that exactly these pictures were written."""

    def check(place: Place, outcome) -> None:
        found = sorted(str(p.relative_to(place / "out")) for p in (place / "out").rglob("*") if p.is_file())
        assert found == sorted(expected)

    return check


def size_of(width: int, height: int):
    """Return a check of the size of the picture that was written."""

    def check(place: Place, outcome) -> None:
        (path,) = (place / "out").rglob("*.png")
        assert Image.open(path).size == (width, height)

    return check


def video(place: Place):
    """Write a short video."""
    path = place / "v.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 5, (64, 48))
    for i in range(3):
        writer.write(np.full((48, 64, 3), i, np.uint8))
    writer.release()
    return path


def broken(place: Place) -> None:
    """Put a damaged picture among the others."""
    data = (place / "in" / "a.png").read_bytes()
    place.file("in/b.png", data[:300])


def hidden(place: Place) -> None:
    """Put hidden files of other systems among the pictures."""
    place.file("in/._a.png", b"\0\5\26\7")
    place.photo("in/.ipynb_checkpoints/a-checkpoint.png")


def linked(place: Place) -> None:
    """Link a folder with a picture, and the folder itself, into the folder of pictures."""
    place.photo("elsewhere/b.png")
    (place / "in" / "link").symlink_to(place / "elsewhere")
    (place / "in" / "circle").symlink_to(place / "in")


def same_overlay(place: Place):
    """Predict a grey picture of 8 bits and the same picture of 16 bits."""
    gray = cv2.imread(str(place.photo("in/a.png")), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(place / "in/a.png"), gray)
    cv2.imwrite(str(place / "in/b.png"), gray.astype(np.uint16) * 257)
    return predict(place / "in", place / "out")


def equal_means(place: Place, outcome) -> None:
    """Check that both overlays show the same picture."""
    one, other = (np.asarray(Image.open(place / "out" / name), float) for name in ("a.png", "b.png"))
    assert abs(one - other).mean() < 2


def upright(place: Place, outcome) -> None:
    """Check that the picture under the overlay has the orientation in which the photo is meant to be seen."""
    (path,) = (place / "out").rglob("*.png")
    shown = np.asarray(Image.open(path).convert("L"), float)
    assert shown.shape == (64, 48)
    left, right = shown[:, :12].mean(), shown[:, -12:].mean()
    assert left > right + 20  # the ramp of the source, dark at the top, turned by 90 degrees


def multiple(place: Place):
    """Predict a picture of 361x481 with a network that takes multiples of 8."""
    import torch
    from mmseg.registry import MODELS

    from lednet_mm.config import Choice, load_config

    config = ("mobilenetv2share", "--dataset", "camvid")
    weights = place / "weights.pth"
    torch.save(
        {"state_dict": MODELS.build(load_config(Choice("mobilenetv2share", "camvid")).model).state_dict()},
        weights,
    )
    return ("predict", *config, weights, place.photo(size=(361, 481)), "--out", place / "out")


def honest(what: str, make, *also, kind: str = "F", says: tuple = ()) -> Fault:
    """Return a case in which a picture must be predicted."""
    return Fault(what, kind, photo(make), 0, says=says, also=also)


def refused(what: str, make, *says: str, kind: str = "H", status: int = 1) -> Fault:
    """Return a fault with a file that cannot be predicted and must be named."""
    return Fault(what, kind, photo(make), status, says=says)


GRAY16 = (np.arange(48 * 64).reshape(48, 64) * 20).astype(np.uint16)

FAULTS = [
    honest("a grey picture", converted("L"), size_of(64, 48)),
    honest("a grey picture with transparency", converted("LA"), size_of(64, 48)),
    honest("a picture with transparency", converted("RGBA"), size_of(64, 48)),
    honest("a picture with a palette", converted("P"), size_of(64, 48)),
    honest("a picture of one bit", converted("1"), size_of(64, 48)),
    honest("a photo for print (CMYK)", converted("CMYK", "a.jpg"), size_of(64, 48)),
    honest("a picture of 16 bits", array("a.png", GRAY16), size_of(64, 48)),
    honest("a colour picture of 16 bits", array("a.png", np.dstack([GRAY16] * 3)), size_of(64, 48)),
    honest(
        "a picture of floats between 0 and 1",
        array("a.tiff", np.full((48, 64, 3), 0.5, np.float32)),
        size_of(64, 48),
    ),
    refused(
        "a picture of floats beyond 1",
        array("a.tiff", np.full((48, 64, 3), 300.0, np.float32)),
        "a.tiff",
        "0",
    ),
    honest("a photo taken with the camera turned", oriented(6), upright),
    honest("a photo taken upside down", oriented(3), size_of(64, 48)),
    refused("a picture of one pixel", lambda p: p.photo(size=(1, 1)), "a.png", "1x1", kind="E"),
    honest("a suffix in capital letters", lambda p: p.photo("A.PNG"), written("A.png"), kind="B"),
    Fault("a size that the network cannot take", "E", multiple, 0, also=(size_of(481, 361),)),
    Fault("the same picture of 8 and of 16 bits", "F", same_overlay, 0, also=(equal_means,)),
    honest("a video", video, written("000001.png", "000002.png", "000003.png"), kind="E"),
    refused("text as a video", lambda p: p.file("v.mp4"), "v.mp4", kind="G", status=2),
    refused(
        "a video of which the beginning alone is there",
        lambda p: p.file("w.avi", video(p).read_bytes()[:400]),
        "w.avi",
        kind="G",
        status=2,
    ),
    refused("text as a picture", lambda p: p.file("a.png"), "a.png"),
    refused("a picture that does not exist", lambda p: p / "no.png", "no.png", "no such", kind="G", status=2),
    refused(
        "a folder without pictures", lambda p: p.file("in/notes.txt").parent, "no image", kind="G", status=2
    ),
    Fault("pictures written into their own folder", "B", folder("a.png", out="in"), says=("--out",)),
    Fault(
        "pictures of one stem",
        "B",
        folder("a.png", "a.jpg"),
        0,
        also=(written("a.png.png", "a.jpg.png"),),
    ),
    Fault(
        "pictures where there are pictures already",
        "B",
        folder("a.png", also=lambda p: p.file("out/a.png")),
        says=("out/a.png", "--overwrite"),
    ),
    Fault(
        "pictures that are to be replaced",
        "D",
        folder("a.png", also=lambda p: p.file("out/a.png"), options=("--overwrite",)),
        0,
        changes=("out/a.png",),
    ),
    Fault(
        "one bad picture among good ones",
        "H",
        folder("a.png", "c.png", also=broken),
        1,
        says=("b.png",),
        also=(written("a.png", "c.png"),),
    ),
    Fault("hidden files among the pictures", "H", folder("a.png", also=hidden), 0, also=(written("a.png"),)),
    Fault(
        "a linked folder among the pictures",
        "B",
        folder("a.png", also=linked),
        0,
        also=(written("a.png", "link/b.png"),),
    ),
    Fault("a file where the pictures should go", "G", lambda p: predict(p.photo(), p.file()), says=("file",)),
    Fault("pictures below a file", "G", lambda p: predict(p.photo(), p.file() / "out"), says=("file",)),
    Fault(
        "ids of a dataset without labelIds",
        "D",
        photo(lambda p: p.photo(), "--as", "ids"),
        0,
        also=(written("a.png"), size_of(64, 48)),
    ),
    Fault("a device that does not exist", "G", photo(lambda p: p.photo(), "--device", "tpu"), says=("tpu",)),
    Fault("an output folder inside the folder of pictures", "B", folder("a.png", out="in/out"), 0),
]
