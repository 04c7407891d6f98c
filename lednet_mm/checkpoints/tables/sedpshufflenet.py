"""SEDPNShuffleNet's names."""

from lednet_mm.checkpoints.names import NameTable
from lednet_mm.checkpoints.tables.lightnet import ASPP, SE

TABLES = {
    "sedpshufflenet": NameTable(
        rules=[
            (r"^encode_in\.conv_in\.", "backbone.stem.0."),
            (r"^encode_in\.bn_in\.bn\.", "backbone.stem.1.norm."),
            (r"^encode_stg4\.conv5_bn_ac\.norm_act\.bn\.", "backbone.norm_act.norm."),
            (
                r"^encode_stg(\d)\.conv\d_(\d+)\.",
                lambda match: f"backbone.stages.{int(match[1]) - 1}.{int(match[2]) - 1}.",
            ),
            *SE,
            (r"c1x1_w_s\d\.", "project."),
            (r"c1x1_a\.", "compress."),
            (r"c3x3_b\.", "depth."),
            (r"c1x1_c\.", "expand."),
            (r"expand\.se\.", "se."),
            (r"conv\dx\d_\w+_bn\.bn\.", "0.norm."),
            (r"conv\dx\d_(w_s\d|[abc])\.", "1."),
            (r"^aspp(\d)\.aspp\d\.", r"decode_head.context\1."),
            (r"^aspp(\d)_in\.aspp\d_in\.norm_act\.bn\.", r"decode_head.norm_act\1.norm."),
            (r"^score4\.score4_norm\.bn\.", "decode_head.fusion.0.norm."),
            (r"^score4\.", "decode_head.fusion.1."),
            (r"^score(\d)\.", r"decode_head.score\1."),
            (r"\.score\d\.(weight|bias)$", r".conv.\1"),
            (r"se\d_classes\.fcs\.0", "se.squeeze"),
            (r"se\d_classes\.fcs\.2", "se.excite"),
            *ASPP,
        ],
        outputs={r"^output [0-3]: score[1-4]": lambda model, maps, image: model.decode_head.scores(maps)},
    ),
}
