"""Tests that every network must pass. A network's test class inherits them and names its reference vector."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import mmseg
import pytest
import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from mmseg.structures.sampler import OHEMPixelSampler
from torch import Tensor, nn

from lednet_mm.cards import Card, card_of_vector, network_cards
from lednet_mm.catalog import file_of, network_files
from lednet_mm.checkpoints.authors import authors_model
from lednet_mm.checkpoints.parity import build_model, check_parity, read_vector
from lednet_mm.config import Choice, load_config
from lednet_mm.deployment.deploy import deploy, difference
from lednet_mm.deployment.export import export_onnx
from lednet_mm.deployment.inference import Inference

DATA = Path(__file__).resolve().parents[1] / "data"
WHEEL = Path(mmseg.__file__).parent / ".mim/configs"


class NetworkTest:
    """Inherited by ``Test<Network>`` classes, which name a reference vector or, without one, a network.

    Attributes:
        vector: name of the reference vector in tests/data; None if nobody has the authors' figures.
        network: name of the network; needed if there is no vector.
        size: (height, width) of the small test image.
        narrow: dotted keys of the config and the values that make a large network small; all tests but parity
            build it so.
        losses: names of the losses of all heads together.
        kept_norms: how many normalisations stay in the deployment form, of those that run in inference: they
            follow a sum, a pooling or a padding, or what is before them is used elsewhere too.
        largest: largest number of pixels of a vector's case that runs here; ``tools/verify_parity.py`` runs
            all.
        giant: whether filling the parameters takes seconds; then only the smallest case in evaluation mode
            runs here, and ``tools/verify_parity.py`` runs the others.
        long_parity: whether parity takes more than two seconds, although the network is not built smaller for
            other tests; ``make test`` leaves it out, as it does with giants and with what ``narrow`` names.
        sibling: whether another class tests a network of the same code that differs in numbers alone; then
            all but parity and the rehearsal for GPUs runs with ``-m slow`` only.
    """

    vector: str | None = None
    network: str | None = None
    size: tuple[int, int] = (64, 96)
    narrow: Mapping[str, Any] = {}
    losses: frozenset[str] | set[str] = frozenset({"loss_ce"})
    kept_norms: int = 0
    largest: int = 4 * 128 * 128
    giant: bool = False
    long_parity: bool = False
    sibling: bool = False
    num_classes = 11

    @pytest.fixture(scope="class")
    @classmethod
    def facts(cls) -> dict:
        if cls.vector is None:
            pytest.skip(f"{cls.network} has no reference vector: there are no authors' figures")
        return read_vector(DATA / f"{cls.vector}.json")

    def card(self) -> Card:
        """Return the network's card."""
        return card_of_vector(self.vector) if self.vector else network_cards()[self.network]

    def build(self) -> nn.Module:
        """Build the model of all tests but parity."""
        if self.vector:
            config = Config({"model": authors_model(self.vector)})
        else:
            file = file_of("network", network_files(), self.network)
            config = Config.fromfile(str(file), import_custom_modules=False)
        config.merge_from_dict(copy.deepcopy(dict(self.narrow)))
        return build_model(config.to_dict()["model"], self.num_classes)

    def batch(self, device: str = "cpu") -> tuple[Tensor, list]:
        """Return two images and their labels, which follow from the images."""
        generator = torch.Generator().manual_seed(0)
        images = torch.randn(2, 3, *self.size, generator=generator)
        labels = (images.mean(1, keepdim=True) > 0).long()
        samples = [SegDataSample(gt_sem_seg=PixelData(data=label.to(device))) for label in labels]
        return images.to(device), samples

    @pytest.fixture(scope="class")
    @classmethod
    def fresh(cls) -> tuple[nn.Module, dict[str, Tensor]]:
        """The model of the class, and a copy of its values: copying takes longer than restoring."""
        torch.manual_seed(0)
        model = cls().build()
        return model, copy.deepcopy(model.state_dict())

    @pytest.fixture
    def model(self, fresh) -> Iterator[nn.Module]:
        """The model, whose values and gradients a test may change; :class:`Inference` takes heads away."""
        model, values = fresh
        torch.manual_seed(1)
        yield model
        model.load_state_dict(values)
        model.zero_grad()

    def test_parity_with_the_authors(self, facts):
        """The vector holds, and one figure that is changed by a millionth of the spread is the one miss."""
        smallest = min((case for case in facts["cases"] if case["mode"] == "eval"), key=_pixels)
        if self.giant:
            cases = [smallest]
        else:
            cases = [case for case in facts["cases"] if _pixels(case) <= self.largest]
            assert {case["mode"] for case in cases} == {"eval", "train_bn", "grad"}
        result = check_parity({**facts, "cases": [*cases, _tampered(smallest)]})
        assert len(result.misses) == 1, result.misses
        assert f"value {_changed(smallest)[0]}:" in result.misses[0]
        assert result.parameters == facts["parameters"]

    @pytest.mark.thorough
    def test_it_learns(self, model):
        images, samples = self.batch()
        optimizer = torch.optim.Adam(model.parameters(), 2e-3)
        losses = []
        for _ in range(3):
            loss = total_loss(model, images, samples)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < losses[0]

    def test_every_parameter_gets_a_gradient(self, model):
        unused = self.card().unused
        silent: set[str] = set()
        for seed in range(3):  # in one random model, all ReLUs behind a parameter may be zero
            if seed:
                torch.manual_seed(seed)
                model = self.build()
            total_loss(model, *self.batch()).backward()
            zero = set()
            for name, parameter in model.named_parameters():
                gradient = parameter.grad
                if not parameter.requires_grad:
                    continue
                if any(fnmatchcase(name, pattern) for pattern in unused):
                    assert gradient is None or not gradient.any(), f"{name} is used: see the card"
                    continue
                assert gradient is not None, f"{name} gets no gradient"
                assert gradient.isfinite().all(), f"the gradient of {name} is not finite"
                if not gradient.any():
                    zero.add(name)
            silent = zero & silent if seed else zero
            if not silent:
                return
        raise AssertionError(f"the gradient of {', '.join(sorted(silent))} is 0")

    @pytest.mark.thorough
    def test_every_tensor_is_made_on_the_device_of_the_images(self, model):
        """The meta device, which refuses tensors of the CPU and has no values, stands in for a GPU here."""
        model = copy.deepcopy(model).to("meta")
        images, samples = self.batch("meta")
        with torch.inference_mode():
            losses = {k: v for k, v in model.train().loss(images, samples).items() if "loss" in k}
            assert {name.split(".")[-1] for name in losses} == self.losses
            assert {value.device.type for value in losses.values()} == {"meta"}
            assert model.eval().logits(images).shape == (2, self.num_classes, *self.size)

    def test_odd_sizes(self, model):
        height, width = self.size[0] + 11, self.size[1] + 5
        image = torch.randn(1, 3, height, width)
        with torch.inference_mode():
            assert model.eval().logits(image).shape == (1, self.num_classes, height, width)

    @pytest.mark.thorough
    @torch.inference_mode()
    def test_saved_and_loaded_it_answers_the_same(self, model, tmp_path):
        image = torch.randn(2, 3, *self.size)
        model.train()(image)  # changes the running statistics
        expected = model.eval().logits(image)
        torch.save(model.state_dict(), tmp_path / "model.pth")
        again = self.build().eval()
        again.load_state_dict(torch.load(tmp_path / "model.pth", weights_only=True))
        kept, loaded = model.state_dict(), again.state_dict()
        assert all(torch.equal(loaded[name], value) for name, value in kept.items())
        # Rounding may depend on where tensors lie in memory (SegFormer's attention: 3e-6 of the spread).
        torch.testing.assert_close(again.logits(image), expected, rtol=0, atol=1e-5 * expected.std().item())

    @pytest.mark.thorough
    def test_onnx_answers_the_same_at_any_size(self, model):
        pytest.importorskip("onnxruntime")
        exported = export_onnx(Inference(copy.deepcopy(model).eval()), shape=self.size)
        assert exported.dynamic, exported.obstacle
        assert exported.error <= 1e-4

    @pytest.mark.thorough
    def test_the_deployment_form_answers_the_same_at_any_size(self, model):
        network = randomised(Inference(copy.deepcopy(model)))
        height, width = self.size
        deployed = deploy(network, (self.size, (height + 11, width + 5)))
        generator = torch.Generator().manual_seed(2)
        for shape in ((2, 3, height, width), (1, 3, height + 33, width - 16)):
            assert difference(network, deployed, torch.randn(shape, generator=generator).double()) < 1e-10
        kept = len(layers(deployed, nn.BatchNorm2d))
        assert kept == len(deployed.kept_norms)
        assert kept == self.kept_norms, f"{kept} normalisations stay"
        assert not layers(deployed, nn.modules.dropout._DropoutNd)
        assert not [parameter for parameter in deployed.parameters() if parameter.requires_grad]

    @pytest.mark.slow
    def test_a_step_in_mixed_precision(self, model):
        """bf16 on a CPU, which works without instructions for it too, only slowly."""
        model = copy.deepcopy(model).train()
        with torch.autocast("cpu", torch.bfloat16):
            loss = total_loss(model, *self.batch())
        loss.backward()
        assert loss.isfinite()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        assert all(gradient.isfinite().all() for gradient in gradients)
        assert {gradient.dtype for gradient in gradients} == {torch.float32}

    @pytest.mark.slow
    @torch.no_grad()
    def test_it_compiles(self, model):
        network = Inference(copy.deepcopy(model).eval())
        image = torch.randn(1, 3, *self.size)
        torch._dynamo.reset()
        compiled = torch.compile(network, backend="eager", fullgraph=True, dynamic=False)
        torch.testing.assert_close(compiled(image), network(image))

    @pytest.mark.slow
    @torch.no_grad()
    def test_it_is_captured_by_torch_export(self, model):
        network = Inference(copy.deepcopy(model).eval())
        image = torch.randn(1, 3, *self.size)
        captured = torch.export.export(network, (image,)).module()
        torch.testing.assert_close(captured(image), network(image))


class MMSegmentationTest(NetworkTest):
    """Inherited by the test classes of networks that are MMSegmentation's own.

    Attributes:
        network: name of the network.
        mmseg_config: MMSegmentation's config of it, in its wheel.
        millions: parameters of that config in millions, with the auxiliary heads: figures that this project
            measured once.
    """

    network: str
    mmseg_config: str
    millions: float

    def test_it_is_built_as_in_mmsegmentations_own_config(self):
        ours = without_values(load_config(Choice(self.network, "cityscapes")).model)
        theirs = without_values(Config.fromfile(WHEEL / self.mmseg_config).model)
        assert abs(count(theirs) / 1e6 - self.millions) < 0.006
        assert described(ours.backbone) == described(theirs.backbone)
        if self.vector:  # the classifier is the authors', not MMSegmentation's
            return
        assert list(ours.state_dict()) == list(theirs.state_dict())
        if ours.with_neck:
            assert described(ours.neck) == described(theirs.neck)
        for our_head, their_head in zip(heads_of(ours), heads_of(theirs), strict=True):
            assert described(our_head) == described(their_head)
            assert our_head.align_corners == their_head.align_corners
            assert our_head.in_index == their_head.in_index
            assert _sampling(our_head) == _sampling(their_head)


def several(module: nn.Module) -> list:
    """Return the modules of a list, or the one module."""
    return list(module) if isinstance(module, nn.ModuleList) else [module]


def heads_of(model: Any) -> list:
    """Return a segmentor's heads, the auxiliary ones last."""
    return [model.decode_head, *(several(model.auxiliary_head) if model.with_auxiliary_head else [])]


def without_values(model: dict) -> Any:
    """Build a model on the meta device, which takes no time; some read values while they are built."""
    reads_values = model["backbone"]["type"] in ("MixVisionTransformer", "MSCAN")
    with torch.device("cpu" if reads_values else "meta"):
        return MODELS.build(model)


def described(module: nn.Module) -> list[str]:
    """Describe the layers with values, by name; normalisation without the kind that needs GPUs."""
    kinds = (nn.modules.conv._ConvNd, nn.modules.batchnorm._NormBase, nn.Linear, nn.LayerNorm, nn.PReLU)
    kinds += (nn.modules.dropout._DropoutNd,)
    return [
        f"{name}: {re.sub('SyncBatchNorm', 'BatchNorm2d', str(m))}"
        for name, m in module.named_modules()
        if isinstance(m, kinds)
    ]


def _sampling(head: Any) -> tuple | None:
    if head.sampler is None:
        return None
    return isinstance(head.sampler, OHEMPixelSampler), head.sampler.thresh, head.sampler.min_kept


def total_loss(model: nn.Module, images: Tensor, samples: list) -> Tensor:
    """Return the sum of all losses of a batch, in training mode."""
    return sum(value for name, value in model.train().loss(images, samples).items() if "loss" in name)


def _changed(case: dict) -> list:
    """Return the sample of a case that :func:`_tampered` changes."""
    return case["outputs"][0]["samples"][17]


def _tampered(case: dict) -> dict:
    case = copy.deepcopy(case)
    _changed(case)[1] += 1e-6 * case["outputs"][0]["std"]
    return case


def _pixels(case: dict) -> int:
    n, _, height, width = case["input_shape"]
    return n * height * width


def randomised(network: nn.Module) -> nn.Module:
    """Give every normalisation random statistics, factors and summands, as new ones change nothing."""
    generator = torch.Generator().manual_seed(1)

    def normal(like: Tensor, mean: float, spread: float) -> Tensor:
        return mean + spread * torch.randn(like.shape, generator=generator).to(like)

    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.running_mean.copy_(normal(module.running_mean, 0, 0.3))
                module.running_var.copy_(normal(module.running_var, 1, 0.2).abs() + 0.1)
                if module.affine:
                    module.weight.copy_(normal(module.weight, 1, 0.3))
                    module.bias.copy_(normal(module.bias, 0, 0.3))
            if isinstance(module, nn.PReLU):
                module.weight.copy_(normal(module.weight, 0.25, 0.1))
    return network.double().eval()


def built(**config) -> nn.Module:
    """Build a registered module in evaluation mode, with the same weights every time."""
    torch.manual_seed(0)
    return MODELS.build(config).eval()


def count(module: nn.Module) -> int:
    """Count the values of all parameters."""
    return sum(p.numel() for p in module.parameters())


def layers(module: nn.Module, kind: type) -> list:
    """List the layers of one type."""
    return [m for m in module.modules() if isinstance(m, kind)]
