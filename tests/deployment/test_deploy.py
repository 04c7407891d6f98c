"""The normalisations that the deployment form folds or keeps; tests/networks checks it for every network."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from lednet_mm.catalog import variants_of
from lednet_mm.config import Choice, load_config
from lednet_mm.deployment import deploy as deployment
from lednet_mm.deployment.deploy import deploy, difference
from lednet_mm.deployment.inference import Inference, build_network
from lednet_mm.layers.deployment import deployment_rewrite
from lednet_mm.networks.lednet import APNHead, LEDNet
from lednet_mm.networks.lednet_deployed import Encoder
from tests.networks.base import randomised

SHAPES = ((64, 96), (75, 101))


def norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def network_of(network: str, variant: str | None = None) -> Inference:
    torch.manual_seed(0)
    return randomised(Inference(build_network(load_config(Choice(network, "camvid", variant=variant)))))


@pytest.mark.thorough
def test_the_form_is_compared_without_rounding_to_tf32(monkeypatch):
    """A GPU rounds the factors of convolutions by default, which alone would exceed the tolerance."""
    chosen = []

    def compare(*_):
        chosen.append(torch.backends.cudnn.allow_tf32)
        return 0.0

    monkeypatch.setattr(deployment, "difference", compare)
    deploy(network_of("lednet"), SHAPES)
    assert chosen == [False, False]


@pytest.mark.parametrize("variant", [None, "prelu"])
def test_lednets_encoder_is_rewritten_on_the_device_where_it_is(variant):
    encoder = Encoder(network_of("lednet", variant).model.backbone.to("meta"))
    assert {t.device.type for t in (*encoder.parameters(), *encoder.buffers())} == {"meta"}


@pytest.mark.thorough
@pytest.mark.parametrize("name", variants_of("lednet"))
def test_every_variant_of_lednet(name: str):
    network = network_of("lednet", name)
    deployed = deploy(network, SHAPES)
    for batch, height, width in ((2, 64, 96), (1, 97, 66)):
        assert difference(network, deployed, torch.randn(batch, 3, height, width).double()) < 1e-10
    assert norms(deployed) == len(deployed.kept_norms) == 0 or name == "no_split"
    in_halves = any(isinstance(module, Encoder) for module in deployed.modules())
    assert in_halves == (name != "no_split")


@pytest.mark.thorough
def test_lednet_without_shuffles_or_splits_in_memory():
    deployed = deploy(network_of("lednet"), SHAPES)
    names: list[str] = []

    class Names(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            names.append(func._overloadpacket.__name__)
            return func(*args, **(kwargs or {}))

    with torch.no_grad(), Names():
        deployed(torch.randn(1, 3, 64, 96).double())
    assert not {"native_batch_norm", "transpose", "split", "clone", "dropout"} & set(names)


@pytest.mark.thorough
def test_zh320s_fanet_without_matrices_of_positions():
    deployed = deploy(network_of("zh320_fanet"), SHAPES)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        deployed(torch.zeros(1, 3, 128, 256).double())
    products = counter.get_flop_counts()["Global"][torch.ops.aten.bmm]
    positions = sum((128 // stride) * (256 // stride) for stride in (8, 16, 32, 64))
    assert products == 2 * 2 * 32 * 32 * positions  # two products of 32 channels, two operations each


@pytest.mark.thorough
@pytest.mark.parametrize(
    "arguments",
    [{"channels": (16, 40, 80)}, {"blocks": (1, 4), "dilations": (1,) * 11}, {"channels": (24, 48, 96)}],
)
def test_lednets_of_other_widths_and_depths(arguments: dict):
    torch.manual_seed(0)
    backbone = LEDNet(**arguments)
    width = arguments.get("channels", (0, 0, 128))[-1]
    model = nn.Module()
    model.backbone, model.decode_head = backbone, APNHead(width, num_classes=5)

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, x):
            return self.model.decode_head(self.model.backbone(x))

    network = randomised(Whole())
    deployed = deploy(network, SHAPES)
    assert any(isinstance(module, Encoder) for module in deployed.modules())
    assert difference(network, deployed, torch.randn(2, 3, 70, 90).double()) < 1e-10


@torch.no_grad()
def test_the_network_itself_stays_as_it_is():
    network = network_of("lednet")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    deploy(network, SHAPES)
    assert network.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["lednet", "espnetv2", "dabnet"])
def test_it_exports_for_any_size(name: str, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    network = network_of(name).float()
    deployed = deploy(network, ((64, 96), (128, 128)))
    path = str(tmp_path / "deployed.onnx")
    axes = {key: {2: "height", 3: "width"} for key in ("images", "logits")}
    torch.onnx.export(
        deployed,
        (torch.randn(1, 3, 64, 96),),
        path,
        dynamo=False,
        opset_version=17,
        input_names=["images"],
        output_names=["logits"],
        dynamic_axes=axes,
    )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for shape in ((64, 96), (96, 160)):
        image = torch.randn(1, 3, *shape)
        (answer,) = session.run(None, {"images": image.numpy()})
        with torch.no_grad():
            expected = network(image)
        assert (torch.from_numpy(answer) - expected).abs().max() < 1e-3 * expected.std()


@pytest.mark.slow
@torch.no_grad()
def test_it_compiles():
    network = network_of("lednet")
    compiled = torch.compile(deploy(network, SHAPES), backend="eager", dynamic=True, fullgraph=True)
    for shape in ((64, 96), (75, 101)):
        assert difference(network, compiled, torch.randn(1, 3, *shape).double()) < 1e-10


class Parts(nn.Module):
    """Layers that each test connects in its own way."""

    def __init__(self, forward, **layers) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.function = forward

    def forward(self, x):
        return self.function(self, x)


def conv(inputs: int = 3, outputs: int = 8, kernel: int = 3, **arguments) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=arguments.pop("padding", kernel // 2), **arguments)


FOLDED = {
    "after a convolution": Parts(lambda s, x: s.b(s.a(x)).relu(), a=conv(bias=False), b=nn.BatchNorm2d(8)),
    "after a grouped transposed convolution": Parts(
        lambda s, x: s.b(s.up(s.a(x))),
        a=conv(),
        up=nn.ConvTranspose2d(8, 12, 3, stride=2, groups=4),
        b=nn.BatchNorm2d(12),
    ),
    "before a grouped convolution without padding": Parts(
        lambda s, x: s.a(s.b(torch.cat([x, x], dim=1))),
        a=conv(6, 8, 3, groups=2, padding=0),
        b=nn.BatchNorm2d(6, affine=False),
    ),
    "one after another": Parts(
        lambda s, x: s.c(s.b(s.a(x))), a=conv(), b=nn.BatchNorm2d(8), c=nn.BatchNorm2d(8)
    ),
    "through a join": Parts(
        lambda s, x: s.b(torch.cat([s.a(x), s.c(x)], dim=1)), a=conv(), c=conv(3, 5, 1), b=nn.BatchNorm2d(13)
    ),
    "through a sum": Parts(lambda s, x: s.b(s.a(x) + s.c(x)), a=conv(), c=conv(3, 8, 1), b=nn.BatchNorm2d(8)),
    "through resizing": Parts(
        lambda s, x: s.b(F.interpolate(s.a(x), scale_factor=2, mode="bilinear")),
        a=conv(),
        b=nn.BatchNorm2d(8),
    ),
    "shared by two convolutions": Parts(
        lambda s, x: s.b(s.a(x)).relu() * s.b(s.c(x)), a=conv(), c=conv(), b=nn.BatchNorm2d(8)
    ),
}
NOT_FOLDED = {
    "before a convolution that pads": Parts(lambda s, x: s.a(s.b(x)), a=conv(), b=nn.BatchNorm2d(3)),
    "after an activation": Parts(lambda s, x: s.b(s.a(x).relu()), a=conv(), b=nn.BatchNorm2d(8)),
    "of a result used twice": Parts(lambda s, x: s.b(y := s.a(x)) + y, a=conv(), b=nn.BatchNorm2d(8)),
    "of a convolution that runs twice": Parts(
        lambda s, x: s.b(s.a(x)) + s.a(x + 1), a=conv(), b=nn.BatchNorm2d(8)
    ),
    "after a padding": Parts(lambda s, x: s.b(F.pad(s.a(x), (0, 1))), a=conv(), b=nn.BatchNorm2d(8)),
    "only at some sizes": Parts(
        lambda s, x: s.b(s.a(x) if x.shape[2] > 70 else s.a(x).relu()), a=conv(), b=nn.BatchNorm2d(8)
    ),
}
WHY = {
    "before a convolution that pads": "follows the input",
    "after an activation": "relu",
    "of a result used twice": "used elsewhere",
    "of a convolution that runs twice": "runs elsewhere",
    "after a padding": "constant_pad_nd",
    "only at some sizes": "",
}


@pytest.mark.parametrize("where", FOLDED)
def test_folded(where: str):
    network = randomised(FOLDED[where])
    deployed = deploy(network, SHAPES)
    assert (norms(deployed), deployed.kept_norms) == (0, {})
    assert difference(network, deployed, torch.randn(2, 3, 33, 21).double()) < 1e-12


@pytest.mark.parametrize("where", NOT_FOLDED)
def test_not_folded(where: str):
    why = WHY[where]
    network = randomised(NOT_FOLDED[where])
    deployed = deploy(network, SHAPES)
    assert norms(deployed) == 1
    assert why in deployed.kept_norms["b"]
    for shape in ((33, 21), (99, 40)):
        assert difference(network, deployed, torch.randn(2, 3, *shape).double()) < 1e-12


def test_parts_for_training_only_are_gone():
    network = Parts(
        lambda s, x: s.a(x) if not s.training else s.a(x) + s.auxiliary(x), a=conv(), auxiliary=conv()
    )
    deployed = deploy(randomised(network), SHAPES)
    assert len(list(deployed.parameters())) == 2


def test_a_network_that_looks_into_its_normalisation_is_refused():
    network = Parts(lambda s, x: s.b(s.a(x)) * getattr(s.b, "eps", 2.0), a=conv(), b=nn.BatchNorm2d(8))
    with pytest.raises(RuntimeError, match="differs by"):
        deploy(randomised(network), SHAPES)


@pytest.mark.parametrize("factor", [1, 2])
def test_a_networks_own_rewrite_is_applied_and_checked(factor: int, monkeypatch):
    monkeypatch.setattr("lednet_mm.layers.deployment.REWRITES", registered := [])
    monkeypatch.setattr("lednet_mm.deployment.deploy.REWRITES", registered)

    @deployment_rewrite
    def without_copy(network: nn.Module) -> None:
        for module in network.modules():
            if isinstance(module, Parts):
                module.function = lambda layers, x: factor * layers.a(x)

    network = randomised(Parts(lambda layers, x: layers.a(x.clone()), a=conv()))
    if factor == 1:
        assert deploy(network, SHAPES).network.function is not network.function
    else:
        with pytest.raises(RuntimeError, match="differs by"):
            deploy(network, SHAPES)


def test_a_network_that_takes_none_of_the_shapes():
    def strict(layers, x):
        raise ValueError("multiples of 7 only")

    with pytest.raises(ValueError, match="multiples of 7"):
        deploy(Parts(strict, a=conv()), SHAPES)
