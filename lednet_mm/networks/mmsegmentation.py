"""The cards of the networks whose code is MMSegmentation's own.

CGNet, LR-ASPP and PIDNet have files of their own, because they add something to MMSegmentation's classes.
"""

from lednet_mm.cards import Card

REPOSITORY = "github.com/open-mmlab/mmsegmentation"

CARDS = [
    Card(
        name="bisenetv1",
        title="BiSeNetV1 with ResNet-18 (MMSegmentation's)",
        paper="arXiv:1808.00897",
        repository=REPOSITORY,
        published=["BiSeNetV1 (Xception39)", "BiSeNetV1 (ResNet18)"],
    ),
    Card(
        name="bisenetv2",
        title="BiSeNetV2 (MMSegmentation's)",
        paper="arXiv:2004.02147",
        repository=REPOSITORY,
        published=["BiSeNetV2"],
        # A shift that the next normalisation takes out again.
        unused=["backbone.semantic.stage4_CEBlock.gap.1.bias"],
    ),
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
        name="segformer_b0",
        title="SegFormer-B0 (MMSegmentation's)",
        paper="arXiv:2105.15203",
        repository=REPOSITORY,
        published=["SegFormer-B0"],
    ),
    Card(
        name="stdc1",
        title="STDC1 (MMSegmentation's)",
        paper="arXiv:2104.13188",
        repository=REPOSITORY,
        published=["STDC1 (Seg50)", "STDC1 (Seg75)"],
    ),
    Card(
        name="stdc2",
        title="STDC2 (MMSegmentation's)",
        paper="arXiv:2104.13188",
        repository=REPOSITORY,
        published=["STDC2 (Seg50)", "STDC2 (Seg75)"],
    ),
    Card(
        name="unet",
        title="UNet-S5-D16 (MMSegmentation's)",
        paper="arXiv:1505.04597",
        repository=REPOSITORY,
    ),
]
