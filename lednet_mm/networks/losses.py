"""Losses that compare logits with labels pixel by pixel, with the same void pixels and class weights.

A recipe names one as ``loss``, and :class:`~lednet_mm.networks.segmentor.Segmentor` gives it to its heads.
MMSegmentation's are not used where they compute something else: its ``FocalLoss`` needs compiled operators
and sums over sigmoids, its ``DiceLoss`` counts predictions at void pixels, its ``LovaszLoss`` is no number
for a batch without labelled pixels, and its ``OhemCrossEntropy`` leaves out the easiest pixel of a batch of
which every pixel is to be kept. None of the losses here makes the CPU wait for the GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F


class PixelLoss(nn.Module):
    """The common part of the losses: their name in the log, their factor and the class weights.

    Args:
        class_weight: weight of each class; None weighs all classes equally.
        weighted_share: share of the training steps in which class weights apply, drawn at random from the
            seed of each step. LightNet's authors weigh classes in a fifth of the steps.
        loss_weight: factor of the loss (for an auxiliary head, for example).
        loss_name: name in the log, which must begin with ``loss_``.

    Attributes:
        takes_class_weight: whether the dataset's class weights are of use to this loss.
        progress: share of the training that is done, 0 to 1; ``ProgressHook`` sets it.
    """

    takes_class_weight: ClassVar[bool] = True
    _weights: Tensor | None

    def __init__(
        self,
        class_weight: Sequence[float] | None = None,
        weighted_share: float = 1.0,
        loss_weight: float = 1.0,
        loss_name: str = "loss_ce",
    ) -> None:
        super().__init__()
        self.class_weight = None if class_weight is None else list(class_weight)
        weights = None if class_weight is None else torch.tensor(self.class_weight, dtype=torch.float64)
        self.register_buffer("_weights", weights, persistent=False)
        self.weighted_share = weighted_share
        self.loss_weight = loss_weight
        self.loss_name = loss_name
        self.progress = 0.0

    def _weights_now(self, logits: Tensor) -> Tensor | None:
        """Return the class weights of this step in float32, even if the logits are not; None without any."""
        if self._weights is None:
            return None
        if self.training and self.weighted_share < 1 and float(torch.rand(())) >= self.weighted_share:
            return None
        return self._weights.to(torch.promote_types(logits.dtype, torch.float32))


def weight_of_pixels(weights: Tensor | None, label: Tensor, ignore_index: int) -> Tensor:
    """Return the weight of each pixel by its class, and 0 where there is no label.

    Boolean indexing is avoided, because it makes the CPU wait for the GPU.

    Args:
        weights: (classes,) weights; None gives 1 to every labelled pixel.
        label: (N, H, W) class ids; ``ignore_index`` marks pixels without a label.
        ignore_index: see ``label``.
    """
    labelled = label != ignore_index
    if weights is None:
        return labelled
    return F.pad(weights, (0, 1))[label.where(labelled, len(weights))]


def own_log_probability(logits: Tensor, label: Tensor, ignore_index: int) -> Tensor:
    """Return the logarithm of the probability that each pixel gives its own class; 0 without a label.

    Shapes: logits (N, classes, H, W), label (N, H, W) -> (N, H, W).
    """
    return -F.cross_entropy(logits, label, ignore_index=ignore_index, reduction="none")


@MODELS.register_module()
class WeightedCrossEntropy(PixelLoss):
    """Cross entropy as PyTorch's weighted mean over the labelled pixels, like in the authors' code.

    Args:
        label_smoothing: share of the target that is spread evenly over all classes (Szegedy et al.,
            arXiv:1512.00567), as PyTorch's ``cross_entropy`` defines it.
        kwargs: arguments of :class:`PixelLoss`.
    """

    def __init__(
        self, class_weight: Sequence[float] | None = None, label_smoothing: float = 0.0, **kwargs
    ) -> None:
        super().__init__(class_weight, **kwargs)
        self.label_smoothing = label_smoothing

    def forward(
        self, logits: Tensor, label: Tensor, weight: Tensor | None = None, ignore_index: int = 255
    ) -> Tensor:
        """Return the mean over labelled pixels.

        Args:
            logits: (N, classes, H, W) logits.
            label: (N, H, W) class ids; ``ignore_index`` marks pixels without a label.
            weight: (N, H, W) factors of the pixels, from mmseg's pixel samplers; None weighs all equally.
            ignore_index: see ``label``.
        """
        weights = self._weights_now(logits)
        share = weight_of_pixels(weights, label, ignore_index)

        def entropy(reduction: str) -> Tensor:
            return F.cross_entropy(
                logits,
                label,
                weights,
                ignore_index=ignore_index,
                reduction=reduction,
                label_smoothing=self.label_smoothing,
            )

        if weight is None:
            total = entropy("sum")
        else:
            total, share = (entropy("none") * weight).sum(), share * weight
        # A batch without labelled pixels gives 0, not 0/0.
        return self.loss_weight * total / share.sum().clamp(min=1e-6)


@MODELS.register_module()
class FocalCrossEntropy(PixelLoss):
    """Focal loss (Lin et al., ICCV 2017, arXiv:1708.02002): cross entropy times ``(1 - p)**gamma`` per pixel.

    Efficient-Segmentation-Networks applies the factor to the mean of the batch instead, which scales the
    gradient of all pixels alike and so prefers none.

    Args:
        gamma: exponent; 0 gives :class:`WeightedCrossEntropy`.
        kwargs: arguments of :class:`PixelLoss`.
    """

    def __init__(
        self,
        class_weight: Sequence[float] | None = None,
        gamma: float = 2.0,
        loss_name: str = "loss_focal",
        **kwargs,
    ) -> None:
        super().__init__(class_weight, loss_name=loss_name, **kwargs)
        self.gamma = gamma

    def forward(
        self, logits: Tensor, label: Tensor, weight: Tensor | None = None, ignore_index: int = 255
    ) -> Tensor:
        """Return the mean over labelled pixels; the arguments are those of :class:`WeightedCrossEntropy`."""
        own = own_log_probability(logits, label, ignore_index)
        share = weight_of_pixels(self._weights_now(logits), label, ignore_index)
        if weight is not None:
            share = share * weight
        # 1 - p without cancellation where p is almost 1
        losses = -own * (-torch.expm1(own)).clamp(min=1e-12) ** self.gamma
        return self.loss_weight * (losses * share).sum() / share.sum().clamp(min=1e-6)


@MODELS.register_module()
class OHEMCrossEntropy(PixelLoss):
    """Cross entropy of the hardest pixels of a batch (OHEM, arXiv:1604.03540), as DABNet's authors use it.

    Pixels count whose own class has at most a probability of ``threshold``, but at least a share of
    ``least`` of the pixels (all labelled ones, if there are fewer). ``ProbOhemCrossEntropy2d`` of DABNet and
    Efficient-Segmentation-Networks is the model.

    Args:
        threshold: largest probability of a hard pixel's own class.
        least: least share of the batch's pixels that count.
        kwargs: arguments of :class:`PixelLoss`.
    """

    def __init__(
        self,
        class_weight: Sequence[float] | None = None,
        threshold: float = 0.7,
        least: float = 1 / 16,
        loss_name: str = "loss_ohem",
        **kwargs,
    ) -> None:
        super().__init__(class_weight, loss_name=loss_name, **kwargs)
        self.threshold = threshold
        self.least = least

    def forward(
        self, logits: Tensor, label: Tensor, weight: Tensor | None = None, ignore_index: int = 255
    ) -> Tensor:
        """Return the mean over the hardest pixels; the arguments are those of the other losses."""
        share = weight_of_pixels(self._weights_now(logits), label, ignore_index)
        losses = -own_log_probability(logits, label, ignore_index)
        labelled = label != ignore_index
        with torch.no_grad():
            number = max(1, int(self.least * label.numel()))
            probability = (-losses).exp().where(labelled, torch.inf)
            last = probability.flatten().kthvalue(number).values
            share = share * (labelled & (probability <= last.clamp(min=self.threshold)))
            if weight is not None:
                share = share * weight
        return self.loss_weight * (losses * share).sum() / share.sum().clamp(min=1e-6)


@MODELS.register_module()
class BootstrappedCrossEntropy(PixelLoss):
    """Mean cross entropy of the hardest pixels of each image, of which there are fewer and fewer.

    LightNet's authors (github.com/linksense/LightNet, scripts/loss.py) train so: with class weights, the
    weighted losses decide which pixels are hardest and are divided by the number of pixels. Where an image
    has fewer labelled pixels than are asked for, all of them count; the authors' code fails there.

    Args:
        first: share of an image's pixels that count at the beginning.
        last: the least share, at the end.
        power: the share is ``max(last, first * (1 - progress)**power)``.
        kwargs: arguments of :class:`PixelLoss`.
    """

    def __init__(
        self,
        class_weight: Sequence[float] | None = None,
        first: float = 0.65,
        last: float = 0.16,
        power: float = 0.95,
        loss_name: str = "loss_bootstrapped",
        **kwargs,
    ) -> None:
        super().__init__(class_weight, loss_name=loss_name, **kwargs)
        self.first = first
        self.last = last
        self.power = power

    def kept(self, pixels: int) -> int:
        """Return how many of an image's pixels count now."""
        share = max(self.last, self.first * (1 - min(1.0, self.progress)) ** self.power)
        return min(pixels, max(1, round(share * pixels)))

    def forward(
        self, logits: Tensor, label: Tensor, weight: Tensor | None = None, ignore_index: int = 255
    ) -> Tensor:
        """Return the mean over images with labels; the arguments are those of the other losses."""
        weights = self._weights_now(logits)
        losses = F.cross_entropy(logits, label, weights, ignore_index=ignore_index, reduction="none")
        if weight is not None:
            losses = losses * weight
        labelled = (label != ignore_index).flatten(1)
        number = self.kept(labelled.shape[1])
        hardest = losses.flatten(1).where(labelled, -torch.inf).topk(number).values  # (N, number)
        counted = labelled.sum(1).clamp(max=number)
        of_images = hardest.where(hardest > -torch.inf, 0).sum(1) / counted.clamp(min=1)
        return self.loss_weight * of_images.sum() / (counted > 0).sum().clamp(min=1)


@MODELS.register_module()
class ClassBalancedCrossEntropy(PixelLoss):
    """Cross entropy weighted by the effective numbers of pixels (Cui et al., CVPR 2019, arXiv:1901.05555).

    The weight of a class with n labelled pixels in the batch is proportional to ``(1 - beta) / (1 -
    beta**n)``, and the weights of the classes that are present have a mean of 1. Efficient-Segmentation-
    Networks' loss of this name also takes its weights from the batch, but weighs a class by its frequency,
    which is the opposite of balancing.

    Args:
        beta: 0 weighs all classes equally, and close to 1 by their inverse frequency.
        kwargs: arguments of :class:`PixelLoss`; there are no class weights of the dataset.
    """

    takes_class_weight = False

    def __init__(self, beta: float = 0.9999, loss_name: str = "loss_balanced", **kwargs) -> None:
        super().__init__(loss_name=loss_name, **kwargs)
        self.beta = beta

    def forward(
        self, logits: Tensor, label: Tensor, weight: Tensor | None = None, ignore_index: int = 255
    ) -> Tensor:
        """Return the weighted mean; the arguments are those of the other losses."""
        classes = logits.shape[1]
        labels = label.where(label != ignore_index, classes).flatten()
        # Not bincount, which makes the CPU wait for the GPU.
        pixels = torch.zeros(classes + 1, dtype=torch.float64, device=label.device)
        pixels = pixels.scatter_add(0, labels, torch.ones_like(labels, dtype=torch.float64))[:classes]
        present = pixels > 0
        weights = (1 - self.beta) / (1 - self.beta**pixels).where(present, 1) * present
        weights = weights / weights.sum().clamp(min=1e-300) * present.sum()
        weights = weights.to(torch.promote_types(logits.dtype, torch.float32))
        share = weight_of_pixels(weights, label, ignore_index)
        if weight is not None:
            share = share * weight
        losses = -own_log_probability(logits, label, ignore_index)
        return self.loss_weight * (losses * share).sum() / share.sum().clamp(min=1e-6)


@MODELS.register_module()
class LovaszSoftmax(PixelLoss):
    """Lovász-Softmax loss of the batch over the classes in its labels (Berman et al., arXiv:1705.08790).

    Args:
        kwargs: arguments of :class:`PixelLoss`; there are no class weights, as the Jaccard index of a class
            does not depend on its frequency.
    """

    takes_class_weight = False

    def __init__(self, loss_name: str = "loss_lovasz", **kwargs) -> None:
        super().__init__(loss_name=loss_name, **kwargs)

    def forward(
        self, logits: Tensor, label: Tensor, weight: Tensor | None = None, ignore_index: int = 255
    ) -> Tensor:
        """Return the mean over the classes that occur; the arguments are those of the other losses."""
        counts = label != ignore_index if weight is None else (label != ignore_index) & (weight > 0)
        probabilities = logits.softmax(1)
        total, present = logits.new_zeros(()), torch.zeros((), dtype=torch.int64, device=logits.device)
        for number in range(logits.shape[1]):  # class by class, as the sorted copies would take much memory
            truth = (label == number) & counts
            # Pixels that do not count have an error of 0: they are sorted last and add nothing.
            errors = (truth.to(logits.dtype) - probabilities[:, number]).abs().where(counts, 0).flatten()
            ordered, places = errors.sort(descending=True)
            total = total + (ordered * jaccard_steps(truth.flatten()[places], ordered.dtype)).sum()
            present = present + truth.any()
        return self.loss_weight * total / present.clamp(min=1)


def jaccard_steps(truth: Tensor, dtype: torch.dtype) -> Tensor:
    """Return how much the Jaccard loss of one class grows with each further wrong pixel.

    Args:
        truth: (P,) bool, whether each pixel is of the class, in the order in which they become wrong.
        dtype: type of the result.

    Returns:
        (P,) the steps; all 0 if no pixel is of the class.
    """
    whole = truth.sum()
    found = truth.cumsum(0)  # whole numbers, since float32 cannot count beyond 2**24
    loss = 1 - (whole - found).to(dtype) / (whole + (~truth).cumsum(0)).clamp(min=1).to(dtype)
    return torch.diff(loss, prepend=loss.new_zeros(1)) * (whole > 0)


@MODELS.register_module()
class SoftDice(PixelLoss):
    """Dice loss of the batch over the classes in its labels (Milletari et al., arXiv:1606.04797).

    For each class it is ``1 - 2 sum(p g) / (sum(p p) + sum(g g))``, with probabilities p and truth g of all
    labelled pixels.

    Args:
        kwargs: arguments of :class:`PixelLoss`; there are no class weights.
    """

    takes_class_weight = False

    def __init__(self, loss_name: str = "loss_dice", **kwargs) -> None:
        super().__init__(loss_name=loss_name, **kwargs)

    def forward(
        self, logits: Tensor, label: Tensor, weight: Tensor | None = None, ignore_index: int = 255
    ) -> Tensor:
        """Return the mean over the classes that occur; the arguments are those of the other losses."""
        labelled = label != ignore_index
        factor = (labelled if weight is None else labelled * weight).unsqueeze(1)
        probabilities = logits.softmax(1)
        truth = F.one_hot(label.where(labelled, 0), logits.shape[1]).movedim(-1, 1)
        both, squares, areas = (
            (part * factor).sum((0, 2, 3)) for part in (probabilities * truth, probabilities.square(), truth)
        )
        present = areas > 0
        losses = (1 - 2 * both / (squares + areas).where(present, 1)) * present
        return self.loss_weight * losses.sum() / present.sum().clamp(min=1)
