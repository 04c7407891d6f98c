"""FANet: parity with the re-implementation, and what its switches change."""

from functools import partial

import pytest
import torch
from torch import nn

from lednet_mm.networks.zh320_fanet import FastAttention
from tests.networks.base import NetworkTest, built


class TestFANet(NetworkTest):
    """As re-implemented by zh320."""

    vector = "zh320_fanet"


decoder = partial(built, type="ZH320FANetHead", num_classes=11)


def maps():
    return [torch.randn(1, width, 16 >> i, 24 >> i) for i, width in enumerate((64, 128, 256, 512))]


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_no_norm(self):
        head = decoder(norm_cfg=None)
        assert not any(isinstance(m, nn.BatchNorm2d) for m in head.modules())

    @pytest.mark.parametrize("linear", [False, True])
    @pytest.mark.parametrize("attention", ["channels", "positions"])
    def test_the_order_of_the_product(self, attention, linear):
        torch.manual_seed(0)
        module = FastAttention(8, 4, attention, linear=linear, norm_cfg=None, act_cfg=None).double()
        module.fuse = nn.Identity()
        x = torch.randn(2, 8, 3, 5, dtype=torch.float64)
        q, k = (nn.functional.normalize(unit(x), dim=1).flatten(2) for unit in (module.query, module.key))
        v = module.value(x).flatten(2)
        if attention == "channels":  # as the re-implementation: positions by positions first
            expected = torch.einsum("nci,nij->ncj", q, torch.einsum("ndi,ndj->nij", k, v)) / 15
        else:  # as the paper: keys with values over positions, then the queries
            expected = torch.einsum("ndc,ndj->ncj", torch.einsum("ndi,nci->ndc", k, v), q) / 15
        assert torch.allclose((module(x) - module.value(x)).flatten(2), expected)

    def test_no_attention_leaves_the_values(self):
        head = decoder(attention=None)
        x = maps()[0]
        assert torch.equal(head.attentions[0](x), head.attentions[0].value(x))
        assert head(maps()).shape == (1, 11, 16, 24)
