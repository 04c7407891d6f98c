"""The cards of the networks whose code is MMSegmentation's own.

Those with a file of their own have their cards there.
"""

from lednet_mm.cards import Card

REPOSITORY = "github.com/open-mmlab/mmsegmentation"

CARDS = [
    Card(
        name="erfnet_mmseg",
        title="ERFNet (MMSegmentation's)",
        paper="T-ITS 2018",
        repository=REPOSITORY,
    ),
    Card(
        name="fastscnn_mmseg",
        title="Fast-SCNN (MMSegmentation's)",
        paper="arXiv:1902.04502",
        repository=REPOSITORY,
    ),
    Card(
        name="icnet",
        title="ICNet with ResNet-50 (MMSegmentation's)",
        paper="arXiv:1704.08545",
        repository=REPOSITORY,
        published=["ICNet"],
    ),
    Card(
        name="unet",
        title="UNet-S5-D16 (MMSegmentation's)",
        paper="arXiv:1505.04597",
        repository=REPOSITORY,
    ),
]
