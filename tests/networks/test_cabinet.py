"""CABiNet: parity with the code of one of its authors."""

import torch
from torch import nn

from lednet_mm.networks.cabinet import ContextAggregation
from tests.networks.base import NetworkTest


class TestCABiNetSmall(NetworkTest):
    """As released."""

    vector = "cabinet_small"

    def build(self):
        model = super().build()
        context = model.backbone.context
        nn.init.ones_(context.gamma)  # it begins at 0, and so does the attention
        nn.init.normal_(context.attention.project.weight, std=0.1)
        return model


class TestCABiNetLarge(TestCABiNetSmall):
    """As released, with a larger MobileNetV3."""

    vector = "cabinet_large"
    giant = True
    sibling = True


def test_fresh_context_is_local_attention_alone():
    context = ContextAggregation(8, norm_cfg={"type": "BN"}, act_cfg={"type": "ReLU"}).eval()
    x = torch.randn(1, 8, 6, 9)
    with torch.inference_mode():
        assert torch.equal(context(x), x + x * context.local(x).sigmoid())
