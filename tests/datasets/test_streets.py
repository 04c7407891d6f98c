"""The generated streets are deterministic and complete, have all classes, and cannot be solved by colour."""

from __future__ import annotations

import hashlib
import multiprocessing
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

import lednet_mm.register  # noqa: F401
from lednet_mm.datasets.check import check_dataset
from lednet_mm.datasets.cityscapes import TO_TRAIN_ID
from lednet_mm.datasets.streets import StreetsDataset, generate_streets
from lednet_mm.datasets.streets.generation import FEATURED
from lednet_mm.datasets.streets.scene import draw_scene
from lednet_mm.errors import InputError
from lednet_mm.files import FolderLock
from tests.datasets.small_sets import make_camvid

SIZE = (128, 256)
SMALL = {"train": 5, "val": 3, "size": (48, 96)}


def contents(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def leftovers(folder: Path) -> list[str]:
    """Return the content of a folder without its locks, which stay."""
    return [path.name for path in folder.iterdir() if [p.name for p in path.iterdir()] != ["lock"]]


@pytest.fixture(scope="module")
def default_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("default") / "streets"
    assert generate_streets(root)
    return root


def pixels(root: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return all pixels of a split: colours (N, 3) and train ids (N,)."""
    images = [cv2.imread(str(path)) for path in sorted((root / "leftImg8bit" / split).rglob("*.png"))]
    labels = [cv2.imread(str(p), -1) for p in sorted((root / "gtFine" / split).rglob("*TrainIds.png"))]
    return np.stack(images).reshape(-1, 3), np.stack(labels).ravel()


def mean_iou(truth: np.ndarray, guess: np.ndarray) -> float:
    kept = truth != 255
    counts = np.bincount(truth[kept].astype(int) * 19 + guess[kept], minlength=361).reshape(19, 19)
    hits = np.diag(counts)
    return float(np.mean(hits / (counts.sum(0) + counts.sum(1) - hits)))


@pytest.mark.thorough
def test_same_bytes_for_any_number_of_workers(tmp_path: Path) -> None:
    for name, workers in (("a", 1), ("b", 1), ("c", 2)):
        assert generate_streets(tmp_path / name, **SMALL, workers=workers)
    assert contents(tmp_path / "a") == contents(tmp_path / "b") == contents(tmp_path / "c")
    generate_streets(tmp_path / "d", **SMALL, seed=1)
    assert not set(contents(tmp_path / "a").values()) & set(contents(tmp_path / "d").values())


def test_drawing_is_the_one_of_this_version() -> None:
    """This fails if any pixel changes: then raise VERSION in generation.py and put the new digest here."""
    digest = hashlib.sha256()
    for index, featured in enumerate(FEATURED):
        for array in draw_scene(np.random.default_rng(index), SIZE, featured):
            digest.update(array.tobytes())
    assert digest.hexdigest()[:16] == "6437d07cd5cab74d"


def test_an_image_does_not_depend_on_the_size_of_the_set(tmp_path: Path) -> None:
    generate_streets(tmp_path / "few", **SMALL)
    generate_streets(tmp_path / "more", **{**SMALL, "train": 7})
    few, more = contents(tmp_path / "few"), contents(tmp_path / "more")
    del few["streets.json"]
    assert few.items() <= more.items()


def test_nothing_is_done_twice_and_half_a_set_is_made_anew(tmp_path: Path) -> None:
    root = tmp_path / "streets"
    assert generate_streets(root, **SMALL)
    before = contents(root)
    assert not generate_streets(root, **SMALL)
    lost = next(root.rglob("*_leftImg8bit.png"))
    lost.unlink()
    (root / "notes.txt").write_text("mine")
    assert generate_streets(root, **SMALL)
    assert (root / "notes.txt").read_text() == "mine"
    (root / "notes.txt").unlink()
    assert contents(root) == before
    assert leftovers(tmp_path) == ["streets"]


@pytest.mark.parametrize("change", [{"val": 2}, {"size": (48, 64)}, {"seed": 1}])
def test_a_set_of_other_parameters_is_kept(tmp_path: Path, change: dict) -> None:
    root = tmp_path / "streets"
    generate_streets(root, **SMALL)
    (root / "notes.txt").write_text("mine")
    before = contents(root)
    (name,) = change
    with pytest.raises(InputError, match=f"other parameters \\({name} .* instead of .*which are kept"):
        generate_streets(root, **{**SMALL, **change})
    assert contents(root) == before


def test_an_interruption_leaves_the_old_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "streets"
    generate_streets(root, **SMALL)
    before = contents(root)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lednet_mm.datasets.streets.generation.draw_scene", interrupted)
    next(root.rglob("*_leftImg8bit.png")).rename(tmp_path / "kept.png")
    with pytest.raises(KeyboardInterrupt):
        generate_streets(root, **SMALL)
    (tmp_path / "kept.png").rename(root / next(iter(before.keys() - contents(root).keys())))
    assert contents(root) == before
    with pytest.raises(KeyboardInterrupt):
        generate_streets(tmp_path / "new", **SMALL)
    assert leftovers(tmp_path) == ["streets"]


@pytest.mark.thorough
def test_two_processes_make_one_set(tmp_path: Path) -> None:
    root, fork = tmp_path / "streets", multiprocessing.get_context("fork")
    made = fork.Queue()
    processes = [
        fork.Process(target=lambda: made.put(generate_streets(root, **SMALL)), daemon=True) for _ in range(3)
    ]
    with FolderLock.take(tmp_path / ".streets.lock"):  # so that all have begun before one can make it
        for process in processes:
            process.start()
        time.sleep(0.5)
        assert not root.exists()
        assert all(process.is_alive() for process in processes)
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert sorted(made.get(timeout=5) for _ in processes) == [False, False, True]
    generate_streets(tmp_path / "other", **SMALL)
    assert contents(root) == contents(tmp_path / "other")
    assert sorted(leftovers(tmp_path)) == ["other", "streets"]


def test_other_peoples_folders_are_left_alone(tmp_path: Path) -> None:
    root = make_camvid(tmp_path)
    before = contents(root)
    with pytest.raises(InputError, match="something other than generated streets"):
        generate_streets(root)
    assert contents(root) == before
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="something other than generated streets"):
        generate_streets(tmp_path / "file")
    for wrong in ({"train": 0}, {"size": (0, 64)}, {"seed": -1}, {"workers": 0}):
        with pytest.raises(InputError, match=r"do not make a dataset|give at least 1 worker"):
            generate_streets(tmp_path / "none", **wrong)


@pytest.mark.thorough
def test_default_set_is_whole_and_holds_every_class(default_set: Path) -> None:
    for split, images in (("train", 200), ("val", 60)):
        summary = check_dataset(StreetsDataset(data_root=str(default_set), split=split))
        assert summary.problems == []
        assert summary.images == images
        assert summary.image_sizes == {SIZE: images}
        assert summary.absent_classes == []
        assert summary.class_pixels.min() > 2000
        assert summary.ignored_pixels > 0
    for path in (default_set / "gtFine/val").rglob("*_labelIds.png"):
        made = cv2.imread(str(path).replace("labelIds", "labelTrainIds"), -1)
        np.testing.assert_array_equal(made, TO_TRAIN_ID[cv2.imread(str(path), -1)])


@pytest.mark.thorough
def test_neither_colour_nor_a_constant_guess_solves_it(default_set: Path) -> None:
    """A classifier by colour alone (32 levels per channel) reaches 0.08; road everywhere reaches 0.016."""
    colours, truth = pixels(default_set, "train")
    val_colours, val_truth = pixels(default_set, "val")
    kept = truth != 255

    def bins(values: np.ndarray) -> np.ndarray:
        return (values >> 3).astype(int) @ np.array([1024, 32, 1])

    seen = np.bincount(bins(colours[kept]) * 19 + truth[kept], minlength=32**3 * 19).reshape(-1, 19) + 1e-3
    for weight in (1, seen.sum(0) ** -0.5, 1 / seen.sum(0)):
        guess = (seen * weight).argmax(1)[bins(val_colours)]
        assert mean_iou(val_truth, guess) < 0.12
    assert mean_iou(val_truth, np.zeros_like(val_truth, int)) < 0.03
