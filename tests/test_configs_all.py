"""Every network can be built for CamVid and for Cityscapes, and is the one that its name says."""

from __future__ import annotations

import warnings

import pytest
from torch import nn

from lednet_mm.catalog import network_files
from lednet_mm.config import Choice, load_config
from lednet_mm.deployment.inference import input_channels
from lednet_mm.environment import prepare
from tests.networks.base import heads_of, several, without_values

pytestmark = pytest.mark.thorough

CLASSES = {"camvid": 11, "cityscapes": 19}


@pytest.mark.parametrize("dataset", CLASSES)
@pytest.mark.parametrize("network", network_files())
def test_config(network: str, dataset: str):
    config = load_config(Choice(network, dataset))
    assert (config.network, config.dataset) == (network, dataset)
    assert "variant" not in config
    assert config.model.class_weight == config.class_weight
    assert config.model.data_preprocessor == {**config.data_preprocessor, "size": tuple(config.crop_size)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prepare()  # ignores what a command ignores
        model = without_values(config.model)
    for head in heads_of(model):
        # STDC's head for details tells two classes apart, by two outputs or by one.
        details = {"DetailHead": 2, "OneChannelDetailHead": 1}
        assert head.num_classes == details.get(type(head).__name__, CLASSES[dataset])
        for loss in several(head.loss_decode):
            if type(loss).__name__ == "WeightedCrossEntropy":
                assert loss.class_weight == list(config.class_weight)
    assert input_channels(model) == 3
    assert not [m for m in model.modules() if isinstance(m, nn.SyncBatchNorm)]
    assert "Pretrained" not in str(config.model)
