"""LEDNet's names: its authors' repository, and the version in Efficient-Segmentation-Networks (_esn)."""

from lednet_mm.checkpoints.names import NameTable, Rule

ENCODER: list[Rule] = [
    (r"^encoder\.output_conv\.", "auxiliary_head.conv_seg."),
    (r"^encoder\.", ""),
    (r"^initial_block\.", "backbone.stages.0.0."),
    (r"^layers\.([0-2])\.", lambda match: f"backbone.stages.0.{int(match[1]) + 1}."),
    (r"^layers\.([3-5])\.", lambda match: f"backbone.stages.1.{int(match[1]) - 3}."),
    (r"^layers\.(\d+)\.", lambda match: f"backbone.stages.2.{int(match[1]) - 6}."),
    (r"(stages\.\d\.0)\.bn\.", r"\1.norm."),
    # The vertical convolution comes first in the left branch and second in the right one.
    (r"conv3x1_1_l", "left.conv1"),
    (r"conv1x3_1_l", "left.conv2"),
    (r"conv3x1_2_l", "left.conv3"),
    (r"conv1x3_2_l", "left.conv4"),
    (r"conv1x3_1_r", "right.conv1"),
    (r"conv3x1_1_r", "right.conv2"),
    (r"conv1x3_2_r", "right.conv3"),
    (r"conv3x1_2_r", "right.conv4"),
    (r"bn(\d)_l", r"left.norm\1"),
    (r"bn(\d)_r", r"right.norm\1"),
]
# One CBR of the authors is conv.0 (convolution) and conv.1 (batch normalisation).
UNIT: list[Rule] = [(r"\.conv\.0\.", ".conv."), (r"\.conv\.1\.", ".norm.")]
APN: list[Rule] = [
    (r"^(decoder\.)?apn\.", "decode_head."),
    (r"head\.branch1\.1", "head.pooled"),
    (r"head\.mid\.0", "head.middle"),
    (r"head\.conv(\d)", r"head.lateral\1"),
]
AUTHORS = [*ENCODER, *UNIT, *APN, (r"down3\.0", "down3"), (r"down3\.1", "lateral3")]

TABLES = {
    "lednet_official": NameTable(rules=AUTHORS),
    "lednet_apn128": NameTable(rules=AUTHORS),
    "lednet_no_bn": NameTable(
        rules=AUTHORS,
        unused=[r"layers\.\d+\.bn[12]_[lr]\."],
        unused_dropout=[("Dropout2d", 0.03)] * 5 + [("Dropout2d", 0.3)] * 8,
    ),
    "lednet_esn": NameTable(
        rules=[
            *ENCODER,
            (r"^apn\.(branch1\.1|mid\.0)\.conv\.0\.", r"apn.\1.conv."),
            (r"^apn\.(branch1\.1|mid\.0)\.conv\.1\.", r"apn.\1.norm."),
            # down3 holds six layers here: the strided pair, then the pair that is the third lateral.
            (r"^apn\.down3\.4\.", "apn.lateral3.0."),
            (r"^apn\.down3\.5\.", "apn.lateral3.1."),
            (r"^apn\.down3\.6\.", "apn.lateral3.2."),
            (r"^apn\.conv(\d)\.", r"apn.lateral\1."),
            (r"^apn\.(down\d|lateral\d)\.1\.", r"apn.\1.1.conv."),
            (r"^apn\.(down\d|lateral\d)\.2\.", r"apn.\1.1.norm."),
            *APN,
        ],
    ),
}
