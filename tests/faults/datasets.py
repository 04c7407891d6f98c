"""Faulty and unusual data, and the tools that check and make them."""

from __future__ import annotations

import os

import cv2
import numpy as np
from mmseg.visualization import SegLocalVisualizer
from PIL import Image

from tests.datasets.small_sets import make_pairs, write_card
from tests.faults.configs import not_started
from tests.faults.place import Fault, Place, run_tool


def train(place: Place, *settings: str):
    """Return the command that trains on the copied set."""
    options = ["--cfg-options", *settings] if settings else []
    return ("train", place.config(), "--work-dir", place / "run", *options)


def damaged(change, which: str = "label", split: str = "train"):
    """Return a training whose first image or label was damaged by ``change(path)``."""

    def words(place: Place):
        image, label = place.pair(split)
        change(image if which == "image" else label)
        return train(place)

    return words


def ids(path, value: int, size: tuple[int, int] = (64, 128), dtype=np.uint8) -> None:
    """Write a label image of one id."""
    cv2.imwrite(str(path), np.full(size, value, dtype))


def corner(path, value: int) -> None:
    """Set a corner of a label image to an id."""
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    found[:4, :4] = value
    cv2.imwrite(str(path), found)


def everywhere(change):
    """Return a training all of whose labels were changed: ``change(ids)`` -> ids."""

    def words(place: Place):
        for path in place.labels():
            Image.fromarray(change(np.asarray(Image.open(path))).astype(np.uint8)).save(path)
        return train(place)

    return words


def as_jpeg(place: Place):
    """Return a training on images that are kept as JPEG."""
    for path in place.data().rglob("leftImg8bit/**/*.png"):
        Image.open(path).save(path.with_suffix(".jpg"), quality=95)
        path.unlink()
    return train(
        place,
        *(f"{split}_dataloader.dataset.img_suffix=_leftImg8bit.jpg" for split in ("train", "val", "test")),
    )


def listed(place: Place):
    """Return a training on the images that a list names."""
    folder = place.data() / "leftImg8bit" / "train"
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))[:3]
    listing = place.file(
        "list.txt", "\n".join(name.removesuffix("_leftImg8bit.png") for name in names).encode()
    )
    return train(place, f"train_dataloader.dataset.ann_file={listing}")


def sizes(split: str, *settings: str):
    """Return a training in which one image and its label are smaller than the others."""

    def words(place: Place):
        for path in place.pair(split):
            image = Image.open(path)
            image.resize((96, 48), Image.Resampling.NEAREST).save(path)
        return train(place, *settings)

    return words


def without_crop(place: Place):
    """Return a training on images of two sizes without a crop that makes them equal."""
    command = sizes("train")(place)
    names = ("SeedAugmentation", "LoadImage", "LoadLabels", "PackSegInputs")
    load = ", ".join(f"dict(type={name!r})" for name in names)
    data = f"data_root={str(place.data())!r}, pipeline=[{load}]"
    path = place.config(f"train_dataloader = dict(batch_size=6, dataset=dict({data}))")
    return ("train", path, *command[2:])


def label_ids_only(place: Place):
    """Return a training on Cityscapes' layout as it is downloaded, without train ids, on a read-only disk."""
    for path in place.labels():
        path.unlink()
    return train(place)


def check(*options: object, prepare=lambda place: None):
    """Return the command that checks a dataset."""

    def words(place: Place):
        place.data()
        prepare(place)
        return ("check_dataset", place.config(), *options)

    return words


def circle(place: Place) -> None:
    """Put a symbolic link that leads back to its own folder among the images."""
    (place.data() / "leftImg8bit" / "train" / "loop").symlink_to("..")


def huge_label(place: Place) -> None:
    """Make a label of 400 megapixels."""
    Image.fromarray(np.zeros((20_000, 20_000), np.uint8)).save(place.pair()[1])


def streets(*options: object, foreign: bool = False):
    """Return the command that generates the streets set in this place."""

    def words(place: Place):
        if foreign:
            place.file("set/notes.txt")
        return ("prepare_dataset", "streets", "--root", place / "set", "--train", 2, "--val", 1, *options)

    return words


def other_parameters(place: Place):
    """Ask for a set with other parameters in a folder that has one, with a file of the user's in it."""
    place.file("streets/notes.txt")
    place.data()
    return (
        "prepare_dataset",
        "streets",
        "--root",
        place / "streets",
        "--train",
        2,
        "--val",
        1,
        "--size",
        32,
        64,
    )


def camvid(*names: str, target: bool = False):
    """Return the command that installs CamVid from a folder with these folders in it."""

    def words(place: Place):
        for name in names:
            (place / "source" / name).mkdir(parents=True)
        if target:
            place.file("camvid/mine.txt")
        return ("prepare_dataset", "camvid", place / "source", "--target", place / "camvid")

    return words


def polygons(place: Place):
    """Prepare Cityscapes from a folder that holds polygons only."""
    place.file("city/gtFine/train/a/a_gtFine_polygons.json", b"{}")
    return ("prepare_dataset", "cityscapes", place / "city")


def no_label_id(place: Place):
    """Prepare Cityscapes from a label with an id that Cityscapes does not have."""
    path = place.file("city/gtFine/train/a/a_gtFine_labelIds.png")
    ids(path, 77)
    return ("prepare_dataset", "cityscapes", place / "city")


def cached(damage):
    """Return a training whose cache was damaged by ``damage(bytes) -> bytes`` after an earlier training."""

    def words(place: Place):
        cache = place / "cache"
        setting = f"train_dataloader.dataset.cache_dir={cache}"
        first = ("train", place.config(), "--work-dir", place / "first", "--cfg-options", setting)
        assert run_tool(*map(str, first)).status == 0
        SegLocalVisualizer._instance_dict.clear()  # or the next curves go into the first folder
        for path in cache.glob("*.decoded"):
            path.write_bytes(damage(path.read_bytes()))
        return ("train", place.config(), "--work-dir", place / "run", "--cfg-options", setting)

    return words


def same_weights(place: Place, outcome) -> None:
    """Check that the training ended with the weights of the one before the damage."""
    import torch

    one, other = (
        torch.load(place / name / "iter_4.pth", weights_only=True)["state_dict"] for name in ("first", "run")
    )
    assert all(torch.equal(one[key], other[key]) for key in one)


def flip(at: int):
    """Return bytes in which one byte of the pixels is changed."""

    def change(data: bytes) -> bytes:
        begin = data.index(b"\n") + 1 + at
        return data[:begin] + bytes([data[begin] ^ 0x55]) + data[begin + 1 :]

    return change


def own(prepare=lambda place: None, **changes: object):
    """Return the check of a dataset that a YAML file describes; ``prepare(place)`` changes its files."""

    def words(place: Place):
        make_pairs(place / "data")
        prepare(place)
        return ("check_dataset", write_card(place.folder, **changes))

    return words


def own_text(text: str):
    """Return the check of a dataset whose YAML file holds this text."""
    return lambda place: ("check_dataset", place.file("own.yaml", text))


def pipe(place: Place):
    """Check a pipe to which nobody writes."""
    os.mkfifo(place / "own.yaml")
    return ("check_dataset", place / "own.yaml")


def draft(*options: object, prepare=lambda place: None):
    """Return the command that drafts a dataset's YAML file."""

    def words(place: Place):
        make_pairs(place / "data")
        prepare(place)
        images, labels = place / "data" / "images", place / "data" / "masks"
        return ("prepare_dataset", "new", images, labels, "--out", place / "own.yaml", *options)

    return words


def bad(what: str, words, *says: str) -> Fault:
    """Return faulty data that must end a training before it starts."""
    return Fault(what, "G", words, says=says, also=(not_started,))


def spoilt(what: str, damage) -> Fault:
    """Return a fault with a damaged cache, which must be made again."""
    return Fault(what, "A", cached(damage), 0, changes=("cache/**",), also=(same_weights,))


FAULTS = [
    bad("an image that is cut off", damaged(lambda p: os.truncate(p, 500), "image"), "train data"),
    bad("an image of 0 bytes", damaged(lambda p: os.truncate(p, 0), "image"), "empty"),
    bad("an image that is text", damaged(lambda p: p.write_text("no image"), "image"), "leftImg8bit.png"),
    bad("an image without a label", damaged(lambda p: p.unlink()), "labelTrainIds"),
    bad("a label without an image", damaged(lambda p: p.unlink(), "image"), "has no image"),
    bad("a label that is cut off", damaged(lambda p: os.truncate(p, 60)), "labelTrainIds"),
    bad("a label of 0 bytes", damaged(lambda p: os.truncate(p, 0)), "empty"),
    bad("a label of another size than its image", damaged(lambda p: ids(p, 1, (32, 64))), "32"),
    bad("an id that is no class", damaged(lambda p: corner(p, 77)), "77"),
    Fault("a label of 16 bits", "E", damaged(lambda p: ids(p, 1, dtype=np.uint16)), 0),
    bad(
        "a label in colours",
        damaged(lambda p: cv2.imwrite(str(p), np.zeros((64, 128, 3), np.uint8))),
        "labelTrainIds",
    ),
    bad("a damaged validation image", damaged(lambda p: os.truncate(p, 500), "image", "val"), "val data"),
    bad("labels without one labelled pixel", everywhere(lambda x: np.full_like(x, 255)), "label"),
    Fault(
        "binary masks of 0 and 255",
        "A",
        everywhere(lambda x: np.where(x == 0, 255, 0)),
        0,
        says=("warning", "'road' is the only one of 19 classes"),
    ),
    bad(
        "a dataset that is not there",
        lambda p: train(p, f"train_dataloader.dataset.data_root={p / 'no'}"),
        "prepare_dataset",
    ),
    bad("a file as a dataset", lambda p: train(p, f"train_dataloader.dataset.data_root={p.file()}"), "file"),
    bad("a suffix that no image has", lambda p: train(p, "train_dataloader.dataset.img_suffix=.bmp"), ".bmp"),
    bad(
        "a list of files that is not there",
        lambda p: train(p, "train_dataloader.dataset.ann_file=no.txt"),
        "no.txt",
    ),
    bad(
        "a list of files that names what is not there",
        lambda p: train(p, f"train_dataloader.dataset.ann_file={p.file('l.txt', b'nothing')}"),
        "nothing",
    ),
    Fault("images kept as JPEG", "E", as_jpeg, 0),
    Fault("the first images of a dataset", "E", lambda p: train(p, "train_dataloader.dataset.indices=2"), 0),
    Fault("a list of images", "E", listed, 0),
    Fault("labels as Cityscapes has them, without train ids", "E", label_ids_only, 0),
    Fault(
        "images of two sizes, cropped to one",
        "E",
        sizes("train", "train_dataloader.dataset.pipeline.3.crop_size=(48,96)"),
        0,
    ),
    Fault("images of two sizes in one batch, padded to one", "E", without_crop, 0),
    Fault("images of two sizes in the validation", "E", sizes("val"), 0),
    Fault(
        "images of two sizes in a batch of the validation",
        "E",
        sizes("val", "val_dataloader.batch_size=2"),
        0,
    ),
    Fault("links in a circle among the images", "G", check("--split", "train", prepare=circle), 1),
    Fault(
        "a label of 400 megapixels",
        "G",
        check("--split", "train", prepare=huge_label),
        1,
        says=("20000x20000",),
    ),
    Fault(
        "a check whose answer goes below a file",
        "G",
        lambda p: ("check_dataset", p.config(), "--json", p.file() / "x.json"),
        says=("file",),
    ),
    Fault(
        "a check whose answer goes over a user's file",
        "B",
        lambda p: ("check_dataset", p.config(), "--json", p.file("notes.txt")),
        says=("notes.txt", "--overwrite"),
    ),
    Fault("a set drawn by no process", "G", streets("--workers", 0), says=("workers",)),
    Fault("a set of a negative seed", "G", streets("--seed", -1), says=("seed",)),
    Fault("a set of images of 8 pixels", "G", streets("--size", 8, 8), says=("32",)),
    Fault("a set in a folder with a user's files", "B", streets(foreign=True), says=("set",)),
    Fault("a set in the place of one with other parameters", "B", other_parameters, says=("streets",)),
    Fault(
        "a set in the place of a file",
        "G",
        lambda p: ("prepare_dataset", "streets", "--root", p.file()),
        says=("file",),
    ),
    Fault("CamVid in another layout", "G", camvid("train", "val"), says=("trainannot",)),
    Fault(
        "CamVid where there is something already",
        "B",
        camvid(*(f"{s}{a}" for s in ("train", "val", "test") for a in ("", "annot")), target=True),
        says=("exists",),
    ),
    Fault("Cityscapes' polygons alone", "G", polygons, says=("polygons",)),
    Fault(
        "a folder that is no Cityscapes",
        "G",
        lambda p: ("prepare_dataset", "cityscapes", p.folder),
        says=("gtFine",),
    ),
    Fault("an id that Cityscapes has not", "G", no_label_id, says=("77",)),
    Fault("a dataset of the user's own", "E", own(), 0, says=("pothole", "class_weight")),
    Fault(
        "an id that a dataset's YAML file does not name",
        "A",
        own(ignore=[]),
        1,
        says=("masks/x0.png holds ids 255, which no class has",),
    ),
    Fault(
        "an id of two classes in a dataset's YAML file",
        "A",
        own(ignore=[1]),
        says=("class 1 ('pothole'): id 1 is given twice",),
    ),
    Fault(
        "a label as JPEG in a set of the user's own",
        "A",
        own(lambda p: Image.open(p / "data/masks/x0.png").save((p / "data/masks/x0.png"), format="JPEG")),
        1,
        says=("x0.png is a JPEG",),
        changes=("data/masks/x0.png",),
    ),
    Fault("two images of one name", "G", own(lambda p: p.photo("data/images/x0.jpg")), says=("x0.jpg",)),
    Fault(
        "a misspelled key of a YAML file", "G", own(class_weights=[1, 1]), says=("did you mean class_weight",)
    ),
    Fault(
        "a YAML file with an object of Python",
        "C",
        own_text("name: !!python/object/apply:os.system ['touch EXECUTED']"),
        says=("own.yaml", "line 1"),
    ),
    Fault(
        "a YAML file that grows without end",
        "G",
        own_text("a: &a [1, 1]\n" + "".join(f"k{i}: &k{i} [*a, *a]\n" for i in range(9))),
        says=("aliases",),
    ),
    Fault("a YAML file that is a pipe", "G", pipe, says=("not a regular file",)),
    Fault(
        "a unit that fits no image",
        "G",
        own(unit={"sequence": "(seq[0-9]+)"}),
        says=("images/x0.png", "does not fit"),
    ),
    Fault(
        "a draft over a user's file", "B", draft(prepare=lambda p: p.file("own.yaml")), says=("--overwrite",)
    ),
    Fault(
        "a draft over a user's list",
        "B",
        draft(prepare=lambda p: p.file("own_val.txt")),
        says=("own_val.txt", "--overwrite"),
    ),
    Fault(
        "a draft from labels with soft edges",
        "A",
        draft(prepare=lambda p: p.photo("data/masks/x1.png", (300, 300))),
        says=("x1.png", "colours"),
    ),
    spoilt("a cache with a changed byte of an image", flip(3000)),
    spoilt("a cache with a changed byte of a label", flip(64 * 128 * 3 + 3000)),
    spoilt("a cache with another type in its header", lambda d: d.replace(b"uint8", b"uint9", 1)),
    spoilt("a cache with a number as its header", lambda d: b"5\n"),
    spoilt("a cache that is cut off", lambda d: d[: len(d) // 2]),
]
