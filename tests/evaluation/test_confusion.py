"""Scores are compared with an independent count, pixel by pixel, by cityscapesScripts' definitions."""

import base64
import zlib

import numpy as np
import pytest
import torch

from lednet_mm.datasets.cityscapes import Cityscapes
from lednet_mm.errors import InputError
from lednet_mm.evaluation import confusion
from lednet_mm.evaluation.confusion import confusion_matrix, merge_classes, pack, scores, unpack
from lednet_mm.evaluation.metric import ConfusionMatrixMetric
from lednet_mm.statistics import class_iou


@pytest.fixture
def pair():
    random = np.random.default_rng(5)
    label = random.integers(0, 19, (40, 60)).astype(np.uint8)
    prediction = np.where(random.random(label.shape) < 0.7, label, random.integers(0, 19, label.shape))
    label[random.random(label.shape) < 0.1] = 255
    return prediction.astype(np.uint8), label


def iou_by_sets(prediction, label, ids):
    """Count one class (or category) with sets of pixels, as in the definition."""
    labelled = label != 255
    predicted = np.isin(prediction, ids) & labelled
    true = np.isin(label, ids) & labelled
    return (predicted & true).sum() / (predicted | true).sum()


def test_class_iou_is_the_definition(pair):
    matrix = confusion_matrix(*pair, 19)
    assert matrix.sum() == (pair[1] != 255).sum()
    assert class_iou(matrix) == pytest.approx([iou_by_sets(*pair, [c]) for c in range(19)], abs=1e-15)


def test_category_iou_is_the_definition(pair):
    categories = Cityscapes.METAINFO["categories"]
    expected = [iou_by_sets(*pair, ids) for ids in categories.values()]
    matrix = confusion_matrix(*pair, 19)
    assert class_iou(merge_classes(matrix, list(categories.values()))) == pytest.approx(expected, abs=1e-15)
    assert scores(matrix, categories)["category_iou_percent"] == pytest.approx(100 * np.mean(expected))


def test_a_class_that_does_not_occur_is_left_out():
    matrix = confusion_matrix(np.array([[0, 1]]), np.array([[0, 0]]), 3)
    assert class_iou(matrix)[:2] == pytest.approx([0.5, 0.0])
    assert np.isnan(class_iou(matrix)[2])
    assert scores(matrix)["miou_percent"] == pytest.approx(25)
    assert scores(matrix)["mean_accuracy_percent"] == pytest.approx(50)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, ">i4"])
def test_ids_of_any_type_and_layout_count_alike(dtype, pair, monkeypatch):
    expected = confusion_matrix(*pair, 19)
    assert expected.dtype == np.int64
    prediction, label = (ids.astype(dtype) for ids in pair)
    monkeypatch.setattr(confusion, "EXACT", 7)  # counted in many parts
    assert np.array_equal(confusion_matrix(prediction, label, 19), expected)
    assert np.array_equal(confusion_matrix(prediction.T, label.T, 19), expected)


@pytest.mark.parametrize("stray", [256, -1, 1 << 40])
def test_ids_beyond_8_bits_do_not_wrap(stray, pair):
    prediction = pair[0].astype(np.int64)
    prediction[3, 3] = stray
    with pytest.raises(ValueError, match=str(stray)):
        confusion_matrix(prediction, pair[1], 19)


def test_nothing_labelled_is_not_a_score():
    matrix = confusion_matrix(np.zeros((2, 2), int), np.full((2, 2), 255), 3)
    assert all(np.isnan(value) for value in scores(matrix).values())


@pytest.mark.parametrize(
    ("prediction", "label"), [([[0, 1]], [[0, 7]]), ([[0, 5]], [[0, 1]]), ([[0]], [[0, 1]]), ([[-1]], [[0]])]
)
def test_ids_out_of_range_and_other_shapes_are_refused(prediction, label):
    with pytest.raises(ValueError, match=r"ids|shape"):
        confusion_matrix(np.array(prediction), np.array(label), 3)


def test_an_output_that_is_no_class_is_a_miss_and_no_false_alarm(pair):
    prediction, label = pair
    prediction[::3] = 19
    prediction[1::3] = 20
    categories = Cityscapes.METAINFO["categories"]
    matrix = confusion_matrix(prediction, label, 19, num_outputs=21)
    assert matrix.shape == (19, 21)
    assert matrix.sum() == (label != 255).sum()
    assert class_iou(matrix) == pytest.approx([iou_by_sets(*pair, [c]) for c in range(19)], abs=1e-15)
    expected = [iou_by_sets(*pair, ids) for ids in categories.values()]
    result = scores(matrix, categories)
    assert result["category_iou_percent"] == pytest.approx(100 * np.mean(expected))
    right = (prediction == label).sum() / (label != 255).sum()
    assert result["pixel_accuracy_percent"] == pytest.approx(100 * right)
    assert (unpack(pack(matrix)) == matrix).all()
    with pytest.raises(ValueError, match="prediction ids"):
        confusion_matrix(prediction, label, 19, num_outputs=20)


def test_the_metric_takes_further_outputs():
    metric = ConfusionMatrixMetric(num_outputs=3)
    metric.dataset_meta = {"classes": ("road", "sky")}
    label, prediction = torch.tensor([[0, 0, 1, 1, 255, 255]]), torch.tensor([[0, 2, 1, 2, 2, 0]])
    sample = {"img_path": "a.png", "pred_sem_seg": {"data": prediction}, "gt_sem_seg": {"data": label}}
    metric.process({}, [sample])
    assert metric.evaluate(1) == {"mIoU": 50.0, "mAcc": 50.0, "aAcc": 50.0}
    assert metric.last.details()["class_iou_percent"] == {"road": 50.0, "sky": 50.0}


def test_thresholded_outputs_are_ids():
    metric = ConfusionMatrixMetric()
    metric.dataset_meta = {"classes": ("road", "sky")}
    label, prediction = torch.tensor([[[0, 0, 1, 1]]]), (torch.tensor([[[0.1, 0.9, 0.8, 0.7]]]) > 0.3).float()
    sample = {"img_path": "a.png", "pred_sem_seg": {"data": prediction}, "gt_sem_seg": {"data": label}}
    metric.process({}, [sample])
    assert metric.evaluate(1)["aAcc"] == 75.0


@pytest.mark.parametrize(
    ("prediction", "words"),
    [
        (torch.tensor([[[0.0, 0.5]]]), "prediction holds numbers of type float32"),
        (torch.tensor([[[0.0, float("nan")]]]), "prediction holds numbers of type float32"),
        (
            torch.tensor([[[0, 1, 0], [1, 0, 1]]]),
            "the prediction has 3x2 pixels and the label 2x1: put LoadLabels",
        ),
        (torch.tensor([[[0, 7]]]), "prediction ids up to 7 with 2 classes: compare the model's num_classes"),
    ],
)
def test_the_metric_names_the_image_that_does_not_fit(prediction, words):
    metric = ConfusionMatrixMetric()
    metric.dataset_meta = {"classes": ("road", "sky")}
    label = torch.tensor([[[0, 1]]])
    sample = {"img_path": "a.png", "pred_sem_seg": {"data": prediction}, "gt_sem_seg": {"data": label}}
    with pytest.raises(InputError) as caught:
        metric.process({}, [sample])
    assert str(caught.value).startswith("a.png: ")
    assert words in str(caught.value)


def bomb() -> str:
    return base64.b64encode(zlib.compress(bytes(1 << 24), 9)).decode()


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [1, 3, 3], "zlib_base64": bomb()},
        {"shape": [10**6, 10**6, 10**6]},
        {"shape": [-1, 3, 3]},
        {"shape": "333"},
        {"shape": [[3], 3]},
        {"shape": [7, 3, 2]},
        {"dtype": "<i8"},
        {"dtype": "object"},
        {"dtype": ["<i4"]},
        {"zlib_base64": None},
        {"zlib_base64": "ÿ"},
        pack(np.full((7, 3, 3), -1)),
    ],
)
def test_what_was_not_packed_here_is_not_unpacked(change):
    with pytest.raises(ValueError, match="damaged confusion matrices"):
        unpack({**pack(np.zeros((7, 3, 3), int)), **change})
    with pytest.raises(ValueError, match="damaged confusion matrices"):
        unpack({})


def test_packing_keeps_every_count():
    matrices = np.random.default_rng(0).integers(0, 10**6, (7, 11, 11))
    assert (unpack(pack(matrices)) == matrices).all()
    with pytest.raises(ValueError, match="damaged"):
        unpack({**pack(matrices), "zlib_base64": "AAAA"})
    with pytest.raises(ValueError, match="32 bits"):
        pack(np.array([[2**31]]))
