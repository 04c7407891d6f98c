"""The deployment form of a network: the same function of an image, with less work.

Batch normalisation is folded into convolutions, dropout and what serves training only are gone, and a network
is rewritten as its own file says (:func:`~lednet_mm.layers.deployment.deployment_rewrite`).
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
"""(height, width) of the images that a network is looked at with: of even maps, and of odd ones."""

TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-3}
"""Largest accepted difference of a value, relative to the spread of the output; 0.1 in half precision."""


class Deployed(nn.Module):
    """A network in its deployment form.

    Attributes:
        kept_norms: name of each batch normalisation that could not be folded -> why.

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
    """Return a network's deployment form; the network itself stays as it is.

    It takes any size that the network takes, exports and compiles like it, and is checked against it here.

    Args:
        network: images (N, C, H, W) -> logits, as :class:`~lednet_mm.deployment.inference.Inference` is.
        shapes: (height, width) of the images that it is looked at with; those that it refuses are left out.

    Returns:
        A new module in evaluation mode whose parameters need no gradient.

    Raises:
        ValueError: the network takes none of the shapes.
        RuntimeError: the form does not answer as the network does.
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
    """Replace by identities, in place, the parts with values of which no run uses any (for training only)."""
    runs = [observe(network, image)[0] for image in images]

    def is_used(module: nn.Module) -> bool:
        values = [*module.parameters(), *module.buffers()]
        return not values or any(run.uses[id(value)] for value in values for run in runs)

    replace_modules(network, {m: nn.Identity() for m in network.modules() if not is_used(m)})


@torch.no_grad()
def difference(network: nn.Module, other: nn.Module, images: Tensor) -> float:
    """Return the largest difference of two networks' outputs, relative to the spread of the first's."""
    worst = 0.0
    for expected, answer in zip(tensors_in(network(images)), tensors_in(other(images)), strict=True):
        spread = expected.std(correction=0).item() or 1.0
        worst = max(worst, (answer - expected).abs().max().item() / spread)
    return worst


def _accepted(network: nn.Module, shapes: Sequence[tuple[int, int]]) -> Iterator[Tensor]:
    """Make images of those shapes that the network takes."""
    like = next(network.parameters())
    generator = torch.Generator().manual_seed(0)
    refused = ""
    accepted = 0
    for shape in shapes:
        image = torch.randn(1, input_channels(network), *shape, generator=generator).to(like)
        try:
            observe(network, image)
        except REFUSALS as error:  # it needs a multiple of something
            refused = describe_error(error)
        else:
            accepted += 1
            yield image.detach()
    if not accepted:
        raise ValueError(f"the network takes no image of {list(shapes)}: {refused}")
