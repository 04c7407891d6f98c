"""SegNeXt: parity with the authors' code, and bases that stay the same."""

import torch

from tests.networks.base import MMSegmentationTest


class TestSegNeXtT(MMSegmentationTest):
    """MMSegmentation's, whose head begins from fixed bases."""

    vector = "segnext_t"
    long_parity = True
    network = "segnext_t"
    mmseg_config = "segnext/segnext_mscan-t_1xb16-adamw-160k_ade20k-512x512.py"
    millions = 4.26
    kept_norms = 13


def test_the_answer_is_the_same_twice():
    model = TestSegNeXtT().build().eval()
    images = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        assert torch.equal(model.logits(images), model.logits(images))
