"""The wrapped rules of ptflops report every layer and operator, and its tables are restored afterwards."""

from collections import Counter

import pytest
import torch
from ptflops import pytorch_ops
from torch import nn
from torch.nn import functional as F

from lednet_mm.upstream import ptflops


class Network(nn.Module):
    """A network with a convolution, a functional activation and a product of matrices."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        y = F.relu(self.conv(x)).flatten(2)  # (1, 4, 48)
        return torch.matmul(y, y.transpose(1, 2))


CONV, RELU, PRODUCT = 48 * (4 * 27 + 4), 48 * 4, 4 * 4 * 48


def test_hooks():
    before = [dict(table) for table in (pytorch_ops.FUNCTIONAL_MAPPING, pytorch_ops.TENSOR_OPS_MAPPING)]
    told: Counter[str] = Counter()

    def of_module(module, output, macs):
        assert output.shape == (1, 4, 6, 8)
        told[type(module).__name__] += macs

    def of_function(function, macs):
        told[function.__name__] += macs

    total = ptflops.total_by_hooks(Network(), (3, 6, 8), of_module=of_module, of_function=of_function)
    assert told == {"Conv2d": CONV, "relu": RELU, "matmul": PRODUCT}
    assert total == sum(told.values())
    assert before == [pytorch_ops.FUNCTIONAL_MAPPING, pytorch_ops.TENSOR_OPS_MAPPING]
    assert F.relu(torch.tensor([-1.0, 2.0])).tolist() == [0, 2]


def test_operators():
    told: Counter = Counter()

    def of_operator(packet, inputs, outputs, macs):
        assert isinstance(outputs[0], torch.Tensor)
        told[packet] += macs

    total = ptflops.total_by_operators(Network(), (3, 6, 8), of_operator=of_operator)
    assert told[torch.ops.aten.convolution] == CONV
    assert told[torch.ops.aten.bmm] == PRODUCT
    assert total == sum(told.values())


def test_what_has_a_rule():
    assert ptflops.counts_module(nn.Conv2d(1, 1, 1))
    assert not ptflops.counts_module(nn.Identity())
    assert ptflops.counts_operator(torch.ops.aten.convolution)
    assert not ptflops.counts_operator(torch.ops.aten.cat)


class Fails(nn.Module):
    """A network that accepts no image."""

    def forward(self, x):
        raise ValueError("takes no image")


@pytest.mark.parametrize(
    "count",
    [
        lambda: ptflops.total_by_hooks(
            Fails(), (3, 6, 8), of_module=lambda *_: None, of_function=lambda *_: None
        ),
        lambda: ptflops.total_by_operators(Fails(), (3, 6, 8), of_operator=lambda *_: None),
    ],
)
def test_what_a_network_raises_is_not_swallowed(count):
    with pytest.raises(ValueError, match="takes no image"):
        count()
