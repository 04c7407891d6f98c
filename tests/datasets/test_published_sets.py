"""Published datasets that are YAML files here, each as a small copy in the layout of its download."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from mmseg.datasets import (
    ADE20KDataset,
    CityscapesDataset,
    MapillaryDataset_v1,
    MapillaryDataset_v2,
    PascalVOCDataset,
)
from mmseg.registry import DATASETS
from PIL import Image
from scipy.io import savemat

import lednet_mm.register  # noqa: F401
from lednet_mm import catalog
from lednet_mm.config import Choice, load_config, load_data_config
from lednet_mm.datasets.cityscapes import TO_TRAIN_ID
from lednet_mm.datasets.installing import read_sbd
from lednet_mm.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
CARDS = sorted((ROOT / "configs/_base_/datasets").glob("*.yaml"))
COLORS = {
    name: tuple(map(int, color.split()))
    for color, name in (
        line.split("\t") for line in (ROOT / "tests/data/camvid_label_colors.txt").read_text().splitlines()
    )
}
"""CamVid's own label_colors.txt."""

# SegNet's 11 classes of the 32 labels, in the order of its label ids (arXiv:1511.00561 and its code).
SEGNET = [
    {"Sky"},
    {"Archway", "Bridge", "Building", "Tunnel", "Wall"},
    {"Column_Pole", "TrafficCone"},
    {"LaneMkgsDriv", "LaneMkgsNonDriv", "Road"},
    {"ParkingBlock", "RoadShoulder", "Sidewalk"},
    {"Tree", "VegetationMisc"},
    {"Misc_Text", "SignSymbol", "TrafficLight"},
    {"Fence"},
    {"Car", "OtherMoving", "SUVPickupTruck", "Train", "Truck_Bus"},
    {"Animal", "CartLuggagePram", "Child", "Pedestrian"},
    {"Bicyclist", "MotorcycleScooter"},
]


LISTED = 2


@pytest.fixture
def configs(tmp_path, monkeypatch) -> Path:
    """Copy the cards, so that they expect their data in a folder of the test, and return it.

    Their lists are cut to two images of each split.
    """
    copy = tmp_path / "configs"
    shutil.copytree(ROOT / "configs/_base_/datasets", copy / "_base_/datasets")
    for listing in (copy / "_base_/datasets").glob("*.txt"):
        write_list(listing, listing.read_text().split()[:LISTED])
    for kind in ("networks", "recipes"):
        (copy / "_base_" / kind).symlink_to(ROOT / "configs/_base_" / kind)
    (copy / "_base_/runtime.py").symlink_to(ROOT / "configs/_base_/runtime.py")
    monkeypatch.setattr(catalog, "CONFIGS", copy)
    return tmp_path


def blocks(values, size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Make a label (height, width) of blocks in which all values occur."""
    height, width = size
    values = np.asarray(values)
    side = max(1, int(np.sqrt(height * width / (2 * len(values)))))
    rows, columns = -(-height // side), -(-width // side)
    cells = np.resize(np.random.default_rng(seed).permutation(values), rows * columns)
    return cells.reshape(rows, columns).repeat(side, 0).repeat(side, 1)[:height, :width]


def write(path: Path, array: np.ndarray, palette: list | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    if palette is not None:
        image.putpalette([channel for color in palette for channel in color])
    image.save(path)


def write_image(path: Path, size: tuple[int, int]) -> None:
    write(path, blocks(range(256), size, 1).astype(np.uint8)[..., None].repeat(3, 2))


def write_list(path: Path, names: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}\n" for name in names))


VOC_SIZES = {"2007_000032": (281, 500), "2007_000039": (375, 500), "2007_000033": (366, 500)}
VOC_VALUES = [*range(21), 255]
VOC_COLORS = [*PascalVOCDataset.METAINFO["palette"], *[[0, 0, 0]] * 234, [224, 224, 192]]


def make_voc(root: Path) -> dict[str, list[np.ndarray]]:
    """Labels are palette images whose objects have a border of 255."""
    found = {}
    for split, names in (("train", ["2007_000032", "2007_000039"]), ("val", ["2007_000033"])):
        write_list(root / f"ImageSets/Segmentation/{split}.txt", names)
        found[split] = [blocks(VOC_VALUES, VOC_SIZES[name]).astype(np.uint8) for name in names]
        for name, label in zip(names, found[split], strict=True):
            write_image(root / f"JPEGImages/{name}.jpg", label.shape)
            write(root / f"SegmentationClass/{name}.png", label, VOC_COLORS)
    write_image(root / "JPEGImages/2007_000027.jpg", (500, 486))  # of no list, as most of VOC's images
    return found


def make_ade20k(root: Path) -> dict[str, list[np.ndarray]]:
    """Labels are grey images; 0 is everything but the 150 classes."""
    found = {}
    for split, folder in (("train", "training"), ("val", "validation")):
        label = blocks(range(151), (512, 683))
        name = f"ADE_{split}_00000001"
        write_image(root / f"images/{folder}/{name}.jpg", label.shape)
        write(root / f"annotations/{folder}/{name}.png", label.astype(np.uint8))
        found[split] = [np.where(label == 0, 255, label - 1)]
    return found


def make_mapillary(root: Path, version: str, dataset: type) -> dict[str, list[np.ndarray]]:
    """Labels are palette images of many sizes; the last id is Unlabeled."""
    found = {}
    last = len(dataset.METAINFO["classes"]) - 1
    for split, folder, size in (("train", "training", (1944, 2592)), ("val", "validation", (1080, 1920))):
        label = blocks(range(last + 1), size)
        write_image(root / f"{folder}/images/_-0{split}.jpg", size)
        write(
            root / f"{folder}/{version}/labels/_-0{split}.png",
            label.astype(np.uint8),
            dataset.METAINFO["palette"],
        )
        found[split] = [np.where(label == last, 255, label)]
    return found


def make_kitti(root: Path) -> dict[str, list[np.ndarray]]:
    """Grey labels with Cityscapes' label ids; images have a few sizes."""
    found = {}
    for split, size in (("train", (375, 1242)), ("val", (370, 1224))):
        label = blocks(range(34), size)
        for name in listed_in(f"kitti_{split}.txt")[:LISTED]:
            write_image(root / f"training/image_2/{name}.png", size)
            write(root / f"training/semantic/{name}.png", label.astype(np.uint8))
        found[split] = [TO_TRAIN_ID[label]] * LISTED
    return found


def make_camvid(root: Path, classes: list[set[str]]) -> dict[str, list[np.ndarray]]:
    """Labels are RGB pictures."""
    of_name = {name: number for number, names in enumerate(classes) for name in names}
    names = sorted(COLORS)
    label = blocks(range(len(names)), (720, 960))
    painted = np.array([COLORS[name] for name in names], np.uint8)[label]
    expected = np.array([of_name.get(name, 255) for name in names])[label]
    for split in ("train", "val", "test"):
        for name in listed_in(f"camvid_{split}.txt")[:LISTED]:
            write_image(root / f"701_StillsRaw_full/{name}.png", label.shape)
            write(root / f"LabeledApproved_full/{name}_L.png", painted)
    return dict.fromkeys(("train", "val", "test"), [expected] * LISTED)


def listed_in(name: str) -> list[str]:
    return (ROOT / "configs/_base_/datasets" / name).read_text().split()


MAKERS = {
    "voc2012": make_voc,
    "ade20k": make_ade20k,
    "mapillary_v12": lambda root: make_mapillary(root, "v1.2", MapillaryDataset_v1),
    "mapillary_v20": lambda root: make_mapillary(root, "v2.0", MapillaryDataset_v2),
    "kitti": make_kitti,
    "camvid32": lambda root: make_camvid(root, [{name} for name in COLORS if name != "Void"]),
    "camvid_full": lambda root: make_camvid(root, SEGNET),
}


def test_every_card_has_a_small_copy():
    assert {path.stem for path in CARDS} == {*MAKERS, "voc2012_aug"}


@pytest.mark.thorough
@pytest.mark.parametrize("name", MAKERS)
def test_it_is_prepared_checked_and_read(configs, name, tool):
    expected = MAKERS[name](configs / "download")
    prepared = tool("prepare_dataset", name, configs / "download")
    assert prepared.status == 0, prepared.err + prepared.out
    for split, labels in expected.items():
        assert f"{split}: {len(labels)} images, 0 problems" in prepared.out
    assert "do not compare with others" in prepared.out  # so few images are not the original's
    config = load_data_config(Choice(name))
    for split, labels in expected.items():
        settings = {**config[f"{split}_dataloader"].dataset}
        settings["pipeline"] = [{"type": "LoadImage"}, {"type": "LoadLabels"}]
        dataset = DATASETS.build(settings)
        for sample, label in zip(dataset, labels, strict=True):
            np.testing.assert_array_equal(sample["gt_seg_map"], label)
        assert set(np.unique(labels[0])) == {*range(config.num_classes), 255}  # every class occurs
    np.random.seed(0)
    sample = DATASETS.build(config.train_dataloader.dataset)[0]
    assert sample["inputs"].shape == (3, *config.crop_size)


@pytest.mark.parametrize(
    ("name", "theirs", "left_out"),
    [
        ("voc2012", PascalVOCDataset, set()),
        ("voc2012_aug", PascalVOCDataset, set()),
        ("ade20k", ADE20KDataset, set()),
        ("mapillary_v12", MapillaryDataset_v1, {"Unlabeled"}),
        ("mapillary_v20", MapillaryDataset_v2, {"Unlabeled"}),
        ("kitti", CityscapesDataset, set()),
    ],
)
def test_classes_and_colours_are_mmsegmentations(name, theirs, left_out):
    card = yaml.safe_load((ROOT / f"configs/_base_/datasets/{name}.yaml").read_text())
    pairs = zip(theirs.METAINFO["classes"], theirs.METAINFO["palette"], strict=True)
    assert [(entry["name"], entry["color"]) for entry in card["classes"]] == [
        (title, list(color)) for title, color in pairs if title not in left_out
    ]


def test_colours_of_camvid_are_those_of_its_own_file():
    card = yaml.safe_load((ROOT / "configs/_base_/datasets/camvid32.yaml").read_text())
    assert {entry["name"]: tuple(entry["color"]) for entry in card["classes"]} == {
        name: color for name, color in COLORS.items() if name != "Void"
    }


def test_lists_of_camvid_and_kitti():
    for name, sizes in (
        ("camvid", {"train": 367, "val": 101, "test": 233}),  # SegNet's
        ("kitti", {"train": 160, "val": 40}),
    ):
        names = {split: listed_in(f"{name}_{split}.txt") for split in sizes}
        assert {split: len(listed) for split, listed in names.items()} == sizes
        assert len({one for listed in names.values() for one in listed}) == sum(sizes.values())
    assert [int(name[:6]) % 5 for name in listed_in("kitti_val.txt")] == [4] * 40


def test_voc_is_joined_with_sbd(configs, tool):
    voc, sbd = configs / "VOC2012", configs / "dataset"
    make_voc(voc)
    for name in ("2008_000002", "2008_000003"):
        write_image(voc / f"JPEGImages/{name}.jpg", (375, 500))
    of_sbd = {}
    # SBD has other labels for an image of VOC's train split, and one for an image of its val split.
    for number, name in enumerate(["2007_000032", "2007_000033", "2008_000002", "2008_000003"]):
        size = VOC_SIZES.get(name, (375, 500))
        of_sbd[name] = blocks(range(21), size, number).astype(np.uint8)
        (sbd / "cls").mkdir(parents=True, exist_ok=True)
        savemat(sbd / f"cls/{name}.mat", {"GTcls": {"Segmentation": of_sbd[name], "Boundaries": 0}})
    write_list(sbd / "train.txt", ["2007_000032", "2008_000002"])
    write_list(sbd / "val.txt", ["2007_000033", "2008_000003"])
    prepared = tool("prepare_dataset", "voc2012_aug", voc, "--sbd", sbd)
    assert prepared.status == 0, prepared.err + prepared.out
    assert "train: 4 images, 0 problems" in prepared.out
    config = load_data_config(Choice("voc2012_aug"))
    pipeline = [{"type": "LoadImage"}, {"type": "LoadLabels"}]
    train_set = DATASETS.build({**config.train_dataloader.dataset, "pipeline": pipeline})
    read = {Path(sample["img_path"]).stem: sample["gt_seg_map"] for sample in train_set}
    assert list(read) == ["2007_000032", "2007_000039", "2008_000002", "2008_000003"]
    assert (read["2007_000032"] == 255).any()  # VOC's own label, with its border
    for name in ("2008_000002", "2008_000003"):
        np.testing.assert_array_equal(read[name], of_sbd[name])
    again = tool("prepare_dataset", "voc2012_aug", voc, "--sbd", sbd)
    assert again.status == 2
    assert "voc2012_aug exists already" in again.err


@pytest.mark.parametrize("content", [b"", b"MATLAB 5.0" + bytes(300), "no map", 21])
def test_damaged_files_of_sbd_are_named(tmp_path, content):
    path = tmp_path / "x.mat"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        held = np.full((2, 2), content, np.uint8) if isinstance(content, int) else content
        savemat(path, {"GTcls": {"Segmentation": held}})
    with pytest.raises(InputError, match=f"label {path} "):
        read_sbd(path)


class TestWithoutTheData:
    """A card can be part of a config whose data are not there."""

    @pytest.mark.parametrize("card", CARDS, ids=lambda path: path.stem)
    def test_the_config_is_complete(self, configs, card):
        config = load_config(Choice("lednet", card.stem), imports=False)
        assert config.model.num_classes == config.num_classes > 10
        assert config.dataset == card.stem

    def test_what_is_missing_is_said(self, configs, tool):
        checked = tool("check_dataset", "kitti")
        assert checked.status == 2
        assert "kitti/training/image_2 is missing: get it with `python tools/prepare_dataset.py kitti" in (
            checked.err
        )

    def test_another_folder_is_refused(self, configs, tool):
        (configs / "images").mkdir()
        prepared = tool("prepare_dataset", "ade20k", configs)
        assert prepared.status == 2
        assert "is not ade20k as it is downloaded: it has no images/training, annotations/tr" in prepared.err
        assert not (configs / "data").exists()
