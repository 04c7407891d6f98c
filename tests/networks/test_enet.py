"""ENet: parity with the port, and what its switches change."""

from functools import partial

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

from lednet_mm.networks.enet import Upsample
from tests.networks.base import NetworkTest, built, count, layers


class TestENet(NetworkTest):
    """As ported to PyTorch."""

    vector = "enet"
    kept_norms = 3


enet = partial(built, type="ENet")


class TestSwitches:
    """Each switch changes exactly what it names."""

    @pytest.mark.parametrize("size", [(64, 96), (61, 99)])
    def test_maps_and_logits_of_any_size(self, size):
        height, width = size
        maps = enet()(torch.randn(1, 3, height, width))
        half, eighth = ((height + 1) // 2, (width + 1) // 2), ((height + 1) // 8, (width + 1) // 8)
        assert [tuple(m.shape[1:]) for m in maps] == [(128, *eighth), (16, *half), (3, *size)]
        head = MODELS.build({"type": "ENetHead", "num_classes": 11})
        assert head(maps).shape == (1, 11, *size)

    def test_the_papers_slopes(self):
        plain, papers = enet(), enet(act_cfg={"type": "PReLU"})
        assert {m.num_parameters for m in layers(plain, nn.PReLU)} == {1}
        assert len(layers(papers, nn.PReLU)) == len(layers(plain, nn.PReLU))
        assert {m.num_parameters for m in layers(papers, nn.PReLU)} == {4, 16, 32, 64, 128}

    def test_no_activation_after_expansion(self):
        plain, papers = enet(), enet(act_after_expansion=False)
        assert count(plain) - count(papers) == 4 + 16 + 2  # one slope per branch of the encoder
        assert len(layers(plain, nn.ReLU)) - len(layers(papers, nn.ReLU)) == 3

    def test_initial_pooling(self):
        image = torch.randn(1, 3, 33, 64)
        plain, papers = enet(norm_cfg=None, act_cfg=None), enet(initial_pool=2, norm_cfg=None, act_cfg=None)
        papers.load_state_dict(plain.state_dict())
        ours, theirs = plain.initial(image), papers.initial(image)
        assert torch.equal(ours[:, :13], theirs[:, :13])
        assert torch.equal(ours[:, 13:], nn.functional.max_pool2d(image, 3, 2, 1))
        assert torch.equal(theirs[:, 13:, :16], nn.functional.max_pool2d(image, 2))

    def test_kinds_of_blocks(self):
        flat = enet(deep_blocks=(1,) * 8)
        convolutions = layers(flat, nn.Conv2d)
        assert {m.dilation for m in convolutions} == {(1, 1)}
        assert {m.kernel_size for m in convolutions} == {(1, 1), (2, 2), (3, 3)}
        assert {m.dilation[0] for m in layers(enet(), nn.Conv2d)} == {1, 2, 4, 8, 16}
        assert len(enet(repeats=1).stage2) == 8

    def test_unpooling_puts_values_where_they_were_found(self):
        x = torch.randn(1, 16, 9, 12)
        pooled, indices = nn.functional.max_pool2d(x, 2, return_indices=True)
        main = {}
        for unpooling in (True, False):
            block = Upsample(
                16, 16, unpooling=unpooling, dropout_ratio=0, norm_cfg=None, act_cfg=None
            ).requires_grad_(False)
            nn.init.dirac_(block.project.conv.weight)
            nn.init.zeros_(block.expand.conv.weight)
            main[unpooling] = block(pooled, indices, x)
        expected = nn.functional.max_unpool2d(pooled, indices, 2, output_size=x.shape[2:])
        assert torch.equal(main[True], expected)
        resized = nn.functional.interpolate(pooled, size=(9, 12), mode="bilinear")
        assert torch.allclose(main[False], resized)

    def test_no_norm(self):
        assert layers(enet(norm_cfg=None), nn.BatchNorm2d) == []

    def test_activations_of_encoder_and_decoder(self):
        model = enet(act_cfg={"type": "ReLU"}, decoder_act_cfg={"type": "PReLU"})
        assert layers(model.stage2, nn.PReLU) == layers(model.stage5, nn.ReLU) == []

    def test_dropout_ratios(self):
        ratios = [m.p for m in layers(enet(dropout_ratio=(0.2, 0.3)), nn.Dropout2d)]
        assert ratios == [0.2] * 5 + [0.3] * 22
