"""The deployment form of a network, which computes the same function of an image with less work.

Batch normalisation is folded into convolutions, dropout and parts that serve training only are removed, and a
network may be rewritten by its own file (:func:`~lednet_mm.layers.deployment.deployment_rewrite`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import torch
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn

from lednet_mm.deployment.folding import NORMS, fold_batch_norms, observe
from lednet_mm.deployment.inference import REFUSALS, input_channels
from lednet_mm.deployment.rounding import float32_products
from lednet_mm.errors import describe_error
from lednet_mm.layers.deployment import REWRITES, replace_modules
from lednet_mm.upstream.pytorch import DROPOUTS, tensors_in

DROPOUT = (*DROPOUTS, DropPath)

SHAPES = ((128, 192), (107, 157))
"""(height, width) of the images on which a network is observed: one with even maps and one with odd maps."""

TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-3}
"""Largest accepted difference of an output, relative to its spread; with half-precision weights it is 0.1."""


class Deployed(nn.Module):
    """A network in its deployment form.

    Attributes:
        kept_norms: name of each batch normalisation that could not be folded -> reason.

    Shapes: images (N, C, H, W) -> logits (N, num_classes, H, W).
    """

    def __init__(self, network: nn.Module, kept_norms: dict[str, str]) -> None:
        super().__init__()
        self.network = network
        self.kept_norms = kept_norms

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        return self.network(images)


def deploy(network: nn.Module, shapes: Sequence[tuple[int, int]] = SHAPES) -> Deployed:
    """Return a network's deployment form; the network itself is not changed.

    It accepts every size that the network accepts, exports and compiles like it, and is checked against it.

    Args:
        network: images (N, C, H, W) -> logits, like :class:`~lednet_mm.deployment.inference.Inference`.
        shapes: (height, width) of the images on which it is observed; sizes that it refuses are left out.

    Returns:
        A new module in evaluation mode whose parameters need no gradient.

    Raises:
        ValueError: the network accepts none of the shapes.
        RuntimeError: the outputs of the form and the network differ.
    """
    network = network.eval()
    images = list(_accepted(network, shapes))
    form = copy.deepcopy(network).requires_grad_(False)
    replace_modules(form, {m: nn.Identity() for m in form.modules() if isinstance(m, DROPOUT)})
    kept = fold_batch_norms(form, images)
    drop_unused(form, images)
    for rewrite in REWRITES:
        rewrite(form)
    left = {name for name, module in form.named_modules() if isinstance(module, NORMS)}
    deployed = Deployed(form, {name: why for name, why in kept.items() if name in left}).eval()
    for image in images:
        with float32_products(tf32=False):
            error = difference(network, deployed, image)
        if not error <= TOLERANCES.get(image.dtype, 0.1):
            raise RuntimeError(f"the deployment form differs by {error:.1e} of the output's spread")
    return deployed


def drop_unused(network: nn.Module, images: Sequence[Tensor]) -> None:
    """Replace by identities, in place, the parts whose values no run uses, as they serve training only."""
    runs = [observe(network, image)[0] for image in images]

    def is_used(module: nn.Module) -> bool:
        values = [*module.parameters(), *module.buffers()]
        return not values or any(run.uses[id(value)] for value in values for run in runs)

    replace_modules(network, {m: nn.Identity() for m in network.modules() if not is_used(m)})


@torch.no_grad()
def difference(network: nn.Module, other: nn.Module, images: Tensor) -> float:
    """Return the largest difference of two networks' outputs, relative to the spread of the first output."""
    worst = 0.0
    for expected, answer in zip(tensors_in(network(images)), tensors_in(other(images)), strict=True):
        spread = expected.std(correction=0).item() or 1.0
        worst = max(worst, (answer - expected).abs().max().item() / spread)
    return worst


def _accepted(network: nn.Module, shapes: Sequence[tuple[int, int]]) -> Iterator[Tensor]:
    """Yield random images of those shapes that the network accepts."""
    like = next(network.parameters())
    generator = torch.Generator().manual_seed(0)
    refused = ""
    accepted = 0
    for shape in shapes:
        image = torch.randn(1, input_channels(network), *shape, generator=generator).to(like)
        try:
            observe(network, image)
        except REFUSALS as error:  # it needs sizes of another multiple
            refused = describe_error(error)
        else:
            accepted += 1
            yield image.detach()
    if not accepted:
        raise ValueError(f"the network accepts no image of {list(shapes)}: {refused}")
