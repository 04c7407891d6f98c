"""LEDNet's ImageNet classifier: its encoder under a linear layer, to pretrain the encoder.

Paper: Wang et al., ICIP 2019, arXiv:1905.02423. Authors' code: github.com/xiaoyufenfei/LEDNet,
imagenet-pretrain (commit 5d900d9). With 1000 classes 1.04 M parameters and 1.08 G multiply-adds at 224x224.

The authors average over 14x14 pixels and so accept 224 to 231 pixels a side. Here the mean is over the whole
map, the same where theirs runs.

There is no config that trains it: ImageNet and its recipe belong to libraries for classification, which this
project does not depend on. It is there so that weights trained with the authors' code can start the training
of a segmentation network. ``tools/convert_checkpoint.py lednet_imagenet SRC DST`` gives them our names, and
``tools/train.py CONFIG --pretrained DST`` takes the encoder over.
"""

from __future__ import annotations

from mmengine.model import BaseModel
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.layers import Config


@MODELS.register_module()
class LEDNetClassifier(BaseModel):
    """LEDNet's encoder, max pooling, global mean, linear layer.

    It is no segmentor: mmengine's ``Runner`` trains it on batches of (images, class ids).

    Args:
        num_classes: length of the result.
        backbone: config of the encoder; None is ``LEDNet`` with its defaults.
        in_channels: channels of the encoder's deepest map.
        data_preprocessor: mmengine's; None only moves a batch to the model's device.
        init_cfg: mmengine's initialisation; None is PyTorch's default, as the authors'.

    Shapes: images (N, 3, H, W) of more than 8 pixels a side -> scores (N, num_classes).
    """

    def __init__(
        self,
        num_classes: int = 1000,
        backbone: Config = None,
        in_channels: int = 128,
        data_preprocessor: Config = None,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.backbone = MODELS.build({"type": "LEDNet"} if backbone is None else backbone)
        self.pool = nn.MaxPool2d(2, stride=2)
        self.linear = nn.Linear(in_channels, num_classes)

    def extract_feat(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the encoder's maps."""
        return self.backbone(images)

    def classify(self, maps: tuple[Tensor, ...]) -> Tensor:
        """Return the scores from the encoder's maps: (N, num_classes)."""
        return self.linear(self.pool(maps[-1]).mean(dim=(2, 3)))

    def forward(
        self, inputs: Tensor, labels: Tensor | None = None, mode: str = "tensor"
    ) -> Tensor | dict[str, Tensor] | list[Tensor]:
        """Return what mmengine's loops ask for.

        Args:
            inputs: images (N, 3, H, W).
            labels: class ids (N,), needed for the loss.
            mode: ``tensor`` for scores, ``loss`` for the cross entropy, ``predict`` for a list of one vector
                of probabilities an image.

        Raises:
            ValueError: the loss without labels.
        """
        scores = self.classify(self.extract_feat(inputs))
        if mode == "loss":
            if labels is None:
                raise ValueError("the loss needs labels")
            return {"loss_ce": F.cross_entropy(scores, labels)}
        return list(scores.softmax(dim=1)) if mode == "predict" else scores
