"""The names of LEDNet's ImageNet classifier."""

from lednet_mm.checkpoints.names import AuthorsNetwork
from lednet_mm.checkpoints.tables.lednet import ENCODER, PAPER, REPOSITORY

NETWORKS = {
    "lednet_imagenet": AuthorsNetwork(
        title="LEDNet, ImageNet classifier",
        paper=PAPER,
        repository=REPOSITORY,
        deviations=["It accepts 224 to 231 pixels a side; here any size works."],
        model={"type": "LEDNetClassifier"},
        rules=[(r"^features\.", ""), (r"^classifier\.", ""), *ENCODER],
        outputs={r"^class scores": lambda model, maps, image: model.classify(maps)},
    ),
}
