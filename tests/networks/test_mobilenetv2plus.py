"""MobileNetV2Plus: parity of three versions, and what its switches and those of LightNet's head change."""

from functools import partial

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

from lednet_mm.networks.lightnet import ASPP, from_quarters, to_quarters
from tests.networks.base import NetworkTest, built, count, layers


class TestMobileNetV2Plus(NetworkTest):
    """With ASPP."""

    vector = "mobilenetv2plus"
    long_parity = True
    kept_norms = 3


class TestRFMobileNetV2Plus(NetworkTest):
    """With the receptive-field block."""

    vector = "rfmobilenetv2plus"
    long_parity = True
    kept_norms = 7


class TestMobileNetV2Share(NetworkTest):
    """On the quarters of the image."""

    vector = "mobilenetv2share"
    long_parity = True
    kept_norms = 3


encoder = partial(built, type="MobileNetV2Plus")


def head(**arguments):
    torch.manual_seed(0)
    config = {"type": "LightNetHead", "in_channels": (40, 64), "num_classes": 11, "context_channels": 16}
    return MODELS.build({**config, **arguments}).eval()


class TestBackbone:
    """Each switch changes exactly what it names."""

    def test_the_papers_first_block_has_no_expansion(self):
        difference = count(encoder()) - count(encoder(expand_first=False))
        assert difference == 32 * 32 + 2 * 32

    def test_no_dilation(self):
        flat = encoder(dilations=(1, 1, 1, 1))
        assert {m.dilation for m in layers(flat, nn.Conv2d)} == {(1, 1)}
        assert count(flat) == count(encoder())

    def test_no_scse(self):
        assert layers(encoder(scse=False), nn.Linear) == []

    def test_no_norm(self):
        assert layers(encoder(norm_cfg=None), nn.BatchNorm2d) == []

    def test_maps(self):
        maps = encoder()(torch.randn(1, 3, 37, 61))
        assert [tuple(m.shape[1:]) for m in maps] == [(40, 10, 16), (712, 5, 8)]

    def test_quarters_that_are_no_multiple_of_8(self):
        image = torch.randn(1, 3, 40, 48)
        maps = encoder(quarters=True)(image)
        assert [tuple(m.shape) for m in maps] == [(4, 40, 5, 6), (4, 712, 3, 3)]
        assert head(in_channels=(40, 712), quarters=True)(maps).shape == (1, 11, 10, 12)

    def test_quarters_of_an_image_that_has_none(self):
        with pytest.raises(ValueError, match="multiples of 8"):
            encoder(quarters=True)(torch.randn(1, 3, 37, 48))

    def test_quarters_are_separate_images(self):
        image = torch.randn(2, 3, 32, 64)
        pieces = torch.cat(
            [image[..., :16, :32], image[..., :16, 32:], image[..., 16:, :32], image[..., 16:, 32:]]
        )
        assert torch.equal(to_quarters(image), pieces)
        assert torch.equal(from_quarters(pieces), image)
        for cut, whole in zip(encoder(quarters=True)(image), encoder()(pieces), strict=True):
            assert torch.equal(cut, whole)


class TestHead:
    """The head that the LightNet collection shares."""

    def maps(self):
        return torch.randn(2, 40, 8, 12), torch.randn(2, 64, 4, 6)

    def test_border_of_the_aspp(self):
        x = torch.randn(1, 8, 5, 7)
        config = {"norm_cfg": {"type": "BN"}, "act_cfg": {"type": "ReLU"}}
        grown, plain = (ASPP(8, 4, (2, 3, 4), border=b, **config).eval() for b in (1, 0))
        plain.load_state_dict(grown.state_dict())
        assert torch.equal(grown(x)[..., 1:-1, 1:-1], plain(x))
        assert grown(x)[..., 0, :].abs().max() == 0
        assert head(context_cfg={"border": 0}).context.merge.padding == (0, 0)

    def test_dilations(self):
        rates = [m.dilation[0] for m in layers(head(dilations=(2, 3, 4)).context, nn.Conv2d)]
        assert sorted(rates)[-4:] == [1, 2, 3, 4]

    def test_norms_between_the_convolutions_of_the_receptive_fields(self):
        plain = head(context="rfb").context
        full = head(context="rfb", context_cfg={"norm_between": True}).context
        assert len(layers(full, nn.BatchNorm2d)) - len(layers(plain, nn.BatchNorm2d)) == 1 + 3 * 2

    def test_no_scse(self):
        assert layers(head(scse=False), nn.Linear) == []

    def test_no_norm(self):
        for context in ("aspp", "rfb"):
            assert layers(head(context=context, norm_cfg=None), nn.BatchNorm2d) == []

    def test_slope_of_the_training_scripts(self):
        steep = head(act_cfg={"type": "LeakyReLU", "negative_slope": 0.1})
        assert {m.negative_slope for m in layers(steep, nn.LeakyReLU)} == {0.1}

    @torch.inference_mode()
    def test_with_and_without_skip_connection(self):
        skip, deep = self.maps()
        assert head()((skip, deep)).shape == (2, 11, 8, 12)
        assert head(in_channels=(64,))((deep,)).shape == (2, 11, 8, 12)
        assert head()((skip[..., :7, :11], deep)).shape == (2, 11, 7, 11)

    def test_an_unknown_context_block_is_refused(self):
        with pytest.raises(ValueError, match="aspp, rfb"):
            head(context="psp")
