"""The draft of a dataset's YAML file describes its folders and can be used unchanged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import lednet_mm.register  # noqa: F401
from lednet_mm.datasets.card import config_of, read_card
from lednet_mm.datasets.check import check_dataset
from lednet_mm.datasets.drafting import draft_card
from lednet_mm.errors import InputError
from tests.datasets.small_sets import HEIGHT, WIDTH, make_pairs, write_png


def draft(root: Path, images: str = "images", labels: str = "masks", seed: int = 0) -> tuple[dict, str]:
    """Write the draft of a set beside it, check that it describes a whole dataset, and return it."""
    out = root.parent / "own.yaml"
    files = draft_card(root / images, root / labels, out, seed)
    for path, text in files.items():
        path.write_text(text)
    part = config_of(read_card(out))
    for split in ("train", "val", "test"):
        assert check_dataset(part[f"{split}_dataloader"]["dataset"]).problems == []
    return yaml.safe_load(files[out]), files[out]


def comment_of(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if f"name: {name}," in line).split("#")[1].strip()


def test_ids_with_their_shares_and_255_ignored(tmp_path: Path) -> None:
    ids = make_pairs(tmp_path / "data", values=(0, 7, 255))
    found, text = draft(tmp_path / "data")
    assert [(entry["name"], entry["ids"]) for entry in found["classes"]] == [
        ("class_0", [0]),
        ("class_7", [7]),
    ]
    assert [entry["color"] for entry in found["classes"]] == [[128, 0, 0], [0, 128, 0]]
    assert found["ignore"] == [255]
    assert found["root"] == "data"
    whole = np.concatenate([label.ravel() for label in ids])
    assert comment_of(text, "class_7") == f"{(whole == 7).mean():.2%}, 6 of 6"


def test_binary_masks_are_two_classes(tmp_path: Path) -> None:
    make_pairs(tmp_path / "data", values=(0, 255))
    found, text = draft(tmp_path / "data")
    assert [entry["ids"] for entry in found["classes"]] == [[0], [255]]
    assert found["ignore"] == []
    assert "255 is taken for a class here" in text


def test_ids_of_16_bits(tmp_path: Path) -> None:
    make_pairs(tmp_path / "data", values=(1, 255, 4000))
    found, _ = draft(tmp_path / "data")
    assert [entry["ids"] for entry in found["classes"]] == [[1], [4000]]
    assert found["ignore"] == [255]


def test_palette_images_give_ids_and_their_colours(tmp_path: Path) -> None:
    for i, label in enumerate(make_pairs(tmp_path / "data")):
        image = Image.fromarray(label)
        image.putpalette([7, 8, 9, 30, 20, 10, 1, 1, 1, *[0] * 759])
        image.save(tmp_path / f"data/masks/x{i}.png")
    found, _ = draft(tmp_path / "data")
    assert [(entry["ids"], entry["color"]) for entry in found["classes"]] == [
        ([0], [7, 8, 9]),
        ([1], [30, 20, 10]),
        ([2], [1, 1, 1]),
    ]
    assert "label_colors" not in found


def test_painted_labels(tmp_path: Path) -> None:
    colors = np.array([[255, 0, 0], [0, 0, 0], [18, 52, 86]], np.uint8)
    for i, label in enumerate(make_pairs(tmp_path / "data", values=(0, 1, 2))):
        Image.fromarray(colors[label]).save(tmp_path / f"data/masks/x{i}.png")
    found, _ = draft(tmp_path / "data")
    assert found["label_colors"] is True
    assert [(entry["name"], entry["color"]) for entry in found["classes"]] == [
        ("color_000000", [0, 0, 0]),
        ("color_123456", [18, 52, 86]),
        ("color_ff0000", [255, 0, 0]),
    ]
    assert found["ignore"] == []


def test_subfolders_are_splits(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        make_pairs(tmp_path / "made", 2)
        for kind in ("images", "masks"):
            target = tmp_path / "data" / kind / split
            target.parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "made" / kind).rename(target)
        for i in range(2):
            (target / f"x{i}.png").rename(target / f"x{i}_mask.png")
    found, text = draft(tmp_path / "data")
    assert found["splits"] == {
        name: {"images": f"images/{folder}", "labels": f"masks/{folder}"}
        for name, folder in (("train", "train"), ("val", "valid"), ("test", "test"))
    }
    assert found["label_suffix"] == "_mask"
    assert "at random" not in text


def test_random_splits_are_whole_disjoint_and_follow_the_seed(tmp_path: Path) -> None:
    make_pairs(tmp_path / "data", 30)
    lists = {}
    for seed in (0, 0, 1):
        draft(tmp_path / "data", seed=seed)
        parts = [
            (tmp_path / f"own_{split}.txt").read_text().splitlines() for split in ("train", "val", "test")
        ]
        assert [len(lines) for lines in parts] == [24, 3, 3]
        assert sorted(line for lines in parts for line in lines) == sorted(
            f"images/x{i}.png\tmasks/x{i}.png" for i in range(30)
        )
        assert lists.setdefault(seed, parts) == parts
    assert lists[0] != lists[1]


@pytest.mark.parametrize("count", [2, 3])
def test_a_few_pairs(tmp_path: Path, count: int) -> None:
    make_pairs(tmp_path / "data", count)
    found, _ = draft(tmp_path / "data")
    assert list(found["splits"]) == ["train", "val", "test"][:count]


def test_suffixes_of_both_in_one_folder(tmp_path: Path) -> None:
    make_pairs(tmp_path / "data", 5)
    for i in range(5):
        (tmp_path / f"data/images/x{i}.png").rename(tmp_path / f"data/x{i}_leftImg8bit.png")
        (tmp_path / f"data/masks/x{i}.png").rename(tmp_path / f"data/masks/x{i}_gtFine_labelIds.png")
    found, _ = draft(tmp_path / "data", ".", "masks")
    assert len((tmp_path / "own_train.txt").read_text().splitlines()) == 3
    assert found["root"] == "data"


def test_links_and_names_with_signs_of_yaml(tmp_path: Path) -> None:
    make_pairs(tmp_path / "disk")
    (tmp_path / "disk" / "masks").rename(tmp_path / "disk" / 'm: "x" # [')
    (tmp_path / "data").symlink_to("disk")
    found, _ = draft(tmp_path / "data", "images", 'm: "x" # [')
    assert found["name"] == "own"


def fails(
    tmp_path: Path, says: str, images: str = "images", labels: str = "masks", out: str = "own.yaml"
) -> None:
    with pytest.raises(InputError) as caught:
        draft_card(tmp_path / images, tmp_path / labels, tmp_path / out)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_faults(tmp_path: Path) -> None:
    make_pairs(tmp_path)
    fails(tmp_path, "is not a folder", images="none")
    fails(tmp_path, "give a YAML file", out="images/x0.png")
    fails(tmp_path, "give a YAML file", out=".yaml")
    (tmp_path / "empty").mkdir()
    fails(tmp_path, "0 images have a label", labels="empty")
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "masks/x3.png")
    fails(tmp_path, "x3.png is painted in colours")
    write_png(tmp_path / "masks/x3.png", np.arange(300, dtype=np.uint16).reshape(15, 20))
    fails(tmp_path, "different ids, more than 254 classes")
    (tmp_path / "masks/x3.png").write_bytes(b"no image")
    fails(tmp_path, "x3.png is unreadable")
    (tmp_path / "masks/x3.png").unlink()
    (tmp_path / "images/x1.png").rename(tmp_path / "images/x\n1.png")
    (tmp_path / "masks/x1.png").rename(tmp_path / "masks/x\n1.png")
    with pytest.raises(InputError, match="characters that no list can hold"):
        draft_card(tmp_path / "images", tmp_path / "masks", tmp_path / "own.yaml")
