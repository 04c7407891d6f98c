"""DABNet: parity with the authors' code, and what its switches change."""

from functools import partial

import pytest
import torch
from torch import nn

from tests.networks.base import NetworkTest, built, layers


class TestDABNet(NetworkTest):
    """As released."""

    vector = "dabnet"
    kept_norms = 22


dabnet = partial(built, type="DABNet")


def widths(network):
    with torch.inference_mode():
        return [m.shape[1] for m in network(torch.randn(1, 3, 32, 32))]


class TestSwitches:
    """Each switch changes exactly what it names."""

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            ({}, [35, 131, 259]),
            ({"image_injection": False}, [32, 128, 256]),
            ({"block_shortcuts": False}, [35, 67, 131]),
        ],
    )
    def test_what_is_concatenated(self, arguments, expected):
        assert widths(dabnet(**arguments)) == expected

    def test_no_dilation(self):
        flat = dabnet(dilations=((1,) * 3, (1,) * 6))
        assert {m.dilation for m in layers(flat, nn.Conv2d)} == {(1, 1)}
        assert len(layers(flat, nn.Conv2d)) == len(layers(dabnet(), nn.Conv2d))

    def test_square_kernels(self):
        kernels = {m.kernel_size for m in layers(dabnet(asymmetric=False), nn.Conv2d)}
        assert kernels == {(3, 3), (1, 1)}
        assert (3, 1) in {m.kernel_size for m in layers(dabnet(), nn.Conv2d)}

    def test_no_local_branch(self):
        removed = len(layers(dabnet(), nn.Conv2d)) - len(layers(dabnet(local_branch=False), nn.Conv2d))
        assert removed == 2 * 9  # a 3x1 and a 1x3 in each block

    def test_no_norm(self):
        assert layers(dabnet(norm_cfg=None), nn.BatchNorm2d) == []

    def test_relu(self):
        plain = dabnet(act_cfg={"type": "ReLU"})
        assert layers(plain, nn.PReLU) == []
        assert len(layers(plain, nn.ReLU)) == len(layers(dabnet(), nn.PReLU))
