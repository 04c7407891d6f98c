"""The names of LEDNet's ImageNet classifier."""

from lednet_mm.checkpoints.names import NameTable
from lednet_mm.checkpoints.tables.lednet import ENCODER

TABLES = {
    "lednet_imagenet": NameTable(
        rules=[(r"^features\.", ""), (r"^classifier\.", ""), *ENCODER],
        outputs={r"^class scores": lambda model, maps, image: model.classify(maps)},
    ),
}
