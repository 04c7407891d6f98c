"""SegNeXt's names, which MMSegmentation keeps but for a few."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from lednet_mm.checkpoints.filling import fill
from lednet_mm.checkpoints.names import NameTable


def _logits(model: Any, maps: Sequence[Tensor], image: Tensor) -> Tensor:
    # The authors' code draws the bases; the vector states by what rule they were made instead.
    ham = model.decode_head.hamburger.ham
    ham.bases = F.normalize(fill("bases", [1, 256, 16], "input", "public").abs(), dim=1)
    return model.decode_head(maps)


TABLES = {
    "segnext_t": NameTable(
        rules=[(r"\.dwconv\.dwconv\.", ".dwconv.")],
        outputs={"logits before the final resize": _logits},
    ),
}
