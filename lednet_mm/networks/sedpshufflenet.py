"""SEDPNShuffleNet: a dual-path network with channel shuffle and squeeze-excitation, decoded by three ASPPs.

No paper; dual-path networks are arXiv:1707.01629. Authors' code: github.com/ansleliu/LightNet (commit
58353b2). With 19 classes it has 66.20 M parameters and 253.49 G multiply-adds at 512x1024.
:mod:`lednet_mm.networks.lightnet` lists the deviations of the whole collection.

* The defaults here are those of the authors' class, with batch normalisation and ReLU. Their training script
  uses a leaky ReLU of slope 0.1 and dilations 6, 12, 18; the last stage ends in a ReLU even there
  (``last_act_cfg``).
* Four maps of logits are made, the last from the maximum of the other three. The reference does not say how
  their losses are weighted; here all four have the same weight (``deep_supervision``).
* The authors' code accepts only heights and widths that are multiples of 16. Here every map is resized to the
  one it meets, with the same result at every size that theirs accepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import Config, NormAct, SqueezeExcitation, channel_shuffle, resize_like
from lednet_mm.networks.heads import DecodeHead
from lednet_mm.networks.lightnet import ASPP, BATCH_NORM, BORDER, COMMIT, RELU, REPOSITORY

CARD = Card(
    name="sedpshufflenet",
    title="SE-DPN-ShuffleNet",
    paper="none; dual-path networks: arXiv:1707.01629",
    repository=REPOSITORY,
    commit=COMMIT,
    deviations=[BORDER],
    vectors={"sedpshufflenet": Vector()},
)

GATE_ACT = {"type": "LeakyReLU", "negative_slope": 0.1}


class DualPathUnit(nn.Module):
    """A bottleneck whose first channels are added to a residual path and whose last extend a dense path.

    Args:
        in_channels: number of channels of both paths of the input together.
        width: number of channels of the depth-wise 3x3 convolution.
        residual: number of channels of the residual path.
        growth: number of channels that the dense path gains.
        project: whether a 1x1 convolution makes both paths anew from the input.
        stride: stride of the unit; more than 1 only with ``project``.
        dilation: dilation rate of the depth-wise convolution.
        groups: number of groups of the 1x1 convolutions and the channel shuffles.
        shuffle: whether to use the channel shuffles.
        squeeze_excitation: whether the branch's channels are weighted.
        dropout_ratio: probability of zeroing a channel of the branch.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config; None leaves it out.

    Shapes: residual (N, residual, H, W) and dense path (N, D, H, W) -> (N, residual, H, W) and (N, D +
    growth, H, W). With ``project``, the paths of the stage before, of any widths -> (N, residual, H/s, W/s)
    and (N, 3 growth, H/s, W/s), rounded up.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        residual: int,
        growth: int,
        *,
        project: bool,
        stride: int = 1,
        dilation: int = 1,
        groups: int,
        shuffle: bool,
        squeeze_excitation: bool,
        dropout_ratio: float,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()

        def unit(inputs: int, conv: nn.Conv2d) -> nn.Sequential:
            return nn.Sequential(NormAct(inputs, norm_cfg, act_cfg), conv)

        def point(inputs: int, outputs: int, s: int = 1) -> nn.Sequential:
            return unit(inputs, nn.Conv2d(inputs, outputs, 1, stride=s, groups=groups, bias=False))

        made = residual + growth
        self.residual = residual
        self.groups = groups if shuffle else 1
        self.project = point(in_channels, residual + 2 * growth, stride) if project else None
        self.compress = point(in_channels, width)
        self.depth = unit(
            width,
            nn.Conv2d(width, width, 3, stride, padding=dilation, dilation=dilation, groups=width, bias=False),
        )
        self.expand = point(width, made)
        self.se = SqueezeExcitation(made, 16, GATE_ACT) if squeeze_excitation else nn.Identity()
        self.dropout = nn.Dropout2d(dropout_ratio)

    def shuffled(self, x: Tensor) -> Tensor:
        """Return the map with its channel groups interleaved, or unchanged if the unit does not shuffle."""
        return channel_shuffle(x, self.groups) if self.groups > 1 else x

    def forward(self, paths: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Return the residual and the dense path."""
        x = torch.cat(paths, dim=1)
        y = self.shuffled(self.compress(x))
        y = self.shuffled(self.dropout(self.se(self.expand(self.depth(y)))))
        if self.project is not None:
            x = self.shuffled(self.project(x))
        residual, dense = x[:, : self.residual], x[:, self.residual :]
        return residual + y[:, : self.residual], torch.cat([dense, y[:, self.residual :]], dim=1)


@MODELS.register_module()
class SEDPNShuffleNet(BaseModule):
    """The dual-path encoder.

    Args:
        in_channels: number of channels of the image.
        stem_channels: number of channels of the first convolution.
        widths: numbers of channels of the depth-wise convolutions, one per stage.
        residual_channels: numbers of channels of the residual path, one per stage.
        growth: numbers of channels that the dense path gains in every unit, one per stage.
        blocks: number of units of every stage.
        dilations: dilation rates of the second half of the third stage and of the fourth stage; (1, 1)
            removes the dilation.
        groups: number of groups of the 1x1 convolutions and the channel shuffles.
        shuffle: whether to use the channel shuffles.
        squeeze_excitation: whether every unit weights its channels.
        dropout_ratio: probability of zeroing a channel in every unit.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config, used after every normalisation but the last.
        last_act_cfg: mmcv's activation config, used at the end of the last stage.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 336, H/4, W/4), (N, 704, H/8, W/8),
    (N, 2688, H/16, W/16), each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        stem_channels: int = 64,
        widths: Sequence[int] = (96, 192, 384, 768),
        residual_channels: Sequence[int] = (256, 512, 1024, 2048),
        growth: Sequence[int] = (16, 32, 24, 128),
        blocks: Sequence[int] = (3, 4, 20, 3),
        dilations: Sequence[int] = (2, 4),
        groups: int = 4,
        shuffle: bool = True,
        squeeze_excitation: bool = True,
        dropout_ratio: float = 0.2,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        last_act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, stem_channels, 7, stride=2, padding=3, bias=False),
            NormAct(stem_channels, norm_cfg, act_cfg),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        middle, last = dilations
        rates = [
            [1] * blocks[0],
            [1] * blocks[1],
            [1] * (blocks[2] // 2) + [middle] * (blocks[2] - blocks[2] // 2),
            [last] * blocks[3],
        ]
        self.stages = nn.ModuleList()
        channels = stem_channels
        for i, stride in enumerate((1, 2, 2, 1)):
            stage = nn.Sequential()
            for j, dilation in enumerate(rates[i]):
                unit = DualPathUnit(
                    channels,
                    widths[i],
                    residual_channels[i],
                    growth[i],
                    project=j == 0,
                    stride=1 if j else stride,
                    dilation=dilation,
                    groups=groups,
                    shuffle=shuffle,
                    squeeze_excitation=squeeze_excitation,
                    dropout_ratio=dropout_ratio,
                    norm_cfg=norm_cfg,
                    act_cfg=act_cfg,
                )
                stage.append(unit)
                channels = channels + growth[i] if j else residual_channels[i] + 3 * growth[i]
            self.stages.append(stage)
        self.norm_act = NormAct(channels, norm_cfg, last_act_cfg)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps at 1/4, 1/8 and 1/16."""
        paths: tuple[Tensor, ...] = (self.stem(x),)
        maps = []
        for stage in self.stages:
            paths = stage(paths)
            maps.append(paths)
        quarter, eighth, _, deep = (torch.cat(paths, dim=1) for paths in maps)
        return quarter, eighth, self.norm_act(deep)


class Score(nn.Module):
    """A 1x1 classifier (``conv``) whose logits are weighted per class (``se``)."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, num_classes, 1)
        self.se = SqueezeExcitation(num_classes, 4, GATE_ACT)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits: (N, in_channels, H, W) -> (N, num_classes, H, W)."""
        return self.se(self.conv(x))


@MODELS.register_module()
class SEDPNShuffleHead(DecodeHead):
    """Three ASPPs, each over a finer map and the previous ASPP's output, and a fusion of their logits.

    Args:
        in_channels: numbers of channels of the maps at 1/4, 1/8 and 1/16.
        num_classes: number of classes, and so of channels of the logits; at least 4.
        context_channels: numbers of channels of the three ASPPs, the coarsest first.
        dilations: dilation rates of the first ASPP; each further ASPP doubles them.
        border: zeros that the last convolution of an ASPP adds on every side.
        dropout_ratio: dropout probability of the ASPPs.
        shuffle: whether the channels of a map and its context are shuffled after they are joined.
        deep_supervision: whether all four maps of logits are trained; False trains the last one alone.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config, used after every normalisation.
        align_corners: whether every bilinear resizing aligns the corners of the two maps.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, 336, h, w), (N, 704, h/2, w/2), (N, 2688, h/4, w/4), rounded up -> logits
    (N, num_classes, 4h, 4w).
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (336, 704, 2688),
        *,
        num_classes: int,
        context_channels: Sequence[int] = (512, 256, 128),
        dilations: Sequence[int] = (7, 14, 21),
        border: int = 1,
        dropout_ratio: float = 0.2,
        shuffle: bool = True,
        deep_supervision: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = False,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels,
            context_channels[-1],
            num_classes,
            norm_cfg,
            act_cfg,
            align_corners,
            init_cfg,
            **kwargs,
        )
        self.shuffle = shuffle
        self.deep_supervision = deep_supervision
        quarter, eighth, deep = in_channels
        first, second, third = context_channels
        aspp = partial(ASPP, border=border, dropout_ratio=dropout_ratio, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.context1 = aspp(deep, first, dilations)
        self.norm_act2 = NormAct(eighth, norm_cfg, act_cfg)
        self.context2 = aspp(first + eighth, second, [2 * d for d in dilations])
        self.norm_act3 = NormAct(quarter, norm_cfg, act_cfg)
        self.context3 = aspp(second + quarter, third, [4 * d for d in dilations])
        self.score1, self.score2, self.score3 = (Score(c, num_classes) for c in context_channels)
        self.fusion = nn.Sequential(NormAct(num_classes, norm_cfg, act_cfg), Score(num_classes, num_classes))

    def join(self, context: Tensor, finer: Tensor) -> Tensor:
        """Resize the context to a finer map and interleave their channels."""
        x = torch.cat([resize_like(context, finer, self.align_corners), finer], dim=1)
        return channel_shuffle(x, 2) if self.shuffle else x

    def scores(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the logits from 1/16, from 1/8, from 1/4 and from the fusion, all of one size."""
        quarter, eighth, deep = self._transform_inputs(inputs)
        context1 = self.context1(deep)
        context2 = self.context2(self.join(context1, self.norm_act2(eighth)))
        context3 = self.context3(self.join(context2, self.norm_act3(quarter)))
        size = (4 * quarter.shape[2], 4 * quarter.shape[3])
        context3 = F.interpolate(context3, size=size, mode="bilinear", align_corners=self.align_corners)
        score3 = self.score3(context3)
        score1 = resize_like(self.score1(context1), score3, self.align_corners)
        score2 = resize_like(self.score2(context2), score3, self.align_corners)
        fused = self.fusion(torch.maximum(torch.maximum(score1, score2), score3))
        return score1, score2, score3, fused

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the fused logits at the resolution of the image (the next multiple of 4)."""
        return self.scores(inputs)[-1]

    def loss(self, inputs: tuple[Tensor, ...], batch_data_samples: list, train_cfg: dict) -> dict:
        """Return the losses of the fused logits and, with ``deep_supervision``, of the other three."""
        *early, fused = self.scores(inputs)
        losses = self.loss_by_feat(fused, batch_data_samples)
        for i, score in enumerate(early if self.deep_supervision else [], 1):
            for name, value in self.loss_by_feat(score, batch_data_samples).items():
                losses[f"score{i}.{name}"] = value
        return losses
