"""SegNeXt-T: the network is MMSegmentation's, which is proven equal to the authors'.

Paper: Guo et al., NeurIPS 2022, arXiv:2209.08575. Authors' code: github.com/Visual-Attention-Network/SegNeXt
(mmseg/ models/backbones/mscan.py and decode_heads/ham_head.py, commit c87bcae). With 19 classes it has 4.23 M
parameters and 12.63 G multiply-adds at 512x1024.

Its head factorises a map from random bases that it draws anew in every forward. Here they are drawn with a
fixed seed, so that a network gives the same answer twice; all else is MMSegmentation's.
"""

from __future__ import annotations

import torch
from mmseg.models.decode_heads import LightHamHead
from mmseg.models.decode_heads.ham_head import NMF2D
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional as F

from lednet_mm.cards import Card, Vector
from lednet_mm.networks.heads import AsynchronousHead

CARD = Card(
    name="segnext_t",
    title="SegNeXt-T",
    paper="arXiv:2209.08575",
    repository="github.com/Visual-Attention-Network/SegNeXt",
    commit="c87bcae",
    deviations=["The bases from which the head starts are fixed; the authors' are drawn in every forward."],
    vectors={"segnext_t": Vector()},
    published=["SegNeXt-T"],
    from_mmsegmentation=True,
)


class SteadyFactorisation(NMF2D):
    """mmseg's ``NMF2D`` that always starts from the same bases.

    Args:
        channels: number of channels of the map.
        options: arguments of mmseg's ``NMF2D``.

    Attributes:
        bases: (S, channels / S, rank), not part of the state.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    bases: Tensor

    def __init__(self, channels: int, options: dict) -> None:
        super().__init__(options)
        generator = torch.Generator().manual_seed(0)
        bases = torch.rand(self.S, channels // self.S, self.R, generator=generator, device="cpu")
        self.register_buffer("bases", F.normalize(bases, dim=1), persistent=False)

    def _build_bases(self, B: int, *_: object, **__: object) -> Tensor:  # noqa: N803 (mmseg's name)
        """Return the bases of a batch, (B * S, channels / S, rank)."""
        return self.bases.repeat(B, 1, 1)


@MODELS.register_module()
class SteadyHamHead(LightHamHead, AsynchronousHead):
    """mmseg's ``LightHamHead`` whose factorisation always starts from the same bases.

    Args:
        ham_channels: number of channels of the factorised map.
        ham_kwargs: arguments of the factorisation.
        kwargs: further arguments of mmseg's ``LightHamHead``.

    Shapes: maps of several resolutions -> logits at the resolution of the first.
    """

    def __init__(self, ham_channels: int, ham_kwargs: dict, **kwargs) -> None:
        super().__init__(ham_channels, ham_kwargs, **kwargs)
        self.hamburger.ham = SteadyFactorisation(ham_channels, dict(ham_kwargs))
