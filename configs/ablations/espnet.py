"""ESPNet's variants (arXiv:1803.06815): question, claim, expected result and change of each."""

no_hierarchical_fusion = dict(
    question="Do the sums over the branches of a block help?",
    claim="The paper adds up the dilated branches before they are concatenated, against gridding artefacts.",
    expectation="1 to 2 points of mIoU worse, and visible grids",
    change={"model.backbone.hierarchical_fusion": False, "model.decode_head.hierarchical_fusion": False},
)
no_image_injection = dict(
    question="Does it help to append the shrunken image at 1/2 and 1/4?",
    claim="The paper improves its encoder in this way: ESPNet-B is without the images, ESPNet-C with them.",
    expectation="up to 1 point of mIoU worse",
    change={
        "model.backbone.image_injection": False,
        "model.decode_head.in_channels": (16, 16, 128, 256),
    },
)
no_block_shortcuts = dict(
    question="Does it help to append the input of a row of blocks to its output?",
    claim="The paper improves its plain encoder (ESPNet-A) by these shortcuts (ESPNet-B).",
    expectation="up to 1 point of mIoU worse",
    change={
        "model.backbone.block_shortcuts": False,
        "model.decode_head.in_channels": (16, 19, 67, 128),
    },
)
no_residual = dict(
    question="Does it help to add a block's input to its output?",
    claim="The paper adds the input of a block where the sizes agree, to improve the flow of information.",
    expectation="1 to 2 points of mIoU worse",
    change={"model.backbone.residual": False},
)
no_dilation = dict(
    question="Is the pyramid of dilations better than five equal branches?",
    claim="The paper builds its block on a pyramid of dilations, for a large receptive field.",
    expectation="3 to 5 points of mIoU worse",
    change={"model.backbone.dilations": (1,) * 5, "model.decode_head.dilations": (1,) * 5},
)
