"""FPENet's names in Efficient-Segmentation-Networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lednet_mm.checkpoints.names import NameTable

if TYPE_CHECKING:
    from torch import Tensor


def _doubled(model: Any, maps: Sequence[Tensor], image: Tensor) -> Tensor:
    """Return the logits doubled in size, as that code does; for odd sizes they are larger than the image."""
    from torch.nn import functional as F

    return F.interpolate(model.decode_head(maps), scale_factor=2, mode="bilinear", align_corners=True)


TABLES = {
    "fpenet": NameTable(
        rules=[
            (r"^conv1\.", "backbone.stem.conv."),
            (r"^bn1\.", "backbone.stem.norm."),
            (r"^layer1\.", "backbone.stage1."),
            (r"^layer(\d)\.0\.", r"backbone.down\1."),
            (r"^layer(\d)\.(\d)\.", lambda match: f"backbone.stage{match[1]}.{int(match[2]) - 1}."),
            (r"conv1\.", "expand.conv."),
            (r"bn1\.", "expand.norm."),
            (r"conv2\.(\d)", r"pyramid.\1.conv"),
            (r"bn2\.(\d)", r"pyramid.\1.norm"),
            (r"conv3\.", "project.conv."),
            (r"bn3\.", "project.norm."),
            (r"downsample\.0", "shortcut.conv"),
            (r"downsample\.1", "shortcut.norm"),
            (r"^meu", "decode_head.up"),  # codespell:ignore meu
            (r"conv1x1_(low|high)", r"\1.conv"),
            (r"bn_(low|high)", r"\1.norm"),
            (r"sa_conv", "spatial"),
            (r"ca_conv", "channel.conv"),
            (r"^project_layer", "decode_head.conv_seg"),
        ],
        outputs={r"^logits at output resolution": _doubled},
    ),
}
