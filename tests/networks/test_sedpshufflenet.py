"""SEDPNShuffleNet: parity, and what the switches change."""

from functools import partial

import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import nn

from lednet_mm.checkpoints.parity import build_model
from tests.networks.base import NetworkTest, built, count, layers

# The network's form with few channels and units.
SMALL = {
    "type": "SEDPNShuffleNet",
    "stem_channels": 8,
    "widths": (8, 8, 8, 16),
    "residual_channels": (16, 16, 32, 64),
    "growth": (16, 16, 16, 16),
    "blocks": (2, 2, 4, 2),
}
SMALL_HEAD = {
    "type": "SEDPNShuffleHead",
    "in_channels": (80, 80, 128),
    "context_channels": (16, 8, 8),
}


class TestSEDPNShuffleNet(NetworkTest):
    """With the class's defaults."""

    vector = "sedpshufflenet"
    giant = True
    kept_norms = 34

    def build(self):
        model = {"type": "Segmentor", "backbone": SMALL, "decode_head": SMALL_HEAD}
        return build_model(model, self.num_classes)


encoder = partial(built, **SMALL)
head = partial(built, **SMALL_HEAD, num_classes=5)


def maps():
    torch.manual_seed(1)
    return torch.randn(1, 80, 8, 12), torch.randn(1, 80, 4, 6), torch.randn(1, 128, 2, 3)


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_maps(self):
        shapes = [tuple(m.shape[1:]) for m in encoder()(torch.randn(1, 3, 37, 61))]
        assert shapes == [(80, 10, 16), (80, 5, 8), (128, 3, 4)]

    def test_dilations(self):
        assert [u.depth[1].dilation[0] for s in encoder().stages for u in s] == [1] * 6 + [2] * 2 + [4] * 2
        assert count(encoder(dilations=(1, 1))) == count(encoder())

    def test_no_shuffle(self):
        image = torch.randn(1, 3, 32, 32)
        mixed, apart = encoder(), encoder(shuffle=False)
        assert count(mixed) == count(apart)
        assert not torch.equal(mixed(image)[0], apart(image)[0])
        assert not torch.equal(head()(maps()), head(shuffle=False)(maps()))

    def test_no_squeeze_excitation(self):
        assert layers(encoder(squeeze_excitation=False), nn.Linear) == []

    def test_no_norm(self):
        modules = [encoder(norm_cfg=None), head(norm_cfg=None)]
        assert [layers(m, nn.BatchNorm2d) for m in modules] == [[], []]

    def test_activation_of_the_training_script(self):
        network = encoder(act_cfg={"type": "LeakyReLU", "negative_slope": 0.1})
        assert [type(m) for m in layers(network, nn.ReLU)] == [nn.ReLU]
        assert isinstance(network.norm_act.act, nn.ReLU)

    def test_dropout_ratios(self):
        assert {m.p for m in layers(encoder(dropout_ratio=0.1), nn.Dropout2d)} == {0.1}
        assert {m.p for m in layers(head(dropout_ratio=0.3), nn.Dropout2d)} == {0.3}

    def test_dilations_double_from_one_context_to_the_next(self):
        network = head(dilations=(1, 2, 3))
        rates = [
            [m.dilation[0] for m in c.dilated] for c in (network.context1, network.context2, network.context3)
        ]
        assert rates == [[1, 2, 3], [2, 4, 6], [4, 8, 12]]

    def test_deep_supervision(self):
        samples = [SegDataSample(gt_sem_seg=PixelData(data=torch.zeros(1, 32, 48, dtype=torch.long)))]
        every, last = (head(deep_supervision=switch).loss(maps(), samples, {}) for switch in (True, False))
        assert {name for name in last if "loss" in name} == {"loss_ce"}
        assert {name for name in every if "loss" in name} == {
            "loss_ce",
            *(f"score{i}.loss_ce" for i in (1, 2, 3)),
        }
        assert torch.equal(every["loss_ce"], last["loss_ce"])
