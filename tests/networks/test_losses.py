"""Losses against formulas that are written out pixel by pixel in NumPy, values and gradients."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
import torch
from mmseg.models.losses import DiceLoss, LovaszLoss, OhemCrossEntropy
from mmseg.registry import MODELS
from torch.nn import functional as F

from lednet_mm.networks.losses import (
    BootstrappedCrossEntropy,
    ClassBalancedCrossEntropy,
    FocalCrossEntropy,
    LovaszSoftmax,
    OHEMCrossEntropy,
    PixelLoss,
    SoftDice,
    WeightedCrossEntropy,
)

VOID = 255
WEIGHTS = [0.5, 2.0, 1.0, 3.0]
C = len(WEIGHTS)


@pytest.fixture
def batch() -> tuple[np.ndarray, np.ndarray]:
    """Logits (2, 4, 3, 4) and labels (2, 3, 4) with void pixels; class 2 is absent."""
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, 3], (2, 3, 4), p=[0.6, 0.3, 0.1])
    labels[0, 0, :2] = VOID
    labels[1, 2, 3] = 3
    return 2 * rng.standard_normal((2, C, 3, 4)), labels


def pixels_of(logits, labels):
    """Yield image, probabilities of all classes and label of every labelled pixel."""
    for n, y, x in itertools.product(*map(range, labels.shape)):
        if labels[n, y, x] != VOID:
            powers = np.exp(logits[n, :, y, x] - logits[n, :, y, x].max())
            yield n, powers / powers.sum(), labels[n, y, x]


def smoothed(logits, labels, epsilon=0.1):
    """Szegedy et al.: the target is 1 - epsilon at the label plus epsilon / C everywhere."""
    total = weight = 0.0
    for _, p, label in pixels_of(logits, labels):
        target = np.full(C, epsilon / C)
        target[label] += 1 - epsilon
        total -= (target * WEIGHTS * np.log(p)).sum()
        weight += WEIGHTS[label]
    return total / weight


def focal(logits, labels, gamma=2.0):
    """Lin et al., equation 5, with the class's weight as alpha."""
    parts = [
        (WEIGHTS[label], -WEIGHTS[label] * (1 - p[label]) ** gamma * np.log(p[label]))
        for _, p, label in pixels_of(logits, labels)
    ]
    return sum(loss for _, loss in parts) / sum(weight for weight, _ in parts)


def ohem(logits, labels, threshold=0.3, least=0.4):
    """The pixels with p <= threshold, or the ``least`` share with the smallest p if that is more."""
    pixels = sorted(((p[label], label) for _, p, label in pixels_of(logits, labels)), key=lambda one: one[0])
    number = max(int(least * labels.size), sum(p <= threshold for p, _ in pixels))
    kept = pixels[:number]
    return sum(-WEIGHTS[c] * np.log(p) for p, c in kept) / sum(WEIGHTS[c] for _, c in kept)


def bootstrapped(logits, labels, kept=5):
    """LightNet: the mean of the ``kept`` largest weighted losses of each image, then of the images."""
    means = []
    for image in range(len(labels)):
        losses = [
            -WEIGHTS[label] * np.log(p[label]) for n, p, label in pixels_of(logits, labels) if n == image
        ]
        means.append(np.mean(sorted(losses, reverse=True)[:kept]))
    return np.mean(means)


def class_balanced(logits, labels, beta=0.9):
    """Cui et al., equation 9, over the classes that are there."""
    pixels = list(pixels_of(logits, labels))
    numbers = {c: sum(label == c for *_, label in pixels) for c in {label for *_, label in pixels}}
    weights = {c: (1 - beta) / (1 - beta**n) for c, n in numbers.items()}
    weights = {c: w * len(weights) / sum(weights.values()) for c, w in weights.items()}
    total = sum(-weights[label] * np.log(p[label]) for _, p, label in pixels)
    return total / sum(weights[label] for *_, label in pixels)


def lovasz(logits, labels):
    """Lovász's extension of the Jaccard loss by its definition: an integral over thresholds of the error."""
    pixels = list(pixels_of(logits, labels))
    losses = []
    for c in {label for *_, label in pixels}:
        truth = np.array([label == c for *_, label in pixels])
        errors = np.array([abs(is_c - p[c]) for is_c, (_, p, _) in zip(truth, pixels, strict=True)])
        value = 0.0
        levels = [0.0, *sorted(errors)]
        for low, high in itertools.pairwise(levels):
            wrong = errors > (low + high) / 2 if high > low else np.zeros_like(truth)
            jaccard_loss = wrong.sum() / (truth | wrong).sum()  # 1 - |truth without wrong| / |truth or wrong|
            value += (high - low) * jaccard_loss
        losses.append(value)
    return np.mean(losses)


def dice(logits, labels):
    """Milletari et al.: 1 - 2 sum(p g) / (sum(p p) + sum(g g)), for each class that is there."""
    pixels = list(pixels_of(logits, labels))
    losses = []
    for c in {label for *_, label in pixels}:
        both = sum(p[c] for _, p, label in pixels if label == c)
        squares = sum(p[c] ** 2 for _, p, _ in pixels)
        losses.append(1 - 2 * both / (squares + sum(label == c for *_, label in pixels)))
    return np.mean(losses)


CASES = {
    "label smoothing": (WeightedCrossEntropy(WEIGHTS, label_smoothing=0.1), smoothed),
    "focal": (FocalCrossEntropy(WEIGHTS, gamma=2.0), focal),
    "ohem, by threshold": (
        OHEMCrossEntropy(WEIGHTS, threshold=0.9, least=0.1),
        lambda logits, labels: ohem(logits, labels, 0.9, 0.1),
    ),
    "ohem, by number": (OHEMCrossEntropy(WEIGHTS, threshold=0.01, least=0.4), lambda *a: ohem(*a, 0.01, 0.4)),
    "bootstrapped": (BootstrappedCrossEntropy(WEIGHTS, first=5 / 12, last=0.1), bootstrapped),
    "class-balanced": (ClassBalancedCrossEntropy(beta=0.9), class_balanced),
    "lovasz": (LovaszSoftmax(), lovasz),
    "dice": (SoftDice(), dice),
}


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient(batch, name):
    loss, formula = CASES[name]
    logits, labels = batch
    ours = torch.tensor(logits, requires_grad=True)
    value = loss(ours, torch.tensor(labels))
    assert float(value.detach()) == pytest.approx(formula(logits, labels), rel=1e-9)
    value.backward()
    step = 1e-6
    for place in [(0, 0, 1, 1), (0, 1, 0, 0), (1, 3, 2, 3), (1, 2, 0, 1), (0, 3, 2, 2)]:
        change = np.zeros_like(logits)
        change[place] = step
        slope = (formula(logits + change, labels) - formula(logits - change, labels)) / (2 * step)
        assert float(ours.grad[place]) == pytest.approx(slope, rel=2e-5, abs=1e-8)
    assert torch.equal(ours.grad[0, :, 0, :2], torch.zeros(C, 2))  # void


@pytest.mark.parametrize("name", CASES)
def test_a_batch_of_void_gives_zero_and_no_gradient(name):
    logits = torch.randn(2, C, 3, 4, requires_grad=True)
    value = CASES[name][0](logits, torch.full((2, 3, 4), VOID))
    value.backward()
    assert float(value.detach()) == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


@pytest.mark.parametrize("name", CASES)
def test_pixels_that_a_sampler_leaves_out_are_void(batch, name):
    loss = CASES[name][0]
    logits, labels = map(torch.tensor, batch)
    picked = torch.arange(labels.numel()).reshape(labels.shape) % 3 > 0
    if name in ("bootstrapped", "class-balanced") or name.startswith("ohem"):
        return  # these choose or weigh pixels themselves, and a sampler's choice comes on top
    expected = loss(logits, labels.where(picked, VOID))
    torch.testing.assert_close(loss(logits, labels, weight=picked.double()), expected)


@pytest.mark.parametrize("name", CASES)
def test_nothing_waits_for_the_device(name):
    """On the device "meta", whatever reads a value or has a size that depends on values raises."""
    loss = CASES[name][0]
    logits = torch.randn(2, C, 3, 4, requires_grad=True, device="meta")
    labels = torch.zeros(2, 3, 4, dtype=torch.int64, device="meta")
    value = copy.deepcopy(loss).to("meta")(logits, labels)
    value.backward()
    assert value.is_meta
    assert value.shape == ()


def test_every_loss_is_registered_and_has_a_factor(batch):
    logits, labels = map(torch.tensor, batch)
    for kind in PixelLoss.__subclasses__():
        once, twice = (
            MODELS.build({"type": kind.__name__, "loss_weight": factor})(logits, labels) for factor in (1, 2)
        )
        assert MODELS.get(kind.__name__) is kind
        torch.testing.assert_close(twice, 2 * once)


def test_focal_without_gamma_is_cross_entropy(batch):
    logits, labels = map(torch.tensor, batch)
    expected = F.cross_entropy(logits, labels, torch.tensor(WEIGHTS).double(), ignore_index=VOID)
    torch.testing.assert_close(FocalCrossEntropy(WEIGHTS, gamma=0.0)(logits, labels), expected)


def test_fewer_and_fewer_pixels_count():
    loss = BootstrappedCrossEntropy(first=512 * 512 / (448 * 896), last=128 * 512 / (448 * 896), power=0.95)
    assert loss.kept(448 * 896) == 262144
    loss.progress = 0.5  # LightNet's t, before it is rounded down to a whole number
    assert loss.kept(448 * 896) == round(512 * 512 * 0.5**0.95)
    loss.progress = 1.0
    assert loss.kept(448 * 896) == 65536


def test_more_pixels_asked_for_than_labelled(batch):
    logits, labels = batch
    labels[0] = VOID
    labels[0, 1, 1] = 1
    found = BootstrappedCrossEntropy(WEIGHTS, first=0.5)(torch.tensor(logits), torch.tensor(labels))
    assert float(found) == pytest.approx(bootstrapped(logits, labels, 6), rel=1e-6)


def test_class_weights_apply_in_a_share_of_the_training_steps(batch):
    logits, labels = map(torch.tensor, batch)
    loss = BootstrappedCrossEntropy(WEIGHTS, weighted_share=0.2)
    values = []
    for seed in range(200):
        torch.manual_seed(seed)
        values.append(float(loss(logits, labels)))
    plain, weighted = (float(BootstrappedCrossEntropy(w)(logits, labels)) for w in (None, WEIGHTS))
    assert set(values) == {plain, weighted}
    assert 20 <= values.count(weighted) <= 60  # 40 expected, standard deviation 5.7
    assert float(loss.eval()(logits, labels)) == weighted


class TestWhatIsWrongElsewhere:
    """Why losses of MMSegmentation and of Efficient-Segmentation-Networks are not used."""

    def test_mmseg_dice_counts_predictions_at_void_pixels(self, batch):
        logits, labels = map(torch.tensor, batch)
        theirs = DiceLoss(use_sigmoid=False, ignore_index=None)
        changed = logits.clone()
        changed[0, :, 0, :2] = torch.tensor([9.0, 0, 0, 0]).reshape(C, 1)  # at void pixels alone
        assert abs(theirs(changed, labels) - theirs(logits, labels)) > 1e-3
        assert SoftDice()(changed, labels) == SoftDice()(logits, labels)

    def test_mmseg_lovasz_of_a_void_batch_is_no_number(self):
        void = torch.full((1, 3, 4), VOID)
        theirs = LovaszLoss(reduction="none")(torch.zeros(1, C, 3, 4), void, ignore_index=VOID)
        assert theirs.numel() == 0
        assert theirs.mean().isnan()

    def test_mmseg_lovasz_agrees_elsewhere(self, batch):
        logits, labels = torch.tensor(batch[0]).float(), torch.tensor(batch[1])
        theirs = LovaszLoss(reduction="none")(logits, labels, ignore_index=VOID)
        torch.testing.assert_close(LovaszSoftmax()(logits, labels), theirs)

    def test_mmseg_ohem_leaves_out_the_easiest_pixel_when_all_are_asked_for(self, batch):
        logits, labels = map(torch.tensor, batch)
        theirs = OhemCrossEntropy(thres=0.01, min_kept=labels.numel())(logits, labels)
        everything = F.cross_entropy(logits, labels, ignore_index=VOID)
        assert theirs > everything
        torch.testing.assert_close(OHEMCrossEntropy(threshold=0.01, least=1.0)(logits, labels), everything)

    def test_the_factor_of_a_mean_prefers_no_pixel(self, batch):
        """Efficient-Segmentation-Networks' focal loss only scales the gradient of cross entropy."""
        logits = torch.tensor(batch[0], requires_grad=True)
        labels = torch.tensor(batch[1])
        mean = F.cross_entropy(logits, labels, ignore_index=VOID)
        (plain,) = torch.autograd.grad(mean, logits, retain_graph=True)
        (theirs,) = torch.autograd.grad((1 - torch.exp(-mean)) ** 2 * 0.5 * mean, logits)
        (ours,) = torch.autograd.grad(FocalCrossEntropy()(logits, labels), logits)
        there = plain.abs() > 1e-9
        assert (theirs / plain)[there].std() < 1e-12
        assert (ours / plain)[there].std() > 0.05
