"""The comparison of two groups of runs equals slow counts; the command and its picture."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from mmseg.registry import MODELS

from lednet_mm.config import load_config
from lednet_mm.errors import InputError
from lednet_mm.evaluation.confusion import pack, scores
from lednet_mm.records import Run, new_record, write_record
from lednet_mm.reports.content import Content
from lednet_mm.reports.reading import read_evidence
from lednet_mm.reports.two_groups import compare_groups, find_groups
from lednet_mm.statistics import class_iou
from lednet_mm.studies.baseline import Baseline
from tests.conftest import ROOT
from tests.reports import made

CLASSES = ("road", "car", "sky")


def random_matrices(seed, images=40, quality=0.7, sizes=None):
    """Return (I, 3, 3) confusion matrices of noisy predictions; the third class is in half of the images."""
    random = np.random.default_rng(seed)
    truth = random.integers(250, 300, (images, 3))
    truth[::2, 2] = 0
    if sizes is not None:
        truth = truth * np.asarray(sizes)[:, None]
    hits = np.clip(random.normal(quality, 0.1, (images, 1)) + random.normal(0, 0.05, (images, 3)), 0, 1)
    matrices = np.zeros((images, 3, 3), np.int64)
    for row in range(3):
        wrong = np.round(truth[:, row] * (1 - hits[:, row])).astype(np.int64)
        matrices[:, row, row] = truth[:, row] - wrong
        matrices[:, row, (row + 1) % 3] = wrong
    return matrices


def write(folder, matrices, network="lednet", seed=0, **details):
    """Write the accuracy of a run into a folder of its own."""
    record = new_record(
        "accuracy",
        Run(network=network, dataset="camvid", seed=seed),
        made.CONFIG,
        scores(matrices.sum(0)),
        {
            "split": "test",
            "class_iou_percent": dict(zip(CLASSES, 100 * class_iou(matrices.sum(0)), strict=True)),
            "per_image_names": [f"{number}.png" for number in range(len(matrices))],
            "per_image_confusion": pack(matrices),
            **details,
        },
        made.PROVENANCE,
    )
    return write_record(record, folder / f"{network}_{seed}")


@pytest.fixture
def study(tmp_path):
    """Write two networks with three seeds each."""
    runs = {"lednet": [], "dabnet": []}
    for seed in range(3):
        for network, quality in (("lednet", 0.7), ("dabnet", 0.75)):
            runs[network].append(random_matrices(10 * seed + len(network), quality=quality))
            write(tmp_path, runs[network][-1], network, seed=seed)
    return tmp_path, {network: np.stack(matrices) for network, matrices in runs.items()}


def rows_by_name(found):
    return {row["what"]: row for row in found.table.rows}


def test_the_differences_are_those_of_the_report(study):
    folder, _ = study
    found = compare_groups(*find_groups(["lednet", "dabnet"], [str(folder)]))
    row = rows_by_name(found)["mIoU"]
    content = Content(read_evidence([folder]), baselines=[Baseline(network="lednet")])
    (expected,) = content.against_baselines.to_dict("records")
    assert (row["low"], row["high"]) == (expected["low_points"], expected["high_points"])
    assert row["difference"] == pytest.approx(expected["difference_points"])
    assert (row["seeds"], row["images"]) == (3, 40)
    assert any("(images: single images" in note for note in found.table.notes)


def test_frames_of_one_video_are_resampled_in_blocks(tmp_path):
    frames = [["a", number] for number in range(40)]
    for number, network in enumerate(("lednet", "dabnet")):
        write(tmp_path, random_matrices(number), network, per_image_frames=frames)
    found = compare_groups(*find_groups(["lednet", "dabnet"], [str(tmp_path)]))
    assert any("blocks of 9 consecutive frames within one sequence" in note for note in found.table.notes)
    write(tmp_path / "other", random_matrices(2), "erfnet", per_image_frames=[])
    with pytest.raises(InputError, match="which images belong together"):
        compare_groups(*find_groups(["lednet", "erfnet"], [str(tmp_path)]))


def naive_iou(matrix, kind):
    union = matrix[kind].sum() + matrix[:, kind].sum() - matrix[kind, kind]
    return 100 * matrix[kind, kind] / union


def test_classes_images_and_worst_images_are_as_defined(study):
    folder, runs = study
    found = compare_groups(*find_groups(["lednet", "dabnet"], [str(folder)]))
    rows = rows_by_name(found)
    for column, network in (("a_percent", "lednet"), ("b_percent", "dabnet")):
        for kind, name in enumerate(CLASSES):
            expected = np.mean([naive_iou(run.sum(0), kind) for run in runs[network]])
            assert rows[name][column] == pytest.approx(expected)
        by_image = [
            [np.mean([naive_iou(image, c) for c in range(3) if image[c].sum()]) for image in run]
            for run in runs[network]
        ]
        assert rows["mean of images"][column] == pytest.approx(np.mean(by_image))
        assert rows["worst 5% of images"][column] == pytest.approx(
            np.mean([np.mean(sorted(scores)[:2]) for scores in by_image])
        )
        picked = {image.name: image for image in found.images}
        means = np.mean(by_image, axis=0)
        for number in (0, 7, 39):
            image = picked[f"{number}.png"]
            value = image.ours if network == "lednet" else image.theirs
            assert value == pytest.approx(means[number])
    assert rows["sky"]["images"] == 20
    sizes = [abs(image.difference) for image in found.images]
    assert sizes == sorted(sizes, reverse=True)
    assert "image size" not in {row["part"] for row in found.table.rows}


def test_images_of_different_sizes_are_compared_by_size(tmp_path):
    sizes = np.repeat([1, 4, 16], 10)
    ours, theirs = (random_matrices(seed, 30, sizes=sizes) for seed in (1, 2))
    write(tmp_path, ours)
    write(tmp_path, theirs, "dabnet")
    rows = rows_by_name(compare_groups(*find_groups(["lednet", "dabnet"], [str(tmp_path)])))
    for number, name in enumerate(("small", "medium", "large")):
        row = rows[f"{name} images"]
        part = slice(10 * number, 10 * number + 10)
        for column, matrices in (("a_percent", ours), ("b_percent", theirs)):
            expected = np.mean([naive_iou(matrices[part].sum(0), kind) for kind in range(3)])
            assert row[column] == pytest.approx(expected)
        assert row["images"] == 10


def test_objects_are_compared_by_size_where_both_records_have_them(tmp_path):
    random = np.random.default_rng(0)
    matrices = random_matrices(0)
    counts = []
    for network in ("lednet", "dabnet"):
        pixels = random.integers(50, 99, (40, 3, 3))
        pixels[:, 0, 2] = 0  # no small object of the third class
        hits = random.integers(0, 50, (40, 3, 3)) * (pixels > 0)
        counts.append(np.stack([hits, pixels + random.integers(1, 9, (40, 3, 3)), pixels], axis=2))
        write(tmp_path, matrices, network, per_image_object_size=pack(counts[-1]))
    rows = rows_by_name(compare_groups(*find_groups(["lednet", "dabnet"], [str(tmp_path)])))
    for number, name in enumerate(("small", "medium", "large")):
        for column, images in zip(("a_percent", "b_percent"), counts, strict=True):
            hits, union, pixels = images.sum(0)[number]
            expected = 100 * np.mean((hits / union)[pixels > 0])
            assert rows[f"{name} objects"][column] == pytest.approx(expected)


def test_two_runs_of_different_seeds_are_a_pair(tmp_path):
    for seed, network in ((0, "lednet"), (5, "dabnet")):
        write(tmp_path, random_matrices(seed), network, seed=seed)
    folders = [str(tmp_path / "lednet_0"), str(tmp_path / "dabnet_5")]
    found = compare_groups(*find_groups(folders, []))
    assert any("of seed 0 and 5" in note for note in found.table.notes)
    assert rows_by_name(found)["mIoU"]["verdict"] in ("not resolved", "better (one seed)", "worse (one seed)")


def test_what_cannot_be_compared_is_one_line(study, tmp_path_factory):
    folder, _ = study
    with pytest.raises(InputError, match="several networks: name one of dabnet:default, lednet:default"):
        find_groups([str(folder), "lednet"], [str(folder)])
    with pytest.raises(InputError, match="did you mean lednet:default"):
        find_groups(["ledned", "lednet"], [str(folder)])
    with pytest.raises(InputError, match="no such folder"):
        find_groups(["work_dirs/none", "lednet"], [str(folder)])
    other = tmp_path_factory.mktemp("other")
    for seed in (7, 8):
        write(other, random_matrices(seed), "erfnet", seed=seed)
    with pytest.raises(InputError, match="no seed in common"):
        compare_groups(*find_groups(["lednet", "erfnet"], [str(folder), str(other)]))
    write(other, random_matrices(0, images=30), "cgnet")
    with pytest.raises(InputError, match="different images"):
        compare_groups(*find_groups(["lednet", "cgnet"], [str(folder), str(other)]))


@pytest.mark.thorough
def test_the_command_writes_what_it_prints_and_needs_no_pytorch(study, tmp_path):
    folder, _ = study
    program = (
        "import runpy, sys; sys.argv = sys.argv[1:]\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "finally: print('imported:', 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(ROOT / "tools/compare.py"), "lednet", "dabnet"]
    more = ["--in", str(folder), "--out", str(tmp_path / "out"), "--pictures", "0"]
    done = subprocess.run([*command, *more], capture_output=True, text=True, check=True)
    assert "imported: False" in done.stdout
    table = (tmp_path / "out/two_groups.md").read_text()
    assert "worst 5% of images" in table
    assert "worst 5% of images" in done.stdout
    assert (tmp_path / "out/two_groups.csv").read_text().startswith("dataset,split,part,what,images,seeds")
    again = subprocess.run([*command, *more], capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "--overwrite" in again.stderr


@pytest.mark.thorough
def test_the_picture_shows_both_predictions(small_config, tool, tmp_path):
    config = small_config()
    for seed, name in ((0, "a"), (1, "b")):
        torch.manual_seed(seed)
        model = MODELS.build(load_config(config).model)
        checkpoint = tmp_path / name / "weights.pth"
        checkpoint.parent.mkdir()
        torch.save({"state_dict": model.state_dict(), "meta": {"seed": seed}}, checkpoint)
        assert tool("test", config, checkpoint, "--work-dir", checkpoint.parent).status == 0
    command = ("compare", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "out", "--pictures", "1")
    outcome = tool(*command)
    assert outcome.status == 0, outcome.err
    picture = cv2.imread(str(tmp_path / "out/two_groups.png"))
    assert picture.shape[1] == 5 * 480 + 4 * 8
    colors = {tuple(color) for color in picture[40:260, -470:-10].reshape(-1, 3)[:, ::-1].tolist()}
    assert colors & {(230, 97, 0), (93, 58, 155), (190, 190, 190), (255, 255, 255)}

    (tmp_path / "a/weights.pth").rename(tmp_path / "elsewhere.pth")
    outcome = tool(*command, "--overwrite")
    assert outcome.status == 0, outcome.err
    assert "is not beside its records" in outcome.out
