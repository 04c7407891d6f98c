"""Blocks that several networks share; blocks of a single network stay in that network's file."""

from lednet_mm.layers.blocks import (
    BasicBlock,
    Bottleneck,
    ConvPoolDownsample,
    DownsampleUnit,
    EfficientChannelAttention,
    InvertedResidual,
    SqueezeExcitation,
    Stages,
    basic_blocks,
    channel_shuffle,
    hard_sigmoid,
    pyramid_attention,
)
from lednet_mm.layers.building import Config, Size, make_activation, make_norm, pair
from lednet_mm.layers.convolutions import (
    ConvNormAct,
    DepthwiseSeparable,
    FactorizedConv,
    NormAct,
    NormActConv,
    TransposedConvNormAct,
    factor_conv,
    square_conv,
)
from lednet_mm.layers.multipath import MultiPathConv
from lednet_mm.layers.pooling import ImagePyramid, ScalePyramid, adaptive_average_pool, pyramid_pool
from lednet_mm.layers.resizing import crop_like, match_size, pad_like, resize_like, unpool

__all__ = [
    "BasicBlock",
    "Bottleneck",
    "Config",
    "ConvNormAct",
    "ConvPoolDownsample",
    "DepthwiseSeparable",
    "DownsampleUnit",
    "EfficientChannelAttention",
    "FactorizedConv",
    "ImagePyramid",
    "InvertedResidual",
    "MultiPathConv",
    "NormAct",
    "NormActConv",
    "ScalePyramid",
    "Size",
    "SqueezeExcitation",
    "Stages",
    "TransposedConvNormAct",
    "adaptive_average_pool",
    "basic_blocks",
    "channel_shuffle",
    "crop_like",
    "factor_conv",
    "hard_sigmoid",
    "make_activation",
    "make_norm",
    "match_size",
    "pad_like",
    "pair",
    "pyramid_attention",
    "pyramid_pool",
    "resize_like",
    "square_conv",
    "unpool",
]
