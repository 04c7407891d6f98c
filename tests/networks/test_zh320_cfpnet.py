"""The CFPNet of zh320: parity with the re-implementation, and what its switches change."""

from functools import partial

import torch
from torch import nn

from tests.networks.base import NetworkTest, built


class TestZH320CFPNet(NetworkTest):
    """As re-implemented by zh320."""

    vector = "zh320_cfpnet"
    narrow = {"model.backbone.dilations": ((2,), (4, 8))}


encoder = partial(built, type="ZH320CFPNet")
decoder = partial(built, type="ZH320CFPNetHead", num_classes=11)


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_no_norm(self):
        modules = [*encoder(norm_cfg=None).modules(), *decoder(norm_cfg=None).modules()]
        assert not any(isinstance(m, nn.BatchNorm2d) for m in modules)

    def test_one_slope_or_one_a_channel(self):
        def slopes(network):
            return {m.num_parameters for m in network.modules() if isinstance(m, nn.PReLU)}

        assert slopes(encoder()) == {1}
        assert 1 not in slopes(encoder(act_cfg={"type": "PReLU"}))

    def test_the_image_is_the_last_three_channels(self):
        image = torch.randn(1, 3, 32, 48)
        for network, extra in ((encoder(), 3), (encoder(append_image=False), 0)):
            assert [m.shape[1] for m in network(image)] == [32 + extra, 64 + extra, 128 + extra]
        half = nn.functional.interpolate(image, (16, 24), mode="bilinear", align_corners=True)
        assert torch.equal(encoder()(image)[0][:, 32:], half)

    def test_dilations(self):
        def rates(network):
            return {max(m.dilation) for m in network.modules() if isinstance(m, nn.Conv2d)}

        assert rates(encoder()) == {1, 2, 4, 8, 16}
        assert rates(encoder(dilations=((1, 1), (1,) * 6))) == {1}

    def test_plain_logits_are_a_1x1_convolution(self):
        head = decoder(norm_act_logits=False)
        x = torch.randn(1, 131, 5, 6)
        assert torch.equal(head((x,)), head.conv_seg.conv(x))
