"""LEDNet's ImageNet classifier: its encoder with a linear layer on top, for pretraining.

Paper: Wang et al., ICIP 2019, arXiv:1905.02423. Authors' code: github.com/xiaoyufenfei/LEDNet,
imagenet-pretrain (commit 5d900d9). With 1000 classes it has 1.04 M parameters and 1.08 G multiply-adds at
224x224.

The authors average over 14x14 pixels and therefore accept only 224 to 231 pixels per side. Here the mean is
over the whole map, with the same result at every size that theirs accepts.

``tools/pretrain.py FOLDER`` trains it by the authors' schedule. For weights that were trained with the
authors' code, ``tools/convert_checkpoint.py lednet_imagenet SRC DST`` renames the tensors. In both cases,
``tools/train.py CONFIG --pretrained FILE`` loads the encoder.
"""

from __future__ import annotations

from mmengine.model import BaseModel
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.layers import Config


@MODELS.register_module()
class LEDNetClassifier(BaseModel):
    """LEDNet's encoder, followed by max pooling, the global mean and a linear layer.

    It is not a segmentor: mmengine's ``Runner`` trains it on batches of (images, class ids).

    Args:
        num_classes: number of classes, which is the number of scores per image.
        backbone: config of the encoder; None is ``LEDNet`` with its defaults.
        in_channels: number of channels of the encoder's deepest map.
        data_preprocessor: mmengine's data preprocessor; None only moves a batch to the model's device.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default, as the authors do.

    Shapes: images (N, 3, H, W) of more than 8 pixels per side -> scores (N, num_classes).
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
            inputs: batch of images (N, 3, H, W).
            labels: class ids (N,), needed for the loss.
            mode: ``tensor`` for scores, ``loss`` for the cross entropy, ``predict`` for a list with one
                vector of probabilities per image.

        Raises:
            ValueError: the loss without labels.
        """
        scores = self.classify(self.extract_feat(inputs))
        if mode == "loss":
            if labels is None:
                raise ValueError("the loss needs labels")
            return {"loss_ce": F.cross_entropy(scores, labels)}
        return list(scores.softmax(dim=1)) if mode == "predict" else scores
