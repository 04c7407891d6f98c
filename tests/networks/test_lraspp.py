"""LR-ASPP equals mmseg's head where that works, and also works where mmseg's fails."""

import pytest
import torch
from mmseg.registry import MODELS

from tests.networks.base import NetworkTest

HEAD = {"in_channels": (4, 6, 8), "channels": 5, "num_classes": 3, "in_index": (0, 1, 2)}
HEAD |= {"branch_channels": (2, 3), "input_transform": "multiple_select", "norm_cfg": {"type": "BN"}}


class TestLRASPPOfTorchvision(NetworkTest):
    """As torchvision has it."""

    vector = "lraspp_torchvision"


def heads():
    theirs, ours = (
        MODELS.build({"type": kind, **HEAD}).eval() for kind in ("LRASPPHead", "AnySizeLRASPPHead")
    )
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def maps(height, width):
    torch.manual_seed(0)
    sizes = [(4 * height, 4 * width), (2 * height, 2 * width), (height, width)]
    return [torch.randn(1, c, *size) for c, size in zip((4, 6, 8), sizes, strict=True)]


@torch.inference_mode()
def test_large_maps():
    theirs, ours = heads()
    inputs = maps(65, 70)
    assert torch.equal(ours(inputs), theirs(inputs))


@torch.inference_mode()
def test_small_maps():
    theirs, ours = heads()
    inputs = maps(45, 60)
    with pytest.raises(RuntimeError, match="too small"):
        theirs(inputs)
    assert ours(inputs).shape == (1, 3, 180, 240)
    # The window covers all 45 rows and 49 of 60 columns.
    x = inputs[-1]
    assert torch.allclose(ours.image_pool[0](x), x[..., :49].mean((2, 3), keepdim=True), atol=1e-6)
