"""EDANet: parity, and every switch an ablation turns."""

from functools import partial

import torch
from torch import nn

from tests.networks.base import NetworkTest, built, count, layers


class TestEDANet(NetworkTest):
    """As in Efficient-Segmentation-Networks."""

    vector = "edanet"
    kept_norms = 2


edanet = partial(built, type="EDANet")


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_no_norm(self):
        norms = layers(edanet(), nn.BatchNorm2d)
        without = edanet(norm_cfg=None)
        assert len(norms) == 3 + 13 * 3
        assert layers(without, nn.BatchNorm2d) == []
        assert count(edanet()) - count(without) == sum(2 * m.num_features for m in norms)

    def test_prelu_has_slopes_of_its_own_everywhere(self):
        slopes = layers(edanet(act_cfg={"type": "PReLU"}), nn.PReLU)
        assert len(slopes) == len(layers(edanet(), nn.ReLU)) == 3 + 13 * 3

    def test_symmetric_convolutions(self):
        sizes = {m.kernel_size for m in layers(edanet(asymmetric=False), nn.Conv2d)}
        assert sizes == {(1, 1), (3, 3)}
        # 9 weights per channel pair instead of 6, and one bias less.
        assert count(edanet(asymmetric=False)) - count(edanet()) == 26 * (3 * 40 * 40 - 40)

    def test_no_dilation(self):
        flat = edanet(dilations=((1,) * 5, (1,) * 8))
        assert {m.dilation for m in layers(flat, nn.Conv2d)} == {(1, 1)}
        assert count(flat) == count(edanet())

    def test_without_dense_connections_a_module_hands_on_its_new_channels_alone(self):
        chain = edanet(dense=False, growth=30)
        assert [y.shape[1] for y in chain(torch.randn(1, 3, 32, 32))] == [15, 30, 30]
        assert [m.reduce.conv.in_channels for m in chain.stages[2][1:]] == [130] + [30] * 7
        first, same = edanet().stages[1][1], edanet(dense=False).stages[1][1]
        same.load_state_dict(first.state_dict())
        x = torch.randn(1, 60, 8, 8)
        assert torch.equal(torch.cat([same(x), x], dim=1), first(x))

    def test_growth_and_dropout(self):
        model = edanet(growth=20, dropout_ratio=0.1)
        assert [y.shape[1] for y in model(torch.randn(1, 3, 32, 32))] == [15, 160, 290]
        assert {m.p for m in layers(model, nn.Dropout2d)} == {0.1}
