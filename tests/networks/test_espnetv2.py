"""ESPNetv2: parity of both outputs, its two losses, and what its switches change."""

from functools import partial

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

from tests.networks.base import NetworkTest, built, count, layers


class TestESPNetv2(NetworkTest):
    """Of width s=1.0."""

    vector = "espnetv2"
    losses = {"loss_ce", "aux_loss_ce"}
    kept_norms = 14


espnetv2 = partial(built, type="ESPNetv2")


def head(**arguments):
    torch.manual_seed(0)
    return MODELS.build({"type": "ESPNetv2Head", "num_classes": 11, **arguments})


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_no_image(self):
        plain, without = espnetv2(), espnetv2(image_injection=False)
        reinforcements = (plain.down2.reinforce, plain.down3.reinforce, plain.down4.reinforce)
        assert count(plain) - count(without) == sum(count(m) for m in reinforcements)
        assert [m.shape for m in without(torch.randn(1, 3, 32, 64))] == [
            (1, 32, 16, 32),
            (1, 64, 8, 16),
            (1, 128, 4, 8),
            (1, 256, 2, 4),
        ]

    def test_no_fusion_has_the_same_parameters(self):
        image = torch.randn(1, 3, 32, 64)
        plain, changed = espnetv2(), espnetv2(hierarchical_fusion=False)
        changed.load_state_dict(plain.state_dict())
        assert torch.equal(plain(image)[0], changed(image)[0])
        assert not torch.equal(plain(image)[1], changed(image)[1])

    def test_no_dilation(self):
        flat = espnetv2(dilations=(1,) * 4, deep_dilations=(1,) * 4)
        assert {m.dilation for m in layers(flat, nn.Conv2d)} == {(1, 1)}
        assert count(flat) == count(espnetv2())

    def test_no_pyramid_pooling(self):
        removed = count(head()) - count(head(pyramid_pooling=False))
        assert removed == 4 * 9 * 128 + 5 * 128 * 128 + 3 * 128

    def test_no_norm_and_relu(self):
        for build in (espnetv2, head):
            without = build(norm_cfg=None, act_cfg={"type": "ReLU"})
            assert layers(without, nn.BatchNorm2d) == layers(without, nn.PReLU) == []
            assert len(layers(without, nn.ReLU)) == len(layers(build(), nn.PReLU))

    def test_dropout_ratio(self):
        assert [m.p for m in layers(head(dropout_ratio=0.3), nn.Dropout2d)] == [0.3, 0.3]


class TestLosses:
    """The auxiliary loss is computed by the head itself."""

    @pytest.fixture(scope="class")
    @classmethod
    def batch(cls):
        torch.manual_seed(0)
        labels = torch.randint(0, 11, (2, 1, 32, 64))
        return torch.randn(2, 3, 32, 64), [SegDataSample(gt_sem_seg=PixelData(data=y)) for y in labels]

    def losses(self, batch, weight):
        torch.manual_seed(0)
        decoder = {"type": "ESPNetv2Head", "auxiliary_weight": weight, "dropout_ratio": 0}
        encoder = {"type": "ESPNetv2"}
        model = MODELS.build(
            {"type": "Segmentor", "num_classes": 11, "backbone": encoder, "decode_head": decoder}
        )
        with torch.no_grad():
            return model.loss(*batch)

    def test_its_weight(self, batch):
        full, half = self.losses(batch, 1.0), self.losses(batch, 0.5)
        assert full.keys() >= {"decode.loss_ce", "decode.aux_loss_ce"}
        assert full["decode.loss_ce"] == half["decode.loss_ce"]
        assert full["decode.aux_loss_ce"] == 2 * half["decode.aux_loss_ce"]
        # Random labels: each of the two is about ln(11).
        assert 2 < full["decode.aux_loss_ce"] < 4

    def test_none(self, batch):
        assert not any("aux" in name for name in self.losses(batch, 0.0))
