"""SegNet's names in Efficient-Segmentation-Networks."""

import re

from lednet_mm.checkpoints.names import NameTable


def _encoder(match: re.Match) -> str:
    """Rename conv32, the second of the third group, to encoders.2.1."""
    return f"backbone.encoders.{int(match[2]) - 1}.{int(match[3]) - 1}.{match[1]}."


def _decoder(match: re.Match) -> str:
    """Rename conv33d, which runs first in its group, to decoders.2.0."""
    group = int(match[2])
    depth = 2 if group <= 2 else 3
    return f"backbone.decoders.{group - 1}.{depth - int(match[3])}.{match[1]}."


TABLES = {
    "segnet": NameTable(
        rules=[
            (r"^conv11d\.", "decode_head.conv_seg."),
            (r"^bn", "norm"),
            (r"^(conv|norm)(\d)(\d)\.", _encoder),
            (r"^(conv|norm)(\d)(\d)d\.", _decoder),
        ],
    ),
}
