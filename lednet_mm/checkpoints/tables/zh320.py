"""Rules that the tables of zh320's re-implementations share: its units, and torchvision's MobileNetV2.

Its ResNet-18 has torchvision's names, which mmseg uses too, so ``ResNet`` with ``depth=18`` needs no rules.
"""

import re

from lednet_mm.checkpoints.names import Rule

# A unit is 0 (convolution) and 1 (batch normalisation); tables put these rules last, after all other layers.
# The shortcuts of ResNet keep torchvision's names.
UNIT: list[Rule] = [
    (r"\.up_conv\.(\d)", r".\1"),
    (r"(?<!downsample)\.0\.(weight|bias)$", r".conv.\1"),
    (
        r"(?<!downsample)\.1\.(weight|bias|running_mean|running_var|num_batches_tracked)$",
        r".norm.\1",
    ),
]

MOBILENET_V2_BLOCKS = (1, 2, 3, 4, 3, 3, 1)
"""Numbers of consecutive blocks of the same width."""


def mobilenet_v2_block(match: re.Match) -> str:
    """Return torchvision's block of that index as mmseg's layer and block."""
    index = int(match[1])
    for layer, count in enumerate(MOBILENET_V2_BLOCKS, 1):
        if index <= count:
            return f"layer{layer}.{index - 1}."
        index -= count
    return match[0]


def mobilenet_v2(theirs: str, ours: str) -> list[Rule]:
    """Return the rules from torchvision's MobileNetV2, cut into four groups, to mmseg's.

    Args:
        theirs: prefix of their ``layer1`` to ``layer4``, for example ``backbone``.
        ours: prefix of our ``conv1`` and ``layer1`` to ``layer7``.
    """
    block = rf"^({re.escape(ours)}\.layer\d\.\d\.conv)"
    first = rf"^({re.escape(ours)}\.layer1\.0\.conv)"
    return [
        (rf"^{re.escape(theirs)}\.layer1\.0\.0\.", f"{ours}.conv1.conv."),
        (rf"^{re.escape(theirs)}\.layer1\.0\.1\.", f"{ours}.conv1.bn."),
        (
            rf"^{re.escape(theirs)}\.layer[1-4]\.(\d+)\.",
            lambda match: f"{ours}.{mobilenet_v2_block(match)}",
        ),
        # The last convolution of a block and its norm are not a unit there.
        (rf"{first}\.1\.", r"\1.1.conv."),
        (rf"{first}\.2\.", r"\1.1.bn."),
        (rf"{block}\.2\.", r"\1.2.conv."),
        (rf"{block}\.3\.", r"\1.2.bn."),
        (rf"{block}\.([01])\.0\.", r"\1.\2.conv."),
        (rf"{block}\.([01])\.1\.", r"\1.\2.bn."),
    ]
