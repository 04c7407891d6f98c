"""SQNet: parity, and every switch an ablation turns."""

from functools import partial

import torch
from torch import nn

from tests.networks.base import NetworkTest, built, count, layers


class TestSQNet(NetworkTest):
    """As in Efficient-Segmentation-Networks."""

    vector = "sqnet"
    long_parity = True
    size = (32, 48)


sqnet = partial(built, type="SQNet")
head = partial(built, type="SQNetHead", num_classes=11)


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_norm_can_be_added(self):
        assert layers(sqnet(), nn.BatchNorm2d) + layers(head(), nn.BatchNorm2d) == []
        norm = {"norm_cfg": {"type": "BN"}}
        norms = layers(sqnet(**norm), nn.BatchNorm2d)
        assert len(norms) == 1 + 7 * 2 + 4
        assert count(sqnet(**norm)) - count(sqnet()) == sum(2 * m.num_features for m in norms)
        assert len(layers(head(**norm), nn.BatchNorm2d)) == 9

    def test_no_parallel_convolutions(self):
        whole, plain = sqnet(), sqnet(dilations=())
        assert count(whole) - count(plain) == 4 * (9 * 512 * 512 + 512)
        x = torch.randn(1, 3, 32, 32)
        plain.load_state_dict(whole.state_dict(), strict=False)
        assert torch.equal(whole(x)[-1], whole.parallel(plain(x)[-1]))

    def test_activation(self):
        assert len(layers(sqnet(act_cfg={"type": "ReLU"}), nn.ReLU)) == len(layers(sqnet(), nn.ELU)) == 19

    def test_first_step_keeps_the_size_of_the_deep_map(self):
        # 75 rows give 9 at 1/8 and 4 at 1/16, so that the steps output 8, 19 and 38 rows.
        network, decoder = sqnet(), head()
        *skips, deep = network(torch.randn(1, 3, 75, 64))
        first = decoder.steps[0](deep, skips[2])
        assert (skips[2].shape[2], deep.shape[2], first.shape[2]) == (9, 4, 8)
        assert decoder.steps[1](first, skips[1]).shape[2] == skips[1].shape[2] == 19
