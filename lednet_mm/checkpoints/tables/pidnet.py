"""PIDNet's names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from lednet_mm.checkpoints.names import NameTable
from lednet_mm.checkpoints.tables.ddrnet import PYRAMID, RESIDUAL, STEM

BRANCHES = {"": "integral", "_": "proportional", "_d": "derivative"}


def _stage(match: re.Match) -> str:
    return f"backbone.{BRANCHES[match[2]]}.{int(match[1]) - 3}."


def _part(match: re.Match) -> str:
    part, place = match[1], int(match[2]) - 3
    layer = ("conv", "norm")[int(match[3])]
    return f"backbone.{'compressions' if part == 'compression' else 'differences'}.{place}.{layer}."


def _attention(match: re.Match) -> str:
    side = {"x": "fine", "y": "deep"}[match[2]]
    return f"backbone.attentions.{int(match[1]) - 3}.{side}.{('conv', 'norm')[int(match[3])]}."


def _main(model: Any, maps: Sequence[Tensor], image: Tensor) -> Tensor:
    return model.decode_head.i_head(maps[1], model.decode_head.cls_seg)


def _details(model: Any, maps: Sequence[Tensor], image: Tensor) -> Tensor:
    return model.decode_head.p_head(maps[0], model.decode_head.p_cls_seg)


def _boundaries(model: Any, maps: Sequence[Tensor], image: Tensor) -> Tensor:
    return model.decode_head.d_head(maps[2], model.decode_head.d_cls_seg)


_TABLE = NameTable(
    rules=[
        (r"^final_layer\.conv2\.", "decode_head.conv_seg."),
        (r"^final_layer\.", "decode_head.i_head."),
        (r"^seghead_([pd])\.conv2\.", r"decode_head.\1_cls_seg."),
        (r"^seghead_([pd])\.", r"decode_head.\1_head."),
        (r"_head\.bn1\.", "_head.conv.bn."),
        (r"_head\.conv1\.", "_head.conv.conv."),
        (r"_head\.bn2\.", "_head.norm."),
        *STEM,
        # Single blocks have an index or none.
        (r"^layer(5_d|5_|4_d)\.0\.", r"layer\1."),
        (r"^layer5\.", "backbone.integral.2."),
        (r"^layer([345])(_d|_)\.", _stage),
        (r"^layer([34])()\.", lambda match: f"{_stage(match)}0."),
        (r"^(compression|diff)([34])\.(\d)\.", _part),
        (r"^pag([34])\.f_([xy])\.(\d)\.", _attention),
        (r"^dfm\.conv_p\.0\.", "backbone.mix.details.conv."),
        (r"^dfm\.conv_p\.1\.", "backbone.mix.details.norm."),
        (r"^dfm\.conv_i\.0\.", "backbone.mix.context.conv."),
        (r"^dfm\.conv_i\.1\.", "backbone.mix.context.norm."),
        (r"^dfm\.conv\.0\.", "backbone.mix.mixed.norm."),
        (r"^dfm\.conv\.2\.", "backbone.mix.mixed.conv."),
        (r"^spp\.", "backbone.context."),
        *PYRAMID,
        *RESIDUAL,
    ],
    outputs={
        "auxiliary logits of the P branch": _details,
        "main logits": _main,
        "boundary logits of the D branch": _boundaries,
    },
)

TABLES = {"pidnet_s": _TABLE, "pidnet_m": _TABLE, "pidnet_l": _TABLE}
