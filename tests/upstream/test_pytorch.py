"""The private parts of PyTorch that are used still do what is needed."""

import inspect

import pytest
import torch
from torch import nn

from lednet_mm.upstream import pytorch


@pytest.mark.parametrize(
    ("kinds", "base"),
    [
        (pytorch.CONVOLUTIONS, nn.modules.conv._ConvNd),
        (pytorch.BATCH_NORMS, nn.modules.batchnorm._BatchNorm),
        (pytorch.DROPOUTS, nn.modules.dropout._DropoutNd),
    ],
)
def test_all_layers_of_a_kind(kinds, base):
    found = {
        kind
        for name, kind in vars(nn).items()
        if inspect.isclass(kind) and issubclass(kind, base) and not name.startswith("Lazy")
    }
    assert set(kinds) == found


def test_every_operator_is_reported_once_it_has_run():
    seen: list[pytorch.Operator] = []
    x = torch.arange(6.0).reshape(2, 3)
    with pytorch.WatchOperators(seen.append):
        turned = x.t()
        total = turned.add(1.0, alpha=2)
        total.relu_()
    assert [(o.name, o.is_view) for o in seen] == [("t", True), ("add", False), ("relu_", False)]
    assert seen[0].packet is torch.ops.aten.t
    assert seen[1].args[0] is turned
    assert dict(seen[1].options) == {"alpha": 2}
    assert torch.equal(seen[1].result, x.t() + 2)


def test_tensors_in_nested_values():
    a, b, c = torch.zeros(1), torch.ones(1), torch.full((1,), 2.0)
    named = torch.max(c.reshape(1, 1), dim=1)  # PyTorch's own kind of tuple
    found = pytorch.tensors_in([a, {"x": (b, 3, None)}, named, "text"])
    assert [tensor.item() for tensor in found] == [0, 1, 2, 0]


def test_more_than_eight_versions_of_the_same_code_are_compiled():
    class Scaled(nn.Module):
        def __init__(self, factor: int) -> None:
            super().__init__()
            self.factor = factor

        def forward(self, x):
            return x * self.factor

    torch._dynamo.reset()
    compiled: list[int] = []

    def backend(graph, inputs):
        compiled.append(1)
        return graph.forward

    pytorch.compile_any_number_of_versions()
    for factor in range(12):
        network = torch.compile(Scaled(factor), backend=backend, fullgraph=True, dynamic=False)
        assert torch.equal(network(torch.ones(2)), torch.full((2,), float(factor)))
    torch._dynamo.reset()
    assert len(compiled) == 12


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5), (4, 3, 5, 6)])
def test_a_synchronised_normalisation_in_one_process(shape):
    torch.manual_seed(0)
    synchronised = nn.SyncBatchNorm(3, eps=1e-3, momentum=0.2)
    with torch.no_grad():
        synchronised.weight.uniform_()
        synchronised.running_mean.uniform_()
    plain = pytorch.plain_batch_norm(synchronised)
    assert type(plain) is nn.BatchNorm2d
    assert plain.weight is synchronised.weight
    x = torch.randn(shape)
    expected = nn.functional.batch_norm(
        x, synchronised.running_mean, synchronised.running_var, plain.weight, plain.bias, False, 0.2, 1e-3
    )
    assert torch.equal(plain.eval()(x), expected)


def test_versions_of_modules_are_where_load_state_dict_looks():
    source = nn.BatchNorm2d(2)
    state = source.state_dict()
    versions = pytorch.module_versions(state)
    assert versions[""]["version"] == 2
    bare = {key: value for key, value in state.items() if key != "num_batches_tracked"}
    assert pytorch.module_versions(bare) is None
    # Before version 2 there was no number of batches, so it may be missing.
    from collections import OrderedDict

    old = OrderedDict(bare)
    pytorch.set_module_versions(old, {"": {"version": 1}})
    nn.BatchNorm2d(2).load_state_dict(old)
    pytorch.set_module_versions(old, versions)
    with pytest.raises(RuntimeError, match="num_batches_tracked"):
        nn.BatchNorm2d(2).load_state_dict(old)
