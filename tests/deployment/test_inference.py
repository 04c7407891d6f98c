"""The part of a model that is measured: logits of any segmentor, for any number of channels."""

from pathlib import Path

import mmseg
import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

from lednet_mm.config import load_config
from lednet_mm.counting.complexity import count_complexity
from lednet_mm.deployment.export import export_onnx
from lednet_mm.deployment.inference import Inference, build_network, input_channels
from lednet_mm.errors import InputError
from lednet_mm.records import read_records

THEIRS = Path(mmseg.__file__).parent / ".mim/configs"
ERFNET = THEIRS / "erfnet/erfnet_fcn_4xb4-160k_cityscapes-512x1024.py"
OF_MMSEGMENTATION = [
    ERFNET,
    THEIRS / "pspnet/pspnet_r18-d8_4xb2-80k_cityscapes-512x1024.py",
    THEIRS / "segformer/segformer_mit-b0_8xb1-160k_cityscapes-1024x1024.py",
    THEIRS / "ocrnet/ocrnet_hr18s_4xb2-40k_cityscapes-512x1024.py",  # a cascade of two heads
    THEIRS / "encnet/encnet_r50-d8_4xb2-40k_cityscapes-512x1024.py",  # normalises one-dimensional maps
    THEIRS / "pidnet/pidnet-s_2xb6-120k_1024x1024-cityscapes.py",
]


@pytest.mark.thorough
@pytest.mark.parametrize("path", OF_MMSEGMENTATION, ids=lambda path: path.parent.name)
def test_the_logits_are_those_that_mmsegmentation_predicts_with(path):
    config = load_config(path)
    config.model.test_cfg = {"mode": "whole"}
    torch.manual_seed(0)
    network = Inference(build_network(config))
    torch.manual_seed(0)
    model = MODELS.build(config.model).eval()
    images = torch.randn(2, 3, 64, 128)
    with torch.no_grad():
        logits = network(images)
        expected = torch.stack([sample.seg_logits.data for sample in model.predict(images)])
    assert torch.equal(logits, expected)
    assert not any(isinstance(module, nn.SyncBatchNorm) for module in network.modules())
    assert input_channels(network) == 3


@pytest.mark.thorough
def test_one_channel_is_counted_as_one(small_config):
    colour = count_complexity(load_config(small_config()), (64, 128))
    grey = count_complexity(load_config(small_config("model['backbone'].update(in_channels=1)")), (64, 128))
    assert (colour.channels, grey.channels) == (3, 1)
    assert grey.details()["channels"] == 1
    # The first convolution fills 32 maps up from the pooled image: 29 filters of 3x3x3, or 31 of 3x3x1.
    assert colour.params - grey.params == 29 * 28 - 31 * 10
    assert grey.macs < colour.macs


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["get_flops", "benchmark"])
def test_the_tools_take_mmsegmentations_configs_and_grey_images(name, small_config, tool, tmp_path):
    grey = small_config("model['backbone'].update(in_channels=1)")
    quick = ["--samples", 2, "--seconds", 0.05] if name == "benchmark" else []
    outcome = tool(name, ERFNET, grey, "--shape", 64, 128, "--work-dir", tmp_path / "w", *quick)
    assert outcome.status == 0, outcome.err
    records, problems = read_records([tmp_path / "w"])
    assert not problems
    facts = {record.run.network: record.details for record in records}
    assert {name: (fact["shape"], fact["channels"]) for name, fact in facts.items()} == {
        ERFNET.stem: ([64, 128], 3),
        "lednet": ([64, 128], 1),
    }
    assert f"records in {tmp_path / 'w' / 'records'}" in outcome.out


@pytest.mark.thorough
def test_mmsegmentations_network_exports_for_any_size():
    network = Inference(build_network(load_config(ERFNET)))
    exported = export_onnx(network, shape=(64, 128))
    assert exported.dynamic, exported.obstacle


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"model.backbone.type": "NoSuchNet"}, "NoSuchNet"),
        ({"model.backbone.width": 3}, "width"),
        ({"model.decode_head.in_channels": "many"}, ""),
    ],
)
def test_a_model_that_cannot_be_built_is_one_line(options, reason, small_config):
    with pytest.raises(InputError, match="cannot be built") as raised:
        build_network(load_config(small_config(), options))
    assert reason in str(raised.value)
    assert "\n" not in str(raised.value)
