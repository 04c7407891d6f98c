"""INT8 files: what is quantised, that no sum saturates, and that engines agree on them."""

import numpy as np
import pytest
import torch
from torch import nn

from lednet_mm.deployment.export import export_onnx
from lednet_mm.deployment.quantisation import quantisable, quantise, with_class_ids
from lednet_mm.deployment.rounding import output_error
from lednet_mm.errors import InputError
from lednet_mm.timing.engines import prepare_engine

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

SHAPE = (24, 40)


def small_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 5, 3, padding=1)).eval()


def some_images(count=4):
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(1, 3, *SHAPE, generator=generator) for _ in range(count)]


@pytest.fixture(scope="module")
def network():
    return small_network()


@pytest.fixture(scope="module")
def content(network):
    return quantise(export_onnx(network, shape=SHAPE).content, some_images())


def integers(content: bytes, weights_of=("Conv",)) -> list[np.ndarray]:
    """Return the 8-bit weights of a file's convolutions, found through their dequantisation."""
    graph = onnx.load_from_string(content).graph
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    made_by = {output: node for node in graph.node for output in node.output}
    convolutions = [node for node in graph.node if node.op_type in weights_of]
    return [stored[made_by[node.input[1]].input[0]] for node in convolutions]


def test_weights_are_integers_of_seven_bits_with_a_scale_for_each_channel(content):
    found = integers(content)
    assert [weights.shape for weights in found] == [(16, 3, 3, 3), (5, 16, 3, 3)]
    for weights in found:
        assert weights.dtype == np.int8
        # Two products with unsigned 8-bit activations fit into 16 bits only if this holds.
        assert 2 * 255 * np.abs(weights.astype(int)).max() <= 2**15 - 1
        assert (np.abs(weights.astype(int)).reshape(len(weights), -1).max(1) >= 63).all()


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_file_computes_nearly_what_the_network_computes_at_any_size(engine, content, network):
    pytest.importorskip(engine)
    images = torch.randn(2, 3, 32, 16, generator=torch.Generator().manual_seed(2))
    call = prepare_engine(engine, content, images, "int8", 1)
    with torch.no_grad():
        expected = network(images)
    assert 1e-4 < output_error(call(), expected) < 0.05


def test_engines_agree_where_saturation_would_part_them():
    """All weights and pixels are as large as they can be: with 8-bit weights, AVX2's sums would saturate."""
    pytest.importorskip("openvino")
    layers = nn.Conv2d(3, 64, 1, bias=False), nn.Conv2d(64, 4, 1, bias=False)
    network = nn.Sequential(*layers).eval()
    for layer in layers:
        nn.init.ones_(layer.weight)
    images = torch.ones((1, 3, *SHAPE))
    exported = export_onnx(network, shape=SHAPE).content
    made = quantise(exported, [images, torch.zeros_like(images)])
    for engine in ("onnxruntime", "openvino"):
        answer = torch.as_tensor(prepare_engine(engine, made, images, "int8", 1)())
        assert torch.allclose(answer, torch.tensor(192.0), rtol=0.02), engine


def test_only_operators_of_the_standard_are_in_a_file(content):
    assert {known.domain for known in onnx.load_from_string(content).opset_import} == {""}


def test_a_batch_normalisation_that_is_left_becomes_a_convolution():
    """OpenVINO crashed where one followed quantised maps that were concatenated."""
    pytest.importorskip("openvino")

    class Joined(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.conv = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 2, 1)
            self.norm, self.last = nn.BatchNorm2d(16), nn.Conv2d(16, 5, 1)

        def forward(self, images):
            maps = self.first(images)
            joined = torch.cat([self.conv(maps), nn.functional.max_pool2d(maps, 2)], 1)
            return self.last(self.norm(joined).relu())

    torch.manual_seed(0)
    network = Joined()
    for image in some_images():
        network.train()(image)
    network.eval()
    form = quantisable(network)
    image = some_images(1)[0]
    with torch.no_grad():
        assert torch.allclose(form(image), network(image), atol=1e-5)
    made = quantise(export_onnx(form, shape=SHAPE).content, some_images())
    with torch.no_grad():
        expected = network(image)
    for engine in ("onnxruntime", "openvino"):
        assert output_error(prepare_engine(engine, made, image, "int8", 1)(), expected) < 0.05, engine


def test_softmax_stays_in_fp32():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Softmax(1), nn.Conv2d(4, 4, 1)).eval()
    graph = onnx.load_from_string(
        quantise(export_onnx(network, shape=SHAPE).content, [image.abs() for image in some_images()])
    ).graph
    (softmax,) = (node for node in graph.node if node.op_type == "Softmax")
    users = [node.op_type for node in graph.node if softmax.output[0] in node.input]
    makers = [node.op_type for node in graph.node if softmax.input[0] in node.output]
    assert (users, makers) == (["QuantizeLinear"], ["DequantizeLinear"])


def test_a_network_without_products_is_refused():
    exported = export_onnx(nn.MaxPool2d(2), shape=SHAPE).content
    with pytest.raises(InputError, match="no operator that computes with 8-bit numbers"):
        quantise(exported, some_images())


def test_images_that_do_not_fit_are_one_line():
    exported = export_onnx(small_network(), shape=SHAPE).content
    with pytest.raises(InputError, match="not quantised: ") as raised:
        quantise(exported, [torch.zeros(1, 4, *SHAPE)])
    assert "\n" not in str(raised.value)


def test_class_ids_are_those_of_the_highest_logit(content):
    images = some_images(1)[0]
    logits = torch.as_tensor(prepare_engine("onnxruntime", content, images, "int8", 1)())
    ids = prepare_engine("onnxruntime", with_class_ids(content), images, "int8", 1)()
    assert torch.equal(torch.as_tensor(ids), logits.argmax(1))


def test_pytorchs_engines_run_no_files(content):
    from lednet_mm.timing.runtimes import UnavailableError

    with pytest.raises(UnavailableError, match="runs no ONNX files"):
        prepare_engine("eager", content, some_images(1)[0], "int8", 1)
