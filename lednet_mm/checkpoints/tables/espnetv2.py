"""ESPNetv2's names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lednet_mm.checkpoints.names import NameTable, Rule

if TYPE_CHECKING:
    from torch import Tensor

BLOCK: list[Rule] = [
    (r"\.proj_1x1\.", ".reduce."),
    (r"\.spp_dw\.(\d)\.conv\.", r".branches.\1."),
    (r"\.br_after_cat\.", ".norm_act."),
    (r"\.conv_1x1_exp\.", ".expand."),
    (r"\.module_act\.", ".act."),
]


def _coarse(model: Any, maps: Sequence[Tensor], image: Tensor) -> Tensor:
    """Return the coarse logits that only training uses, at the image's size."""
    from lednet_mm.layers import resize_like

    head = model.decode_head
    return resize_like(head.enlarge(head.coarse(maps), maps), image, align_corners=True)


TABLES = {
    "espnetv2": NameTable(
        rules=[
            (r"^net\.", "backbone."),
            (r"\.level(\d)_0\.", r".down\1."),
            (r"\.eesp\.", ".block."),
            (r"\.inp_reinf\.", ".reinforce."),
            (r"^proj_L4_C\.", "decode_head.project4."),
            (r"^pspMod\.0\.", "decode_head.fuse."),
            (r"^pspMod\.1\.stages\.(\d)\.conv\.", r"decode_head.pyramid.convs.\1."),
            (r"^pspMod\.1\.", "decode_head.pyramid."),
            (r"^project_l([13])\.1\.conv\.", r"decode_head.project\1."),
            (r"^project_l2\.", "decode_head.project2."),
            (r"^act_l3\.", "decode_head.norm_act3."),
            *BLOCK,
            (r"\.bn\.", ".norm."),
        ],
        unused=[r"level\d_0\.eesp\.module_act\."],
        outputs={
            r"^training output 1": _coarse,
        },
    ),
}
