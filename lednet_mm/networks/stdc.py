"""STDC1 and STDC2: the encoder is MMSegmentation's, and the heads are the authors'.

Paper: Fan et al., CVPR 2021, arXiv:2104.13188. Authors' code: github.com/MichaelFan01/STDC-Seg (models/
model_stages.py and nets/stdcnet.py, commit 59ff37f). With 19 classes STDC1 has 8.28 M parameters in inference
and STDC2 12.3 M; the authors' code builds a classifier and three detail heads more that have no effect.

MMSegmentation's heads differ: their classifiers have a bias, their logits are resized without aligned
corners, and the detail head has two channels. The authors' in-place activated normalisation scales by the
absolute value of its weight; here it is an ordinary one.
"""

from __future__ import annotations

from mmseg.models.decode_heads import STDCHead
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import resize_like
from lednet_mm.networks.heads import AsynchronousHead, stack_labels
from lednet_mm.networks.mmsegmentation import REPOSITORY as MMSEG

PAPER = "arXiv:2104.13188"
REPOSITORY = "github.com/MichaelFan01/STDC-Seg"
COMMIT = "59ff37f"
OTHER_HEADS = "The classifiers of all heads have a bias, and the detail head has two channels instead of one."

CARDS = [
    Card(
        name="stdc1",
        title="STDC1",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={"stdc1": Vector()},
        published=["STDC1 (Seg50)", "STDC1 (Seg75)"],
    ),
    Card(
        name="stdc2",
        title="STDC2",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={"stdc2": Vector()},
        published=["STDC2 (Seg50)", "STDC2 (Seg75)"],
    ),
    Card(
        name="stdc1_mmseg",
        title="STDC1 (MMSegmentation's)",
        paper=PAPER,
        repository=MMSEG,
        deviations=[OTHER_HEADS],
        from_mmsegmentation=True,
        authors_forms=["stdc1"],
    ),
    Card(
        name="stdc2_mmseg",
        title="STDC2 (MMSegmentation's)",
        paper=PAPER,
        repository=MMSEG,
        deviations=[OTHER_HEADS],
        from_mmsegmentation=True,
        authors_forms=["stdc2"],
    ),
]


class DetailLoss(AsynchronousHead):
    """The loss of one channel of detail logits: binary cross entropy and Dice."""

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: list) -> dict[str, Tensor]:
        """Return the losses by name.

        Args:
            seg_logits: (N, 1, h, w) logits.
            batch_data_samples: N samples whose labels are 1 at details and 0 elsewhere.
        """
        details = stack_labels(batch_data_samples).to(seg_logits.dtype)  # (N, 1, H, W)
        logits = resize_like(seg_logits, details, self.align_corners)
        found, true = logits.sigmoid().flatten(1), details.flatten(1)
        overlap = (2 * (found * true).sum(dim=1) + 1) / (found.sum(dim=1) + true.sum(dim=1) + 1)
        return {
            "loss_ce": F.binary_cross_entropy_with_logits(logits, details),
            "loss_dice": (1 - overlap).mean(),
        }


@MODELS.register_module()
class OneChannelDetailHead(STDCHead, DetailLoss):
    """mmseg's ``STDCHead``, which makes its target from the labels, with one channel and the authors' loss.

    Args:
        num_classes: the number of its outputs, 1.
        kwargs: further arguments of mmseg's ``STDCHead``.

    Shapes: map (N, in_channels, h, w) of any size -> logits (N, 1, h, w).
    """

    def __init__(self, *, num_classes: int = 1, **kwargs) -> None:
        super().__init__(num_classes=num_classes, threshold=0.3, **kwargs)  # mmseg warns without it
        self.conv_seg = nn.Conv2d(self.channels, num_classes, 1, bias=False)
        for name in ("laplacian_kernel", "fusion_kernel"):  # constants, which mmseg has as parameters
            value: Tensor = getattr(self, name).detach()
            delattr(self, name)
            self.register_buffer(name, value, persistent=False)
