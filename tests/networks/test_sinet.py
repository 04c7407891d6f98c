"""SINet: parity with the authors' code, and what its switches change."""

from functools import partial

import torch
from torch import nn

from lednet_mm.networks.sinet import STAGES
from tests.networks.base import NetworkTest, built, layers


class TestSINet(NetworkTest):
    """As released, with the classes of the dataset."""

    vector = "sinet"
    kept_norms = 11


encoder = partial(built, type="SINet")
decoder = partial(built, type="SINetHead", num_classes=11)


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_no_gates(self):
        assert len(layers(encoder(), nn.Linear)) == 1 + 2
        assert layers(encoder(gates=False), nn.Linear) == []

    def test_no_squeeze(self):
        assert sorted(m.kernel_size for m in layers(encoder(), nn.AvgPool2d)) == [2, 2, 2, 2, 4, 4]
        whole = [[[(kernel, 1) for kernel, _ in pair] for pair in stage] for stage in STAGES]
        assert layers(encoder(branches=whole), nn.AvgPool2d) == []

    def test_blocking_scales_the_fine_map_by_the_uncertainty(self):
        maps = [torch.randn(1, 48, 8, 12), torch.randn(1, 144, 4, 6)]
        sure, plain = decoder(), decoder(blocking=False)
        nn.init.constant_(sure.coarse_norm.bias[:1], 1e4)  # one class is certain
        plain.load_state_dict(sure.state_dict())
        with torch.inference_mode():
            others = [torch.randn_like(maps[0]), maps[1]]
            assert torch.equal(sure(maps), sure(others))
            assert not torch.equal(plain(maps), plain(others))

    def test_no_norm(self):
        for network in (encoder(norm_cfg=None), decoder(norm_cfg=None)):
            assert layers(network, nn.BatchNorm2d) == []
