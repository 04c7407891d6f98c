"""The authors' released weights give the authors' figures; the files are in ../shared and data/camvid."""

from __future__ import annotations

from pathlib import Path

import pytest

from lednet_mm.checkpoints.convert import convert_checkpoint
from lednet_mm.config import load_config
from lednet_mm.datasets.cityscapes import find_label_ids, write_train_ids
from lednet_mm.training.testing import evaluate_checkpoint as run_test

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = ROOT.parent / "shared/checkpoints"
CITYSCAPES = ROOT.parent / "shared/data/cityscapes"
CAMVID = ROOT / "data/camvid"

RELEASED = {
    "espnet_p_2_q_8_camvid": ("espnet", 12),
    "espnet_p_2_q_3": ("espnet_q3", 20),
    "espnet_p_2_q_5": ("espnet_q5", 20),
    "espnet_p_2_q_8": ("espnet_q8", 20),
    "cgnet_m3n21_camvid": ("cgnet", 11),
}

# IoU (%) of the 11 classes on CamVid test by the authors' own code, and their mean.
CAMVID_TEST = {
    "espnet": ([91.57, 71.85, 27.61, 93.22, 77.95, 63.68, 31.41, 13.99, 75.18, 38.77, 43.70], 57.17),
    "cgnet": ([91.08, 79.75, 28.07, 94.65, 81.99, 74.87, 40.86, 34.78, 84.50, 52.71, 57.65], 65.54),
}


def released(name: str) -> Path:
    path = WEIGHTS / f"{name}.pth"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return path


@pytest.mark.parametrize("name", RELEASED)
def test_they_convert(name, tmp_path):
    network, num_classes = RELEASED[name]
    done = convert_checkpoint(network, released(name), tmp_path / "ours.pth")
    assert done.num_classes == num_classes


@pytest.mark.slow
@pytest.mark.parametrize("network", CAMVID_TEST)
def test_on_camvid(network, tmp_path, request, monkeypatch):
    if "slow" not in request.config.getoption("-m"):
        pytest.skip("a minute and more for 233 images: run with -m slow")
    name = next(name for name, (key, _) in RELEASED.items() if key == network and "camvid" in name)
    convert_checkpoint(network, released(name), tmp_path / "ours.pth")
    if not (CAMVID / "test").is_dir():
        pytest.skip(f"CamVid is not in {CAMVID}")
    monkeypatch.chdir(ROOT)
    config = load_config(f"configs/{network}_camvid_author.py")
    accuracy = run_test(config, tmp_path / "ours.pth", split="test", work_dir=tmp_path).accuracy
    by_class, mean = CAMVID_TEST[network]
    assert len(accuracy.images) == 233
    assert list(accuracy.details()["class_iou_percent"].values()) == pytest.approx(by_class, abs=0.05)
    assert accuracy.values["miou_percent"] == pytest.approx(mean, abs=0.05)


@pytest.mark.thorough
def test_on_a_cityscapes_image(tmp_path):
    convert_checkpoint("espnet_q8", released("espnet_p_2_q_8"), tmp_path / "ours.pth")
    labels = sorted(CITYSCAPES.glob("gtFine/val/*/*_labelIds.png"))
    if not labels:
        pytest.skip(f"no image of Cityscapes in {CITYSCAPES}")
    root = tmp_path / "cityscapes"
    for path in [*labels, *CITYSCAPES.glob("leftImg8bit/val/*/*.png")]:
        (root / path.relative_to(CITYSCAPES)).parent.mkdir(parents=True, exist_ok=True)
        (root / path.relative_to(CITYSCAPES)).symlink_to(path)
    write_train_ids(find_label_ids(root))
    options = {"val_dataloader.dataset.data_root": str(root)}
    config = load_config(ROOT / "configs/espnet_cityscapes_author.py", options)
    accuracy = run_test(config, tmp_path / "ours.pth", split="val", work_dir=tmp_path).accuracy
    iou = accuracy.details()["class_iou_percent"]
    # The authors' code gets 95.96 % of the pixels here; it enlarges labels, and we enlarge logits.
    assert accuracy.values["pixel_accuracy_percent"] == pytest.approx(95.96, abs=0.2)
    assert min(iou[name] for name in ("road", "building", "vegetation", "sky", "car")) > 90
