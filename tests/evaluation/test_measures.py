"""Calibration, boundary IoU and IoU by object size equal slow counts by their definitions."""

from collections import deque

import cv2
import numpy as np
import pytest
import torch
from scipy import ndimage

from lednet_mm.errors import InputError
from lednet_mm.evaluation.boundary import VOID, boundary_counts, boundary_scores, boundary_width
from lednet_mm.evaluation.calibration import calibration_counts, calibration_scores
from lednet_mm.evaluation.confusion import confusion_matrix, pack, unpack
from lednet_mm.evaluation.measures import MEASURES, Answer, check_measures
from lednet_mm.evaluation.metric import ConfusionMatrixMetric
from lednet_mm.evaluation.object_size import LIMITS, size_counts, size_scores
from lednet_mm.statistics import class_iou

CLASSES = 4


def blobs(random, shape=(60, 80), void=0.1):
    """Return a prediction and a label of irregular regions; some pixels of the label have none."""
    fields = random.normal(size=(CLASSES, *shape))
    label = ndimage.gaussian_filter(fields, (0, 3, 3)).argmax(0).astype(np.uint8)
    noisy = ndimage.gaussian_filter(fields + random.normal(size=fields.shape), (0, 3, 3))
    prediction = noisy.argmax(0).astype(np.uint8)
    unlabelled = ndimage.gaussian_filter(random.normal(size=shape), 4)
    label[unlabelled > np.quantile(unlabelled, 1 - void)] = VOID
    return np.where(label == VOID, VOID, prediction).astype(np.uint8), label


@pytest.fixture(params=range(4))
def pair(request):
    return blobs(np.random.default_rng(request.param))


# ---- calibration ----


def test_the_calibration_error_is_that_of_its_definition():
    """Guo et al.: sum over bins of |B| / n * |acc(B) - conf(B)|, with bins ((m - 1) / M, m / M]."""
    random = np.random.default_rng(0)
    confidence = random.random(5000).astype(np.float32)
    hits = random.random(5000) < confidence**2
    expected = 0.0
    for low in range(15):
        inside = (confidence > np.float64(low) / 15) & (confidence <= (low + 1) / 15)
        expected += inside.mean() * abs(hits[inside].mean() - confidence[inside].astype(float).mean())
    counts = sum(calibration_counts(confidence[i::3], hits[i::3]) for i in range(3))
    assert counts[0].sum() == 5000
    assert counts[2].sum() == hits.sum()
    found = calibration_scores(counts)
    assert found["ece_percent"] == pytest.approx(100 * expected, rel=1e-9)
    assert found["confidence_percent"] == pytest.approx(100 * confidence.astype(float).mean())


def test_confidences_at_the_ends_have_a_bin_and_others_are_refused():
    counts = calibration_counts(np.array([0.0, 1.0, 1.0], np.float32), np.array([False, True, True]))
    assert (counts[0, 0], counts[0, -1]) == (1, 2)
    assert np.isnan(calibration_scores(np.zeros((3, 15)))["ece_percent"])
    for wrong in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="0 to 1"):
            calibration_counts(np.array([wrong]), np.array([True]))


def sample_of(logits, label, prediction=None):
    prediction = logits.argmax(0, keepdim=True) if prediction is None else prediction
    return {
        "pred_sem_seg": {"data": prediction},
        "gt_sem_seg": {"data": torch.from_numpy(label.astype(np.int64))[None]},
        "seg_logits": {"data": logits},
        "img_path": "folder/image.png",
    }


def metric_of(*measures, classes=CLASSES, **options):
    metric = ConfusionMatrixMetric(measures=measures, **options)
    metric.dataset_meta = {"classes": [f"class {i}" for i in range(classes)]}
    return metric


def test_confidence_is_the_probability_of_the_predicted_class(pair):
    _, label = pair
    logits = 5 * torch.randn(CLASSES + 1, *label.shape, generator=torch.Generator().manual_seed(0))
    metric = metric_of("calibration", num_outputs=CLASSES + 1)
    metric.process({}, [sample_of(logits, label)])
    values = metric.evaluate(1)
    probabilities, chosen = logits.double().softmax(0).max(0)
    labelled = torch.from_numpy(label != VOID)
    expected = calibration_counts(
        probabilities[labelled].numpy(), (chosen.numpy() == label)[labelled.numpy()]
    )
    assert metric.last.measured["calibration"][0] == pytest.approx(expected, abs=1e-2)
    assert metric.last.values["ece_percent"] == pytest.approx(
        calibration_scores(expected)["ece_percent"], abs=1e-4
    )
    hits = metric.last.measured["calibration"][0, 2].sum()
    assert 100 * hits / labelled.sum() == pytest.approx(metric.last.values["pixel_accuracy_percent"])
    assert values["aAcc"] == pytest.approx(metric.last.values["pixel_accuracy_percent"], abs=1e-4)


def test_the_confidence_of_a_network_with_one_output():
    """MMSegmentation has applied a sigmoid to the output, and the threshold is 0.3."""
    probability = torch.tensor([[[0.9, 0.4], [0.2, 0.1]]])
    label = np.array([[1, 0], [0, 1]])
    metric = metric_of("calibration", classes=2)
    metric.process({}, [sample_of(probability, label, (probability > 0.3).float())])
    metric.evaluate(1)
    counts = metric.last.measured["calibration"][0]
    assert counts[1].sum() == pytest.approx(0.9 + 0.4 + 0.8 + 0.9)
    assert counts[2].sum() == 2


def test_calibration_without_logits_is_one_line():
    sample = sample_of(torch.zeros(CLASSES, 3, 3), np.zeros((3, 3), np.uint8))
    del sample["seg_logits"]
    with pytest.raises(InputError, match="class ids only"):
        metric_of("calibration").process({}, [sample])


# ---- boundary IoU ----


def authors_boundary(mask, dilation_ratio=0.02):
    """Compute the boundary as Cheng et al.'s published ``mask_to_boundary``: pad, erode, subtract."""
    height, width = mask.shape
    dilation = round(dilation_ratio * np.sqrt(height**2 + width**2))
    dilation = max(dilation, 1)
    padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    eroded = cv2.erode(padded, np.ones((3, 3), dtype=np.uint8), iterations=dilation)
    return mask - eroded[1 : height + 1, 1 : width + 1]


@pytest.mark.parametrize("shape", [(60, 80), (200, 150), (9, 200)])
def test_boundary_iou_is_that_of_the_authors_code(shape):
    prediction, label = blobs(np.random.default_rng(1), shape)
    counts = boundary_counts(prediction, label, CLASSES)
    for kind in range(CLASSES):
        ours, theirs = (authors_boundary((ids == kind).astype(np.uint8)) for ids in (prediction, label))
        assert counts[0, kind] == ((ours + theirs) == 2).sum()
        assert counts[1, kind] == ((ours + theirs) > 0).sum()
    iou = counts[0] / np.maximum(counts[1], 1)
    assert boundary_scores(counts)["boundary_iou_percent"] == pytest.approx(100 * iou[counts[1] > 0].mean())


def test_a_perfect_prediction_has_perfect_contours(pair):
    _, label = pair
    counts = boundary_counts(label, label, CLASSES)
    assert boundary_scores(counts)["boundary_iou_percent"] == 100
    assert boundary_width(360, 480) == 12
    assert boundary_width(3, 4) == 1
    nothing = np.full_like(label, VOID)
    assert np.isnan(boundary_scores(boundary_counts(nothing, nothing, CLASSES))["boundary_iou_percent"])


# ---- size of objects ----


def flood(mask):
    """Return the sets of a mask's pixels that are connected over edges and corners."""
    left = set(zip(*map(list, np.nonzero(mask)), strict=True))
    parts = []
    while left:
        waiting = deque([min(left)])
        left.discard(waiting[0])
        part = set()
        while waiting:
            y, x = waiting.popleft()
            part.add((y, x))
            for place in ((y + i, x + j) for i in (-1, 0, 1) for j in (-1, 0, 1)):
                if place in left:
                    left.discard(place)
                    waiting.append(place)
        parts.append(part)
    return parts


def by_definition(prediction, label):
    """Count with sets of pixels, as the module's docstring defines it."""
    area = label.size
    counts = np.zeros((3, 3, CLASSES), int)

    def size(part):
        return sum(len(part) >= limit * area for limit in LIMITS)

    for kind in range(CLASSES):
        objects, parts = flood(label == kind), flood(prediction == kind)
        for thing in objects:
            hit = sum(prediction[place] == kind for place in thing)
            counts[size(thing), :, kind] += [hit, len(thing), len(thing)]
        for part in parts:
            false = sum(label[place] != kind for place in part)
            overlaps = [len(part & thing) for thing in objects]
            best = int(np.argmax(overlaps)) if overlaps and max(overlaps) else None
            counts[size(part if best is None else objects[best]), 1, kind] += false
    return counts


def test_sizes_are_counted_as_defined(pair):
    prediction, label = pair
    counts = size_counts(prediction, label, CLASSES)
    assert np.array_equal(counts, by_definition(prediction, label))
    assert counts[:, 2].sum(-1).all(), "every size occurs"


def test_the_sizes_add_up_to_the_confusion_matrix(pair):
    prediction, label = pair
    counts = size_counts(prediction, label, CLASSES).sum(0)
    matrix = confusion_matrix(prediction, label, CLASSES, num_outputs=256)
    assert counts[0] / counts[1] == pytest.approx(class_iou(matrix), abs=1e-12)
    assert counts[2].sum() == matrix.sum()


def test_a_false_alarm_counts_in_the_object_it_belongs_to_or_in_its_own_size():
    label, prediction = np.zeros((100, 100), np.uint8), np.zeros((100, 100), np.uint8)
    label[10:15, 10:15] = 1  # 25 of 10,000 pixels: small
    prediction[10:15, 10:35] = 1  # covers it, with 100 false alarms
    prediction[60:80, 60:80] = 1  # 400 pixels without an object: large
    counts = size_counts(prediction, label, 2)
    assert counts[:, :, 1].tolist() == [[25, 125, 25], [0, 0, 0], [0, 400, 0]]
    assert size_scores(counts)["iou_small_percent"] == pytest.approx(20)
    # Class 1 has no large object, so the large false alarm only counts as a miss of class 0.
    assert size_scores(counts)["iou_large_percent"] == pytest.approx(100 * (9975 - 500) / 9975)
    assert np.isnan(size_scores(counts)["iou_medium_percent"])


# ---- all ----


def test_measures_are_kept_per_image_and_add_up(pair):
    prediction, label = pair
    metric = metric_of(*MEASURES)
    other = blobs(np.random.default_rng(9))
    for answer, truth in (pair, other):
        logits = torch.nn.functional.one_hot(torch.from_numpy(answer % VOID).long(), CLASSES).permute(2, 0, 1)
        metric.process({}, [sample_of(3 * logits.float(), truth)])
    metric.evaluate(2)
    details = metric.last.details()
    for name, measure in MEASURES.items():
        counts = unpack(details[f"per_image_{name}"])
        assert len(counts) == 2
        assert counts == pytest.approx(metric.last.measured[name])
        for key, value in measure.scores(counts.sum(0)).items():
            assert metric.last.values[key] == pytest.approx(value)
    assert (
        unpack(details["per_image_boundary"])[0].tolist()
        == boundary_counts(np.where(label == VOID, VOID, prediction % VOID), label, CLASSES).tolist()
    )


def test_another_id_for_no_label_is_understood(pair):
    prediction, label = pair
    shifted = np.where(label == VOID, 99, label)
    answer = Answer.of(prediction, shifted, None, CLASSES, 99)
    assert np.array_equal(answer.label, label)
    assert (answer.prediction[label == VOID] == VOID).all()
    with pytest.raises(ValueError, match="256 classes"):
        Answer.of(prediction, label, None, 256, 255)


def test_an_unknown_measure_is_named():
    with pytest.raises(InputError, match="did you mean object_size"):
        check_measures(["object_sizes"])


def test_packed_fractions_come_back_exactly_and_damage_is_found():
    counts = np.random.default_rng(0).random((2, 3, 15))
    packed = pack(counts)
    assert np.array_equal(unpack(packed), counts)
    for damaged in (pack(-counts), pack(np.full((1, 2), np.nan)), pack(np.full((1, 2), np.inf))):
        with pytest.raises(ValueError, match="damaged"):
            unpack(damaged)
    with pytest.raises(ValueError, match="damaged"):
        unpack({**packed, "dtype": "<i8"})
