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
        deviations=[
            "It ends in a 3x3 convolution and a 1x1 classifier at half resolution; the authors' ends in a "
            "transposed convolution to full resolution.",
            "Dropout zeroes single values at a rate of 0.1; the authors' zeroes channels at 0.03 and 0.3.",
        ],
        from_mmsegmentation=True,
        authors_forms=["erfnet"],
    ),
    Card(
        name="fastscnn_mmseg",
        title="Fast-SCNN (MMSegmentation's)",
        paper="arXiv:1902.04502",
        repository=REPOSITORY,
        deviations=[
            "The first convolution is padded; the other code's is not.",
            "No activation follows the depth-wise convolutions of downsampling and of the head.",
            "The pyramid ends in a 3x3 convolution instead of a 1x1, and maps are resized without aligned "
            "corners.",
        ],
        from_mmsegmentation=True,
        authors_forms=["fastscnn"],
    ),
    Card(
        name="icnet",
        title="ICNet with ResNet-50 (MMSegmentation's)",
        paper="arXiv:1704.08545",
        repository=REPOSITORY,
        published=["ICNet"],
        from_mmsegmentation=True,
    ),
    Card(
        name="unet",
        title="UNet-S5-D16 (MMSegmentation's)",
        paper="arXiv:1505.04597",
        repository=REPOSITORY,
        from_mmsegmentation=True,
    ),
]
