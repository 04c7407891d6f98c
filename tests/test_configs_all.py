"""Every network on CamVid and on Cityscapes is built as its name says."""

from __future__ import annotations

import re
from pathlib import Path

import mmseg
import pytest
import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.models.decode_heads import STDCHead
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from mmseg.structures.sampler import OHEMPixelSampler
from torch import nn

from lednet_mm.catalog import network_files
from lednet_mm.config import Choice, load_config

CLASSES = {"camvid": 11, "cityscapes": 19}
WHEEL = Path(mmseg.__file__).parent / ".mim/configs"

# Networks taken from MMSegmentation, and its own configs of them.
FROM_MMSEG = {
    "bisenetv1": "_base_/models/bisenetv1_r18-d32.py",
    "bisenetv2": "_base_/models/bisenetv2.py",
    "cgnet": "_base_/models/cgnet.py",
    "ddrnet23_slim": "ddrnet/ddrnet_23-slim_in1k-pre_2xb6-120k_cityscapes-1024x1024.py",
    "erfnet_mmseg": "_base_/models/erfnet_fcn.py",
    "fastscnn_mmseg": "_base_/models/fast_scnn.py",
    "icnet": "_base_/models/icnet_r50-d8.py",
    "mobilenetv3_lraspp": "_base_/models/lraspp_m-v3-d8.py",
    "pidnet_s": "pidnet/pidnet-s_2xb6-120k_1024x1024-cityscapes.py",
    "segformer_b0": "_base_/models/segformer_mit-b0.py",
    "stdc1": "stdc/stdc1_4xb12-80k_cityscapes-512x1024.py",
    "stdc2": "stdc/stdc2_4xb12-80k_cityscapes-512x1024.py",
    "unet": "unet/unet-s5-d16_fcn_4xb4-160k_cityscapes-512x1024.py",
}

LOSSES = {
    "pidnet_s": {"loss_sem_p", "loss_sem_i", "loss_bd", "loss_sem_bd"},
    "ddrnet23_slim": {"loss_context", "loss_spatial"},
    "stdc1": {"loss_ce", "loss_dice"},
    "stdc2": {"loss_ce", "loss_dice"},
}

# In millions, and with the auxiliary heads: measured with MMSegmentation's own configs.
PARAMETERS = {
    "bisenetv1": 13.43,
    "bisenetv2": 14.80,
    "cgnet": 0.496,
    "ddrnet23_slim": 5.73,
    "erfnet_mmseg": 2.084,
    "fastscnn_mmseg": 1.457,
    "icnet": 47.83,
    "mobilenetv3_lraspp": 3.28,
    "pidnet_s": 7.72,
    "segformer_b0": 3.72,
    "stdc1": 8.57,
    "stdc2": 12.60,
    "unet": 29.06,
}


def several(module: nn.Module) -> list:
    return list(module) if isinstance(module, nn.ModuleList) else [module]


def heads(model) -> list:
    return [model.decode_head, *(several(model.auxiliary_head) if model.with_auxiliary_head else [])]


def without_values(model: dict):
    """Build a model of shapes alone, which takes no time; a SegFormer reads values while it is built."""
    with torch.device("cpu" if model["backbone"]["type"] == "MixVisionTransformer" else "meta"):
        return MODELS.build(model)


def sampling(head) -> tuple | None:
    if head.sampler is None:
        return None
    return isinstance(head.sampler, OHEMPixelSampler), head.sampler.thresh, head.sampler.min_kept


def batch(size: tuple[int, int], classes: int) -> tuple[torch.Tensor, list]:
    torch.manual_seed(0)
    labels = torch.randint(0, classes, (2, 1, size[0] // 4, size[1] // 4))
    labels = nn.functional.interpolate(labels.float(), size).long()
    labels[..., :5] = 255
    return torch.randn(2, 3, *size), [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]


@pytest.mark.parametrize("dataset", CLASSES)
@pytest.mark.parametrize("network", network_files())
def test_config(network: str, dataset: str):
    config = load_config(Choice(network, dataset))
    assert (config.network, config.dataset) == (network, dataset)
    assert "variant" not in config
    assert config.model.class_weight == config.class_weight
    assert config.model.data_preprocessor == {**config.data_preprocessor, "size": tuple(config.crop_size)}
    model = without_values(config.model)
    for head in heads(model):
        # STDC's head for details tells two classes apart.
        assert head.num_classes == (2 if isinstance(head, STDCHead) else CLASSES[dataset])
        for loss in several(head.loss_decode):
            if type(loss).__name__ == "WeightedCrossEntropy":
                assert loss.class_weight == list(config.class_weight)
    assert not [m for m in model.modules() if isinstance(m, nn.SyncBatchNorm)]
    assert "Pretrained" not in str(config.model)


@pytest.mark.parametrize("network", FROM_MMSEG)
class TestNetworksFromMMSegmentation:
    """What has no test of its own in tests/networks."""

    def test_its_losses(self, network: str):
        model = without_values(load_config(Choice(network, "cityscapes")).model).to("meta").train()
        images, samples = batch((48, 64), 19)
        samples = [sample.to("meta") for sample in samples]
        losses = [name for name in model.loss(images.to("meta"), samples) if "loss" in name]
        assert {name.split(".")[1] for name in losses} == LOSSES.get(network, {"loss_ce"})

    def test_it_is_built_as_in_mmsegmentations_own_config(self, network: str):
        ours = without_values(load_config(Choice(network, "cityscapes")).model)
        theirs = without_values(Config.fromfile(WHEEL / FROM_MMSEG[network]).model)
        assert abs(sum(p.numel() for p in theirs.parameters()) / 1e6 - PARAMETERS[network]) < 0.006
        assert layers(ours.backbone) == layers(theirs.backbone)
        if network == "cgnet":  # its classifier is the authors', without a bias
            return
        assert list(ours.state_dict()) == list(theirs.state_dict())
        if ours.with_neck:
            assert layers(ours.neck) == layers(theirs.neck)
        for our_head, their_head in zip(heads(ours), heads(theirs), strict=True):
            assert layers(our_head) == layers(their_head)
            assert our_head.align_corners == their_head.align_corners
            assert our_head.in_index == their_head.in_index
            assert sampling(our_head) == sampling(their_head)


def layers(module: nn.Module) -> list[str]:
    """Describe the layers with values, by name; normalisation without the kind that needs GPUs."""
    kinds = (nn.modules.conv._ConvNd, nn.modules.batchnorm._NormBase, nn.Linear, nn.LayerNorm, nn.PReLU)
    kinds += (nn.modules.dropout._DropoutNd,)
    return [
        f"{name}: {re.sub('SyncBatchNorm', 'BatchNorm2d', str(m))}"
        for name, m in module.named_modules()
        if isinstance(m, kinds)
    ]
