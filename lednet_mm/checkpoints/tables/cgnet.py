"""CGNet's names; the network is MMSegmentation's, which is equal to the authors'."""

from lednet_mm.checkpoints.names import NameTable

TABLES = {
    "cgnet": NameTable(
        rules=[
            (r"^classifier\.0\.conv\.", "decode_head.conv_seg."),
            (r"^level1_(\d)\.", r"backbone.stem.\1."),
            # mmseg counts the levels from 0, and the block that halves the resolution as a level's first.
            (r"^level([23])_0\.", lambda match: f"backbone.level{int(match[1]) - 1}.0."),
            (
                r"^level([23])\.(\d+)\.",
                lambda match: f"backbone.level{int(match[1]) - 1}.{int(match[2]) + 1}.",
            ),
            (r"^b1\.", "bn_prelu_1."),
            (r"^bn_prelu_(\d)\.bn\.", lambda match: f"backbone.norm_prelu_{int(match[1]) - 1}.0."),
            (r"^bn_prelu_(\d)\.act\.", lambda match: f"backbone.norm_prelu_{int(match[1]) - 1}.1."),
            (r"\.bn_prelu\.", "."),
            (r"\.act\.", ".activate."),
            (r"\.F_(loc|sur)\.conv\.", r".f_\1."),
            (r"\.F_glo\.", ".f_glo."),
            (r"\.reduce\.conv\.", ".bottleneck."),
        ],
    ),
}
