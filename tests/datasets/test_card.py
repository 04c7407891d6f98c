"""A dataset that a YAML file describes: the file, its part of a config, and the samples."""

from __future__ import annotations

import pprint
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from mmengine.config import Config
from mmseg.registry import DATASETS
from PIL import Image

import lednet_mm.register  # noqa: F401
from lednet_mm.config import config_text
from lednet_mm.datasets.camvid import CamVidDataset
from lednet_mm.datasets.card import config_of, read_card, voc_color
from lednet_mm.datasets.check import check_dataset, fingerprint, median_frequency_weights
from lednet_mm.errors import InputError
from lednet_mm.literals import read_literals
from tests.conftest import ROOT
from tests.datasets.small_sets import HEIGHT, OWN, WIDTH, make_camvid, make_pairs, write_card, write_png

LOAD = [{"type": "LoadImage"}, {"type": "LoadLabels"}]


def part(path: Path) -> dict:
    return config_of(read_card(path))


def dataset(path: Path, split: str = "train", pipeline: list = LOAD):
    return DATASETS.build({**part(path)[f"{split}_dataloader"]["dataset"], "pipeline": pipeline})


def labels_of(path: Path, split: str = "train") -> list[np.ndarray]:
    read = dataset(path, split)
    return [read[i]["gt_seg_map"] for i in range(len(read))]


def as_classes(ids: np.ndarray) -> np.ndarray:
    """Translate ids to classes as ``OWN`` defines it, without a lookup table."""
    return np.select([ids == 0, (ids == 1) | (ids == 2)], [0, 1], 255)


# what is read


def test_ids_of_images_of_several_sizes(tmp_path: Path) -> None:
    ids = make_pairs(tmp_path / "data")
    path = write_card(tmp_path)
    for found, expected in zip(labels_of(path), ids, strict=True):
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, as_classes(expected))
    summary = check_dataset(part(path)["train_dataloader"]["dataset"])
    whole = np.concatenate([as_classes(label).ravel() for label in ids])
    assert summary.problems == []
    assert summary.class_pixels.tolist() == [(whole == 0).sum(), (whole == 1).sum()]
    assert summary.class_images.tolist() == [6, 6]
    assert summary.sizes.startswith("6 sizes, 32 to 52 wide and 24 to 40 high; 1 of 6 are ")
    assert fingerprint(part(path)["train_dataloader"]["dataset"]) == summary.fingerprint


@pytest.mark.parametrize("ending", [".JPG", ".jpeg", ".tiff", ".webp", ".bmp"])
def test_images_of_other_formats_beside_labels_as_png(tmp_path: Path, ending: str) -> None:
    ids = make_pairs(tmp_path / "data", ending=ending)
    read = dataset(write_card(tmp_path))
    assert [Path(s["img_path"]).suffix for s in read] == [ending] * 6
    np.testing.assert_array_equal(read[3]["gt_seg_map"], as_classes(ids[3]))
    assert read[3]["img"].shape == (*ids[3].shape, 3)


def test_a_set_of_several_formats_grey_with_alpha_and_of_16_bits(tmp_path: Path) -> None:
    make_pairs(tmp_path / "data", 4)
    folder = tmp_path / "data" / "images"
    grey, alpha, deep = (folder / f"x{i}.png" for i in range(3))
    write_png(grey, cv2.imread(str(grey), cv2.IMREAD_GRAYSCALE))
    write_png(alpha, np.dstack([cv2.imread(str(alpha)), np.zeros((HEIGHT + 8, WIDTH + 4), np.uint8)]))
    before = cv2.imread(str(deep))
    write_png(deep, before.astype(np.uint16) * 256 + 7)
    Image.open(folder / "x3.png").save(folder / "x3.JPG")
    (folder / "x3.png").unlink()
    read = dataset(write_card(tmp_path))
    assert [sample["img"].ndim for sample in read] == [3] * 4
    np.testing.assert_array_equal(read[2]["img"], before)


def test_ids_of_16_bits(tmp_path: Path) -> None:
    ids = make_pairs(tmp_path / "data", values=(0, 300, 65535))
    classes = [{"name": "road", "ids": [0]}, {"name": "pothole", "ids": [65535]}]
    path = write_card(tmp_path, classes=classes, ignore=[300])
    for found, expected in zip(labels_of(path), ids, strict=True):
        np.testing.assert_array_equal(
            found, np.select([expected == 0, expected == 65535, expected == 300], [0, 1, 255])
        )
    with pytest.raises(InputError, match=r"masks/x0\.png holds ids 300, which no class has"):
        labels_of(write_card(tmp_path, classes=classes, ignore=[]))


def test_a_list_beside_the_file_is_found_where_root_is_a_link(tmp_path: Path, monkeypatch) -> None:
    make_pairs(tmp_path / "elsewhere" / "deep" / "download")
    (tmp_path / "data").symlink_to(tmp_path / "elsewhere" / "deep" / "download")
    (tmp_path / "names.txt").write_text("x1\nx3\n")
    split = {"images": "images", "labels": "masks", "list": "names.txt"}
    card = write_card(tmp_path, splits={"train": split, "val": split}, crop_size=[32, 32])
    monkeypatch.chdir(tmp_path)
    for place in (card, Path(card.name)):
        dataset = DATASETS.build(part(place)["train_dataloader"]["dataset"])
        assert [Path(dataset.get_data_info(i)["img_path"]).stem for i in range(len(dataset))] == ["x1", "x3"]


def test_several_colours_of_a_class(tmp_path: Path) -> None:
    ids = make_pairs(tmp_path / "data")
    for i, label in enumerate(ids):
        colors = np.array([COLORS.get(v, (0, 0, 0)) for v in range(256)], np.uint8)
        Image.fromarray(colors[label]).save(tmp_path / "data" / "masks" / f"x{i}.png")
    classes = [
        {"name": "road", "color": list(COLORS[0])},
        {"name": "other", "color": list(COLORS[1]), "other_colors": [list(COLORS[2])]},
    ]
    card = write_card(tmp_path, classes=classes, ignore=[list(COLORS[255])], label_colors=True)
    for found, expected in zip(labels_of(card), ids, strict=True):
        np.testing.assert_array_equal(found, as_classes(expected))
    twice = [classes[0], {**classes[1], "other_colors": [list(COLORS[0])]}]
    with pytest.raises(InputError, match=r"colour \[128, 64, 128\] is given twice"):
        part(write_card(tmp_path, classes=twice, ignore=[], label_colors=True))


def test_palette_images_hold_ids_whatever_their_colours(tmp_path: Path) -> None:
    ids = make_pairs(tmp_path / "data")
    for i, label in enumerate(ids):
        image = Image.fromarray(label)
        image.putpalette(np.random.default_rng(1).integers(0, 256, 768, np.uint8).tobytes())
        image.save(tmp_path / "data" / "masks" / f"x{i}.png")
    for found, expected in zip(labels_of(write_card(tmp_path)), ids, strict=True):
        np.testing.assert_array_equal(found, as_classes(expected))


COLORS = {0: (128, 64, 128), 1: (1, 2, 3), 2: (3, 2, 1), 255: (0, 0, 0)}
PAINTED = {
    "classes": [{"name": str(i), "color": list(COLORS[i])} for i in (0, 1, 2)],
    "ignore": [list(COLORS[255])],
    "label_colors": True,
}


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_painted_labels(tmp_path: Path, mode: str) -> None:
    ids = make_pairs(tmp_path / "data")
    for i, label in enumerate(ids):
        image = Image.fromarray(np.array([COLORS.get(v, (0, 0, 0)) for v in range(256)], np.uint8)[label])
        image = image.quantize(8) if mode == "P" else image.convert(mode)
        image.save(tmp_path / "data" / "masks" / f"x{i}.png")
    path = write_card(tmp_path, **PAINTED)
    for found, expected in zip(labels_of(path), ids, strict=True):
        np.testing.assert_array_equal(found, expected)  # its ids are the classes', and 255
    painted = np.full((HEIGHT, WIDTH, 3), (128, 64, 129), np.uint8)
    Image.fromarray(painted).save(tmp_path / "data" / "masks" / "x0.png")
    with pytest.raises(InputError, match=r"x0\.png holds colours \[128, 64, 129\], which no class has"):
        labels_of(path)


def test_another_id_is_an_error_even_255(tmp_path: Path) -> None:
    make_pairs(tmp_path / "data", values=(0, 1, 255, 254))
    with pytest.raises(InputError, match=r"x0\.png holds ids 254, 255, which no class has"):
        labels_of(write_card(tmp_path, ignore=[]))
    found = check_dataset(part(write_card(tmp_path))["train_dataloader"]["dataset"])
    assert len(found.problems) == 6
    assert "holds ids 254, which" in found.problems[0]


def test_254_classes_leave_room_for_what_is_ignored_and_unknown(tmp_path: Path) -> None:
    ids = make_pairs(tmp_path / "data", values=tuple(range(254)))
    classes = [{"name": f"c{i}", "ids": [253 - i]} for i in range(254)]
    path = write_card(tmp_path, classes=classes, ignore=[])
    for found, expected in zip(labels_of(path), ids, strict=True):
        np.testing.assert_array_equal(found, 253 - expected)
    write_png(tmp_path / "data" / "masks" / "x0.png", np.full((HEIGHT, WIDTH), 254, np.uint8))
    with pytest.raises(InputError, match="holds ids 254,"):
        labels_of(path)


def test_zero_can_be_ignored(tmp_path: Path) -> None:
    ids = make_pairs(tmp_path / "data", values=(0, 1, 2))
    classes = [{"name": "a", "ids": [1]}, {"name": "b", "ids": [2]}]
    for found, expected in zip(
        labels_of(write_card(tmp_path, classes=classes, ignore=[0])), ids, strict=True
    ):
        np.testing.assert_array_equal(found, expected - np.uint8(1))


def test_camvid_by_a_yaml_file_is_camvid(tmp_path: Path) -> None:
    make_camvid(tmp_path / "data")
    splits = {split: {"images": split, "labels": f"{split}annot"} for split in ("train", "val", "test")}
    names = CamVidDataset.METAINFO["classes"]
    classes = [{"name": name, "ids": [i]} for i, name in enumerate(names)]
    path = write_card(tmp_path, splits=splits, classes=classes, ignore=[11])
    for split in splits:
        ours = check_dataset(part(path)[f"{split}_dataloader"]["dataset"])
        theirs = check_dataset({"type": "CamVidDataset", "data_root": str(tmp_path / "data"), "split": split})
        assert ours.as_dict() == theirs.as_dict()


# pairs and lists


def test_suffixes_in_one_folder_and_in_nested_ones(tmp_path: Path) -> None:
    ids = make_pairs(tmp_path / "data")
    for folder, labels in ((".", "masks"), (".", ".")):
        for i in range(6):
            if folder == labels:
                (tmp_path / "data/masks" / f"x{i}_mask.png").rename(tmp_path / "data" / f"x{i}_mask.png")
            else:
                (tmp_path / "data/masks" / f"x{i}.png").rename(tmp_path / "data/masks" / f"x{i}_mask.png")
                (tmp_path / "data/images" / f"x{i}.png").rename(tmp_path / "data" / f"x{i}.png")
        split = {"images": folder, "labels": labels}
        path = write_card(tmp_path, splits={"train": split, "val": split}, label_suffix="_mask")
        for found, expected in zip(labels_of(path), ids, strict=True):
            np.testing.assert_array_equal(found, as_classes(expected))
        assert check_dataset(part(path)["train_dataloader"]["dataset"]).problems == []


def test_a_suffix_of_one_format_tells_images_from_labels(tmp_path: Path) -> None:
    ids = make_pairs(tmp_path / "data", ending=".jpg")
    for i in range(6):
        (tmp_path / "data/masks" / f"x{i}.png").rename(tmp_path / "data/images" / f"x{i}.png")
    split = {"images": "images", "labels": "images"}
    own = {"splits": {"train": split, "val": split}}
    with pytest.raises(InputError, match="images and labels are the same files"):
        read_card(write_card(tmp_path, **own))
    path = write_card(tmp_path, **own, image_suffix=".jpg", label_suffix=".png")
    np.testing.assert_array_equal(labels_of(path)[5], as_classes(ids[5]))


def test_an_unpaired_file_is_named(tmp_path: Path) -> None:
    make_pairs(tmp_path / "data")
    (tmp_path / "data/images/x1.png").unlink()
    (tmp_path / "data/masks/x2.png").unlink()
    problems = check_dataset(part(write_card(tmp_path))["train_dataloader"]["dataset"]).problems
    assert [("x2.png has no label" in line, "x1.png has no image" in line) for line in problems] == [
        (True, False),
        (False, True),
    ]


def test_a_list_of_names_and_a_list_of_pairs(tmp_path: Path) -> None:
    ids = make_pairs(tmp_path / "data")
    (tmp_path / "data/images/x0.png").rename(tmp_path / "data/images/x 0.png")
    (tmp_path / "names.txt").write_text("x4\n\nx1.png\n")
    (tmp_path / "pairs.txt").write_text("images/x 0.png\tmasks/x0.png\nimages/x3.png   masks/x3.png\n")
    splits = {
        "train": {"images": "images", "labels": "masks", "list": "names.txt"},
        "val": {"list": "pairs.txt"},
    }
    path = write_card(tmp_path, splits=splits)
    for split, numbers in (("train", (4, 1)), ("val", (0, 3)), ("test", (0, 3))):
        for found, number in zip(labels_of(path, split), numbers, strict=True):
            np.testing.assert_array_equal(found, as_classes(ids[number]))
        assert check_dataset(part(path)[f"{split}_dataloader"]["dataset"]).problems == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("images/x0.png\n", "line 1: 'images/x0.png' is not a pair"),
        ("\n\na b c\n", "line 3: 'a b c' is not a pair"),
        ("images/x0.png /etc/passwd", "leads out of the dataset's folder"),
        ("../x.png masks/x0.png", "leads out of the dataset's folder"),
        ("\n", "is empty"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_a_faulty_list_of_pairs(tmp_path: Path, text: str | bytes, says: str) -> None:
    make_pairs(tmp_path / "data")
    (tmp_path / "pairs.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    path = write_card(tmp_path, splits={**OWN["splits"], "val": {"list": "pairs.txt"}})
    with pytest.raises(InputError, match=r"pairs\.txt") as caught:
        dataset(path, "val")
    assert says in str(caught.value)


# sequences


def test_sequences_and_frames(tmp_path: Path) -> None:
    make_pairs(tmp_path / "data", 3)
    for kind in ("images", "masks"):
        for i in range(3):
            (tmp_path / "data" / kind / f"x{i}.png").rename(tmp_path / "data" / kind / f"a{i}_0{i}7.png")
    both = dataset(write_card(tmp_path, unit={"sequence": r"/([a-z])\d_(\d+)"}))
    assert [both.sequence_and_frame(i) for i in range(3)] == [("a", 7), ("a", 17), ("a", 27)]
    one = dataset(write_card(tmp_path, unit={"sequence": r"/([a-z])"}))
    assert [one.sequence_and_frame(i) for i in range(3)] == [("a", 0), ("a", 1), ("a", 2)]
    none = dataset(write_card(tmp_path))
    assert none.sequence_and_frame(1) == ("images/a1_017.png", 0)
    faulty = {
        r"/b(\d)": "does not fit 'images/a0_007.png'",
        r"/(a)|/(b)": "does not fit 'images/a0_007.png'",
        r"/(a)(\d_)": "group 2 of '/(a)(\\\\d_)' is '0_', not the number of a frame",
    }
    for pattern, says in faulty.items():
        with pytest.raises(InputError) as caught:
            dataset(write_card(tmp_path, unit={"sequence": pattern}))
        assert says in str(caught.value)
        assert str(caught.value).startswith(f"image {tmp_path}/data/images/a0_007.png")


def test_images_of_other_datasets_are_sequences_of_their_own(tmp_path: Path) -> None:
    make_camvid(tmp_path, images=2)
    camvid = DATASETS.build({"type": "CamVidDataset", "data_root": str(tmp_path), "split": "val"})
    assert [camvid.sequence_and_frame(i) for i in range(2)] == [
        ("val/val_000.png", 0),
        ("val/val_001.png", 0),
    ]


# the part of a config


def test_the_part_has_the_keys_of_a_dataset_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_pairs(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    found = part(write_card(tmp_path, unit={"sequence": "(x)"}, iterations=70, class_weight=[1, 2.5]))
    theirs = Config.fromfile(str(ROOT / "configs/_base_/datasets/camvid.py")).to_dict()
    assert found.keys() == (theirs.keys() - {"dataset_type", "data_root", "encoder_weight"}) | {
        "unit",
        "iterations",
        "val_interval",
    }
    assert (found["dataset"], found["num_classes"], found["class_weight"]) == ("potholes", 2, [1, 2.5])
    assert found["train_images"] == 6
    assert (found["unit"], found["iterations"], found["val_interval"]) == ({"sequence": "(x)"}, 70, 500)
    settings = found["train_dataloader"]["dataset"]
    assert (settings["data_root"], settings["ids"], settings["ignore"]) == ("data", [[0], [1, 2]], [255])
    assert found["test_dataloader"] == found["val_dataloader"]
    text = config_text(Config(found))
    again = Config(read_literals(text))
    (tmp_path / "potholes.yaml").unlink()
    assert config_text(again) == text
    assert len(DATASETS.build(again.train_dataloader.dataset)) == 6


def test_a_place_outside_of_the_current_folder_is_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_pairs(tmp_path / "data")
    (tmp_path / "here").mkdir()
    write_card(tmp_path)
    monkeypatch.chdir(tmp_path / "here")
    assert part(Path("../potholes.yaml"))["val_dataloader"]["dataset"]["data_root"] == str(tmp_path / "data")


def test_colours_that_are_missing_are_voc_s(tmp_path: Path) -> None:
    # The colour map as the VOC development kit prints it: aeroplane, bicycle, bird, ..., person (15).
    known = {1: [128, 0, 0], 2: [0, 128, 0], 3: [128, 128, 0], 8: [64, 0, 0], 15: [192, 128, 128]}
    assert {number: voc_color(number) for number in known} == known
    make_pairs(tmp_path / "data")
    classes = [
        {"name": "a", "ids": [0]},
        {"name": "b", "ids": [1], "color": [128, 0, 0]},
        {"name": "c", "ids": [2]},
    ]
    found = dataset(write_card(tmp_path, classes=classes))
    assert found.metainfo["palette"] == [[0, 128, 0], [128, 0, 0], [128, 128, 0]]
    assert found.metainfo["classes"] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("shapes", "crop"),
    [
        ([(360, 480)], (352, 480)),
        ([(1024, 2048)], (512, 1024)),
        ([(3000, 4000)], (512, 672)),
        ([(20, 20)], (32, 32)),
        ([(100, 200), (400, 300), (900, 500)], (384, 288)),
        ([(500, 4000)], (128, 1024)),
    ],
)
def test_the_crop_follows_the_images(tmp_path: Path, shapes: list, crop: tuple) -> None:
    for i, shape in enumerate(shapes):
        write_png(tmp_path / f"data/images/x{i}.png", np.zeros(shape, np.uint8))
        write_png(tmp_path / f"data/masks/x{i}.png", np.zeros(shape, np.uint8))
    assert part(write_card(tmp_path))["crop_size"] == crop
    assert part(write_card(tmp_path, crop_size=[64, 96]))["crop_size"] == (64, 96)


def test_the_crop_is_found_by_few_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_pairs(tmp_path / "data", 200)
    opened = []
    real = Image.open
    monkeypatch.setattr("lednet_mm.datasets.card.Image.open", lambda path: opened.append(path) or real(path))
    part(write_card(tmp_path))
    assert 64 <= len(opened) <= 67


def test_no_size_at_all(tmp_path: Path) -> None:
    make_pairs(tmp_path / "data", 2)
    for image in (tmp_path / "data/images").iterdir():
        image.write_bytes(b"no image")
    with pytest.raises(InputError, match=r"splits.train: no image has a readable size \(2 files"):
        part(write_card(tmp_path))


def test_the_pipelines_give_what_networks_take(tmp_path: Path) -> None:
    make_pairs(tmp_path / "data")
    found = part(write_card(tmp_path, crop_size=[64, 96]))
    train = DATASETS.build(found["train_dataloader"]["dataset"])
    assert {tuple(train[i]["inputs"].shape) for i in range(6)} == {(3, 64, 96)}
    val = DATASETS.build(found["val_dataloader"]["dataset"])
    for i in range(6):
        sample = val[i]
        height, width = sample["inputs"].shape[1:]
        assert height % 32 == width % 32 == 0
        assert sample["data_samples"].gt_sem_seg.data.shape[1:] == sample["data_samples"].ori_shape


def test_the_cache_keeps_translations_apart(tmp_path: Path) -> None:
    ids = make_pairs(tmp_path / "data")
    swapped = [{"name": "a", "ids": [1, 2]}, {"name": "b", "ids": [0]}]
    for classes in (OWN["classes"], swapped, OWN["classes"]):
        settings = part(write_card(tmp_path, classes=classes))["train_dataloader"]["dataset"]
        cached = DATASETS.build({**settings, "pipeline": LOAD, "cache_dir": str(tmp_path / "cache")})
        expected = as_classes(ids[2])
        if classes is swapped:
            expected = np.where(expected == 255, 255, 1 - expected)
        np.testing.assert_array_equal(cached[2]["gt_seg_map"], expected)
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_cards_need_neither_pytorch_nor_numpy(tmp_path: Path) -> None:
    make_pairs(tmp_path / "data")
    path = write_card(tmp_path)
    code = (
        "import sys\n"
        "for name in ('torch', 'numpy', 'mmengine', 'mmcv', 'mmseg', 'cv2'): sys.modules[name] = None\n"
        "from lednet_mm.datasets.card import config_of, read_card\n"
        "print(config_of(read_card(sys.argv[1]))['crop_size'])"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")


NETWORK = """
_base_ = [{network!r}, {recipe!r}]
{part}
model = dict(num_classes=num_classes, class_weight=class_weight)
model.update(data_preprocessor=dict(_base_.data_preprocessor, size=crop_size))
train_cfg = dict(type="IterBasedTrainLoop", max_iters=2, val_interval=2)
default_hooks = dict(checkpoint=dict(interval=2))
"""


@pytest.mark.thorough
def test_lednet_trains_is_tested_and_predicts(tmp_path: Path, tool) -> None:
    make_pairs(tmp_path / "data")
    card = write_card(tmp_path, crop_size=[64, 64])
    found = part(card)
    found["train_dataloader"]["batch_size"] = 2
    base = ROOT / "configs" / "_base_"
    config = tmp_path / "own.py"
    text = NETWORK.format(
        network=str(base / "networks" / "lednet.py"),
        recipe=str(base / "recipes" / "common.py"),
        part="".join(f"{key} = {pprint.pformat(value)}\n" for key, value in found.items()),
    )
    config.write_text(text)
    card.unlink()  # nothing needs it any more
    work = tmp_path / "run"
    done = tool("train", config, "--work-dir", work)
    assert done.status == 0, done.err
    for options in ([], ["--tta"]):
        done = tool("test", config, work / "iter_2.pth", "--work-dir", work, *options)
        assert done.status == 0, done.err
        assert "pothole" in done.out
    out = tmp_path / "pictures"
    done = tool(
        "predict", config, work / "iter_2.pth", tmp_path / "data/images", "--out", out, "--as", "color"
    )
    assert done.status == 0, done.err
    colors = {tuple(c) for p in out.iterdir() for c in np.unique(cv2.imread(str(p)).reshape(-1, 3), axis=0)}
    assert colors <= {(128, 64, 128), (0, 0, 128)}  # blue, green, red


# the file


def test_what_is_written_is_read(tmp_path: Path) -> None:
    make_pairs(tmp_path / "data")
    (tmp_path / "potholes.yaml").write_text(
        """
name: potholes
root: data
splits:
  train: {images: images, labels: masks}
  val:   {images: images, labels: masks}
classes:
  - {name: road, ids: [0], color: [128, 64, 128]}
  - {name: pothole, ids: [1, 2]}
ignore: [255]
label_colors: false
unit: image
"""
    )
    card = read_card(tmp_path / "potholes.yaml")
    assert [entry.name for entry in card.classes] == ["road", "pothole"]
    assert card.palette == [[128, 64, 128], [128, 0, 0]]


def test_the_documented_file_is_read(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "datasets.md").read_text().split("```yaml\n")[1].split("```")[0]
    for folder in ("images/train", "images/val", "masks/train", "masks/val"):
        (tmp_path / "data" / "potholes" / folder).mkdir(parents=True)
    (tmp_path / "cards").mkdir()
    for folder in ("results", "labels"):
        (tmp_path / "pix2pixHD" / folder).mkdir(parents=True)
    (tmp_path / "cards" / "test.txt").write_text("")
    (tmp_path / "cards" / "potholes.yaml").write_text(text)
    card = read_card(tmp_path / "cards" / "potholes.yaml")
    assert card.model_fields_set == set(type(card).model_fields) - {"image_suffix"}
    defaults = {"root", "class_weight", "median_weight", "label_suffix", "ignore", "crop_size"}
    defaults |= {"extra", "get", "train_images"}
    for name in card.model_fields_set - defaults - {"name", "splits", "classes"}:
        assert getattr(card, name) == type(card).model_fields[name].default, (
            f"{name}: no default as documented"
        )


SPLIT = {"images": "images", "labels": "masks"}
ROAD = {"name": "road", "ids": [0]}
WRONG = {
    "an unknown key": ({"label_colours": True}, "unknown key 'label_colours'; did you mean label_colors?"),
    "an unknown key of a split": (
        {"splits": {"train": {"image": "images", "labels": "masks"}, "val": SPLIT}},
        "splits.train: unknown key 'image'; did you mean images",
    ),
    "an unknown split": (
        {"splits": {"train": SPLIT, "val": SPLIT, "valid": SPLIT}},
        "splits: unknown key 'valid'; did you mean val?",
    ),
    "an unknown key of a class": (
        {"classes": [ROAD, {"name": "b", "id": [1]}]},
        "classes[1]: unknown key 'id'; did you mean ids?",
    ),
    "no name": ({"name": None}, "name is missing"),
    "a name that is a path": ({"name": "../x"}, "name: a name has"),
    "no validation split": ({"splits": {"train": SPLIT}}, "splits: val is missing"),
    "images without labels": (
        {"splits": {"train": {"images": "images"}, "val": SPLIT}},
        "splits.train: give images and labels",
    ),
    "an empty split": ({"splits": {"train": {}, "val": SPLIT}}, "give images and labels, or a list"),
    "a missing root": ({"root": "nowhere"}, "root: "),
    "a missing folder": (
        {"splits": {"train": SPLIT, "val": {"images": "images", "labels": "mask"}}},
        "splits.val: labels: ",
    ),
    "a missing list": ({"splits": {"train": SPLIT, "val": {"list": "no.txt"}}}, "splits.val: list: "),
    "a folder outside of root": (
        {"splits": {"train": {"images": "../x", "labels": "masks"}, "val": SPLIT}},
        "splits.train.images: give a path below root",
    ),
    "an absolute folder": (
        {"splits": {"train": {"images": "/etc", "labels": "masks"}, "val": SPLIT}},
        "splits.train.images: give a path below root",
    ),
    "one class": ({"classes": [ROAD]}, "classes: List should have at least 2"),
    "255 classes": (
        {"classes": [{"name": f"c{i}", "ids": [i]} for i in range(255)]},
        "classes: List should have at most 254",
    ),
    "an id of two classes": (
        {"classes": [ROAD, {"name": "b", "ids": [1, 0]}]},
        "class 1 ('b'): id 0 is given twice, here and in class 0 ('road')",
    ),
    "an id twice in one class": (
        {"classes": [ROAD, {"name": "b", "ids": [1, 1]}]},
        "class 1 ('b'): id 1 is given twice",
    ),
    "an id of a class that is ignored": (
        {"ignore": [0]},
        "class 0 ('road'): id 0 is given twice, here and in ignore",
    ),
    "a name of two classes": (
        {"classes": [ROAD, {"name": "road", "ids": [1]}]},
        "class 1 ('road'): another class has this name",
    ),
    "a class without ids": ({"classes": [ROAD, {"name": "b"}]}, "class 1 ('b'): ids is missing"),
    "a class without a colour": (
        {**PAINTED, "classes": [{"name": "a", "color": [1, 1, 1]}, {"name": "b"}]},
        "class 1 ('b'): color is missing, by which labels are read",
    ),
    "ids of painted labels": (
        {**PAINTED, "classes": [*PAINTED["classes"], {"name": "b", "color": [9, 9, 9], "ids": [3]}]},
        "leave ids out, since label_colors is true",
    ),
    "a colour of two classes": (
        {**PAINTED, "classes": [{"name": "a", "color": [1, 1, 1]}, {"name": "b", "color": [1, 1, 1]}]},
        "class 1 ('b'): colour [1, 1, 1] is given twice, here and in class 0 ('a')",
    ),
    "ids ignored in painted labels": ({**PAINTED, "ignore": [255]}, "since label_colors is true"),
    "colours ignored in ids": ({"ignore": [[0, 0, 0]]}, "give ids"),
    "a colour of 256": (
        {"classes": [ROAD, {"name": "b", "ids": [1], "color": [0, 0, 256]}]},
        "classes[1].color[2]: ",
    ),
    "an id that is no number": ({"classes": [ROAD, {"name": "b", "ids": ["1"]}]}, "classes[1].ids[0]: "),
    "an id that is no list": ({"classes": [ROAD, {"name": "b", "ids": 1}]}, "classes[1].ids: "),
    "a negative id": ({"classes": [ROAD, {"name": "b", "ids": [-1]}]}, "classes[1].ids[0]: "),
    "a class that is a word": ({"classes": ["road", "pothole"]}, "classes[0]: give keys and values"),
    "a name that YAML takes for no": ({"classes": [ROAD, {"name": False, "ids": [1]}]}, "classes[1].name: "),
    "too few weights": ({"class_weight": [1.0]}, "class_weight: 1 weights for 2 classes"),
    "a weight of zero": ({"class_weight": [1.0, 0.0]}, "class_weight[1]: "),
    "an infinite weight": ({"class_weight": [1.0, float("inf")]}, "class_weight[1]: "),
    "a unit that is unknown": ({"unit": "frame"}, "unit: give image, or"),
    "a unit of no group": ({"unit": {"sequence": "x"}}, "unit: 'x' has 0 groups"),
    "a unit of three groups": ({"unit": {"sequence": "(x)(y)(z)"}}, "unit: '(x)(y)(z)' has 3 groups"),
    "a unit that is no expression": ({"unit": {"sequence": "(x"}}, "unit: '(x' is not a regular expression"),
    "a unit that is long": ({"unit": {"sequence": "(" + "x" * 300 + ")"}}, "unit: "),
    "a small crop": ({"crop_size": [8, 64]}, "crop_size[0]: "),
    "a crop of one number": ({"crop_size": [64]}, "crop_size: "),
    "no iterations": ({"iterations": 0}, "iterations: "),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_fault_is_one_clear_line(tmp_path: Path, what: str) -> None:
    changes, says = WRONG[what]
    make_pairs(tmp_path / "data", 1)
    path = write_card(tmp_path, **changes)
    with pytest.raises(InputError) as caught:
        read_card(path)
    line = str(caught.value)
    assert line.startswith(str(path))
    assert says in line
    assert "\n" not in line
    assert len(line) < 600


NO_CARD = {
    "an alias": ("a: &a [1]\nb: *a\n", "line 2: aliases"),
    "a million laughs": ("a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "line 2: aliases"),
    "a key that is given twice": ("name: a\nname: b\n", "line 2: 'name' is given twice"),
    "a Python object": ("name: !!python/object/apply:os.system ['touch EXECUTED']\n", "line 1: "),
    "no YAML": ("name: [\n", "line 2: "),
    "two documents": ("name: a\n---\nname: b\n", "line 2: "),
    "a number": ("7\n", "give keys and values here (name, splits,"),
    "nothing": ("", "give keys and values here"),
    "a list": ("- name: a\n", "give keys and values here"),
    "nested too deeply": ("[" * 5000, "nested too deeply"),
    "an odd date": ("name: 2020-13-45\n", "month"),
    "a number of too many digits": (f"name: {'9' * 5000}\n", "digits"),
    "no UTF-8": (b"name: \xff\n", "cannot be read"),
    "a control character": ("name: \x07\n", "cannot be read"),
    "too large": ("#" * (1 << 18) + "\n", "larger than 0.25 MiB"),
}


@pytest.mark.thorough
@pytest.mark.parametrize("what", NO_CARD)
def test_a_file_that_is_no_card(tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text, says = NO_CARD[what]
    path = tmp_path / "own.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError) as caught:
        read_card(path)
    line = str(caught.value)
    assert line.startswith(str(path))
    assert says in line
    assert "\n" not in line
    assert not (tmp_path / "EXECUTED").exists()


def test_a_file_that_is_missing_or_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file; `python tools/prepare_dataset\.py new"):
        read_card(tmp_path / "own.yaml")
    with pytest.raises(InputError, match="not a regular file"):
        read_card(tmp_path)


def test_settings_that_would_drop_a_class_are_refused(tmp_path: Path) -> None:
    make_pairs(tmp_path / "data")
    settings = part(write_card(tmp_path))["train_dataloader"]["dataset"]
    with pytest.raises(InputError, match="would drop the class 'road'"):
        DATASETS.build({**settings, "reduce_zero_label": True})


def test_median_frequency_weights() -> None:
    # Two images of 100 labelled pixels. a: 150 of 200, b: 40 of 200, c: 10 of 100, d: nowhere.
    found = median_frequency_weights([150, 40, 10, 0], [200, 200, 100, 0])
    assert found == [round(0.2 / 0.75, 4), 1.0, 2.0, 1.0]


def test_yaml_of_the_tests_is_what_users_write(tmp_path: Path) -> None:
    assert yaml.safe_load(write_card(tmp_path).read_text()) == OWN
