"""CGNet: MMSegmentation's, as configured here, is its authors' network."""

import pytest
import torch
from mmseg.models.backbones.cgnet import GlobalContextExtractor
from mmseg.registry import MODELS
from torch import nn

from lednet_mm.checkpoints.authors import authors_model
from lednet_mm.checkpoints.parity import build_model
from lednet_mm.config import Choice, load_config
from lednet_mm.deployment.inference import build_network
from tests.networks.base import MMSegmentationTest, layers


class TestCGNet(MMSegmentationTest):
    """As released."""

    vector = network = "cgnet"
    mmseg_config = "_base_/models/cgnet.py"
    millions = 0.496
    kept_norms = 3


def test_the_config_builds_the_proven_network():
    ours, proven = (
        build_network(load_config(Choice("cgnet", "camvid"))),
        build_model(authors_model("cgnet"), 11).eval(),
    )
    ours.load_state_dict(proven.state_dict())
    image = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        assert torch.equal(ours.logits(image), proven.logits(image))


def test_it_starts_as_the_authors_network_does():
    torch.manual_seed(0)
    model = build_network(load_config(Choice("cgnet", "camvid")))
    model.init_weights()
    assert {slope for m in layers(model, nn.PReLU) for slope in m.weight.unique().tolist()} == {0.25}
    for conv in (model.backbone.level1[0].conv1x1.conv, model.decode_head.conv_seg):
        deviation = (2 / conv.weight[0].numel()) ** 0.5  # Kaiming, by the inputs
        assert abs(conv.weight.std().item() / deviation - 1) < 0.05


def network_of(kind: str = "CGNetSwitches", **arguments) -> nn.Module:
    torch.manual_seed(0)
    network = MODELS.build({"type": kind, **arguments})
    network.eval()  # mmseg's returns None
    return network


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_without_one_it_is_cgnet(self):
        ours, theirs = network_of(), network_of("CGNet")
        assert str(ours).replace("CGNetSwitches", "CGNet") == str(theirs)
        ours.load_state_dict(theirs.state_dict())
        image = torch.randn(1, 3, 64, 96)
        for mine, other in zip(ours(image), theirs(image), strict=True):
            assert torch.equal(mine, other)

    def test_no_global_context(self):
        network, without = network_of(), network_of(global_context=False)
        assert len(layers(network, GlobalContextExtractor)) == 3 + 21
        assert not layers(without, GlobalContextExtractor)
        # Where every channel has weight 1, the rest of the block is unchanged.
        block, plain = network.level2[1], without.level2[1]
        plain.load_state_dict(block.state_dict(), strict=False)
        block.f_glo.fc = nn.Sequential(nn.Linear(128, 128), nn.Sigmoid())
        nn.init.zeros_(block.f_glo.fc[0].weight)
        nn.init.constant_(block.f_glo.fc[0].bias, 100)
        x = torch.randn(1, 128, 8, 8)
        assert torch.equal(plain(x), block(x))

    def test_a_local_residual_is_weighed_too(self):
        block, local = network_of().level2[1], network_of(residual="local").level2[1]
        x = torch.randn(1, 128, 8, 8)
        weigh, block.f_glo = block.f_glo, nn.Identity()
        local.block.load_state_dict(block.state_dict())
        local.weigh.load_state_dict(weigh.state_dict())
        assert torch.equal(local(x), weigh(block(x)))
        assert not torch.equal(local(x), block(x))

    def test_where_the_resolution_changes_nothing_is_added_and_nothing_moves(self):
        assert str(network_of(residual="local").level2[0]) == str(network_of().level2[0])

    def test_an_unknown_residual_is_refused(self):
        with pytest.raises(ValueError, match="residual is global or local, not 'none'"):
            network_of(residual="none")
