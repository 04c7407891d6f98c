"""MiniNet's names in a third party's re-implementation (zh320)."""

from lednet_mm.checkpoints.names import AuthorsNetwork
from lednet_mm.checkpoints.tables.zh320 import LAST_NORM, REPOSITORY, THIRD_PARTY, UNIT

NETWORKS = {
    "zh320_mininet": AuthorsNetwork(
        title="MiniNet (re-implementation by zh320)",
        paper="ICRA 2019",
        repository=REPOSITORY,
        deviations=[
            THIRD_PARTY,
            LAST_NORM,
            "1.41 M parameters, the paper 3.1 M.",
            "The deepest stage has 386 channels.",
        ],
        model={"backbone": {"type": "MiniNet"}, "decode_head": {"type": "MiniNetHead"}},
        rules=[
            (r"^down(\d)\.", lambda match: f"backbone.downs.{int(match[1]) - 1}."),
            (r"^branch1\.", "backbone.dilated."),
            (r"^branch2_down\.", "backbone.deep_down."),
            (r"^branch2_up\.", "backbone.deep_up."),
            (r"^branch2\.", "backbone.deep."),
            (r"^up(\d)\.", r"decode_head.up\1."),
            # A separable convolution is 0 (depth-wise) and 1 (1x1).
            (r"(downs\.\d|deep_down|deep\.1)\.0\.(?=\d)", r"\1.depth."),
            (r"(downs\.\d|deep_down|deep\.1)\.1\.(?=\d)", r"\1.point."),
            # The convolutions of a module are no units.
            (r"conv1\.(\d)\.weight", r"first.\1.bare"),
            (r"conv2\.(\d)\.weight", r"second.\1.bare"),
            *UNIT,
            (r"\.bare$", ".weight"),
        ],
    ),
}
