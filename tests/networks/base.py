"""Tests that every network must pass; a network's own file inherits them and names its reference vector."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

from lednet_mm.checkpoints.authors import authors_model
from lednet_mm.checkpoints.parity import build_model, check_parity, read_vector
from lednet_mm.deployment.export import export_onnx
from lednet_mm.deployment.inference import Inference

DATA = Path(__file__).resolve().parents[1] / "data"


class NetworkTest:
    """Inherited by ``Test<Network>`` classes.

    Attributes:
        vector: name of the reference vector in tests/data.
        size: (height, width) of the small test image.
        largest: largest number of pixels of a vector's case that runs here; ``tools/verify_parity.py`` runs
            all.
        giant: whether filling the parameters takes seconds; then only the smallest case in evaluation mode
            runs here, and ``tools/verify_parity.py`` runs the others.
    """

    vector: str
    size: tuple[int, int] = (64, 96)
    largest: int = 4 * 128 * 128
    giant: bool = False
    num_classes = 11

    @pytest.fixture(scope="class")
    @classmethod
    def facts(cls) -> dict:
        return read_vector(DATA / f"{cls.vector}.json")

    def build(self) -> nn.Module:
        """Build the model for all tests but parity; giants override this and build a narrow version."""
        return build_model(authors_model(self.vector), self.num_classes)

    @pytest.fixture
    def model(self) -> nn.Module:
        torch.manual_seed(0)
        return self.build()

    def test_parity_with_the_authors(self, facts):
        if self.giant:
            small = [min((case for case in facts["cases"] if case["mode"] == "eval"), key=_pixels)]
        else:
            small = [case for case in facts["cases"] if _pixels(case) <= self.largest]
            assert {case["mode"] for case in small} == {"eval", "train_bn", "grad"}
        result = check_parity({**facts, "cases": small})
        assert result.misses == []
        assert result.parameters == facts["parameters"]

    def test_a_changed_figure_is_noticed(self, facts):
        if self.giant:
            pytest.skip("the check is the same for every network, and this one takes seconds to fill")
        case = next(
            case for case in facts["cases"] if case["mode"] == "eval" and _pixels(case) <= self.largest
        )
        output = case["outputs"][0]
        index, value = output["samples"][17]
        samples = [*output["samples"][:17], [index, value + 1e-6 * output["std"]], *output["samples"][18:]]
        tampered = {**case, "outputs": [{**output, "samples": samples}, *case["outputs"][1:]]}
        assert check_parity({**facts, "cases": [tampered]}).misses

    def test_it_learns(self, model):
        height, width = self.size
        images = torch.randn(2, 3, height, width)
        # The target follows from the image, so that a few steps on one batch must lower the loss.
        labels = (images.mean(1, keepdim=True) > 0).long()
        samples = [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]
        optimizer = torch.optim.Adam(model.parameters(), 2e-3)
        losses = []
        for _ in range(3):
            loss = sum(value for name, value in model.loss(images, samples).items() if "loss" in name)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < losses[0]

    def test_odd_sizes(self, model):
        height, width = self.size[0] + 11, self.size[1] + 5
        image = torch.randn(1, 3, height, width)
        with torch.inference_mode():
            assert model.eval().logits(image).shape == (1, self.num_classes, height, width)

    @torch.inference_mode()
    def test_saved_and_loaded_it_answers_the_same(self, model, tmp_path):
        image = torch.randn(2, 3, *self.size)
        model.train()(image)  # changes the running statistics
        expected = model.eval().logits(image)
        torch.save(model.state_dict(), tmp_path / "model.pth")
        again = self.build().eval()
        again.load_state_dict(torch.load(tmp_path / "model.pth", weights_only=True))
        assert torch.equal(again.logits(image), expected)

    def test_onnx_answers_the_same_at_any_size(self, model):
        pytest.importorskip("onnxruntime")
        exported = export_onnx(Inference(model.eval()), shape=self.size)
        assert exported.dynamic, exported.obstacle
        assert exported.error <= 1e-4


def _pixels(case: dict) -> int:
    n, _, height, width = case["input_shape"]
    return n * height * width


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
