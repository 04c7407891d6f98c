"""The part of a config's model that is measured and deployed: images in, logits out."""

from __future__ import annotations

import copy
from typing import Any

from mmengine.config import Config
from mmseg.registry import MODELS
from torch import Tensor, nn

from lednet_mm.errors import InputError, describe_error
from lednet_mm.layers.deployment import replace_modules
from lednet_mm.upstream.pytorch import CONVOLUTIONS, plain_batch_norm

REFUSALS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""Exceptions that a model raises for settings that do not fit, or for images of a size that it refuses."""


class Inference(nn.Module):
    """The part of a segmentor that is measured and deployed: normalised images to logits of their size.

    Auxiliary heads do not belong to it. It takes whole images, even if the config tests by sliding windows.

    Args:
        model: a segmentor of this project, which has ``logits``, or any other segmentor of MMSegmentation.

    Shapes: (N, C, H, W) -> (N, num_classes, H, W); C is 3 unless the config says otherwise.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        if getattr(model, "auxiliary_head", None) is not None:
            del model.auxiliary_head

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        if hasattr(self.model, "logits"):
            return self.model.logits(images)
        # The image's shape is a torch.Size, so heads resize to it as they do for a sliding window.
        size = images.shape[2:]
        facts = {"img_shape": size, "ori_shape": size, "pad_shape": size}
        return self.model.encode_decode(images, [facts] * images.shape[0])


def build_network(config: Config) -> Any:
    """Build a config's model in evaluation mode.

    Synchronised batch normalisation is replaced by plain batch normalisation.

    Raises:
        InputError: the config's model cannot be built.
    """
    try:
        model = MODELS.build(copy.deepcopy(config.model))  # MMSegmentation's classes change their configs
    except REFUSALS as error:
        reason = describe_error(error)
        raise InputError(f"{config.filename}: the model cannot be built: {reason}") from error
    synchronised = [module for module in model.modules() if isinstance(module, nn.SyncBatchNorm)]
    replace_modules(model, {norm: plain_batch_norm(norm) for norm in synchronised})
    return model.eval()


def input_channels(network: nn.Module) -> int:
    """Return the number of channels of a network's images: that of its backbone if known, else 3."""
    backbones = (getattr(m, "backbone", None) for m in network.modules())
    backbone = next((b for b in backbones if isinstance(b, nn.Module)), None)
    modules = backbone.modules() if backbone is not None else ()
    first = next((m for m in modules if isinstance(m, CONVOLUTIONS)), None)
    return 3 if first is None else first.in_channels
