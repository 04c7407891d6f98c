"""Exported files are read as data: what is no network of a config's is refused in one line."""

import json
import re

import pytest
from torch import nn

from lednet_mm.config import load_config
from lednet_mm.deployment.export import annotate, describe, export_onnx
from lednet_mm.deployment.onnx_file import parse_onnx, read_onnx
from lednet_mm.errors import InputError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def content():
    return export_onnx(nn.Conv2d(3, 5, 1), shape=(16, 24)).content


@pytest.fixture
def config(small_config):
    return load_config(small_config())


@pytest.fixture
def facts(config, tmp_path):
    (tmp_path / "weights.pth").write_bytes(b"weights")
    return describe(config, tmp_path / "weights.pth", channels=3, deployed=True, seed=7)


def test_a_file_says_what_it_is(content, facts, config):
    file = parse_onnx("a.onnx", annotate(content, facts))
    file.require_fitting(config)
    assert (file.precision, file.deployed, file.seed, file.calibration) == ("fp32", True, 7, None)
    assert file.checkpoint_sha256 == facts["checkpoint_sha256"]
    assert file.shape == (None, 3, None, None)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"network": "erfnet"}, "is of network erfnet, variant default, the config of network lednet"),
        ({"variant": "no_apn"}, "variant no_apn"),
        ({"classes": json.dumps(["a", "b"])}, "has 2 classes, the config's dataset has 19"),
        ({"classes": "nonsense"}, "has no classes"),
        ({"mean": json.dumps([0.0, 0.0, 0.0])}, r"exported with mean=\[0.0, 0.0, 0.0\]"),
        ({"std": "null"}, "exported with std=null"),
    ],
)
def test_a_file_of_something_else_is_refused(changed, reason, content, facts, config):
    file = parse_onnx("a.onnx", annotate(content, {**facts, **changed}))
    with pytest.raises(InputError, match=reason) as raised:
        file.require_fitting(config)
    assert "\n" not in str(raised.value)


def test_another_name_of_a_class_is_said(content, facts, config):
    classes = json.loads(facts["classes"])
    classes[3] = "wall\nof text"
    file = parse_onnx("a.onnx", annotate(content, {**facts, "classes": json.dumps(classes)}))
    with pytest.raises(InputError, match="class 3 is ") as raised:
        file.require_fitting(config)
    assert "\n" not in str(raised.value)


def test_a_file_without_metadata_is_refused(content, config):
    bare = parse_onnx("a.onnx", annotate(content, {}))
    with pytest.raises(InputError, match="do not say of which network it is"):
        bare.require_fitting(config)


def test_metadata_that_are_no_json_are_not_known(content, facts):
    odd = {"seed": "-1", "calibration": '{"images": "many"}', "checkpoint_sha256": "x" * 400}
    file = parse_onnx("a.onnx", annotate(content, {**facts, **odd}))
    assert (file.seed, file.calibration, file.checkpoint_sha256) == (None, None, None)


@pytest.mark.parametrize("data", [b"", b"no network at all", b"\x08\x07"])
def test_what_is_no_onnx_is_one_line(data, tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(data)
    with pytest.raises(InputError, match=re.escape(f"{path}: no valid ONNX file")):
        read_onnx(path)


def test_a_file_that_is_missing_or_no_file(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        read_onnx(tmp_path / "nowhere.onnx")
    with pytest.raises(InputError, match="not a regular file"):
        read_onnx(tmp_path)


def test_weights_in_another_file_are_not_read(content):
    model = onnx.load_from_string(content)
    weights = model.graph.initializer[0]
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="secret.bin")
    with pytest.raises(InputError, match=r"another file|no valid"):
        parse_onnx("a.onnx", model.SerializeToString())


def test_a_file_with_other_inputs_is_refused(content):
    model = onnx.load_from_string(content)
    model.graph.input[0].name = "pixels"
    model.graph.node[0].input[0] = "pixels"
    with pytest.raises(InputError, match=r"no network of tools/export\.py"):
        parse_onnx("a.onnx", model.SerializeToString())


def test_a_fixed_file_refuses_other_sizes(content):
    model = onnx.load_from_string(content)
    for size, value in zip(model.graph.input[0].type.tensor_type.shape.dim, (1, 3, 16, 24), strict=True):
        size.dim_value = value
    file = parse_onnx("a.onnx", model.SerializeToString())
    file.require_accepting((1, 3, 16, 24))
    with pytest.raises(InputError, match="takes images of 1x3x16x24 alone, and these are 1x3x32x24"):
        file.require_accepting((1, 3, 32, 24))
