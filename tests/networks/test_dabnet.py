"""DABNet: parity with the authors' code, and what its switches change."""

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

from tests.networks.base import NetworkTest


class TestDABNet(NetworkTest):
    """As released."""

    vector = "dabnet"


def dabnet(**arguments):
    torch.manual_seed(0)
    return MODELS.build({"type": "DABNet", **arguments}).eval()


def convolutions(network):
    return [m for m in network.modules() if isinstance(m, nn.Conv2d)]


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
        assert {m.dilation for m in convolutions(flat)} == {(1, 1)}
        assert len(convolutions(flat)) == len(convolutions(dabnet()))

    def test_square_kernels(self):
        kernels = {m.kernel_size for m in convolutions(dabnet(asymmetric=False))}
        assert kernels == {(3, 3), (1, 1)}
        assert (3, 1) in {m.kernel_size for m in convolutions(dabnet())}

    def test_no_local_branch(self):
        removed = len(convolutions(dabnet())) - len(convolutions(dabnet(local_branch=False)))
        assert removed == 2 * 9  # a 3x1 and a 1x3 in each block

    def test_no_norm(self):
        assert not any(isinstance(m, nn.BatchNorm2d) for m in dabnet(norm_cfg=None).modules())

    def test_relu(self):
        modules = list(dabnet(act_cfg={"type": "ReLU"}).modules())
        assert not any(isinstance(m, nn.PReLU) for m in modules)
        slopes = [m.weight for m in dabnet().modules() if isinstance(m, nn.PReLU)]
        assert sum(isinstance(m, nn.ReLU) for m in modules) == len(slopes)
