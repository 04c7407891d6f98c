"""DABNet's variants (arXiv:1907.11357): question, claim, expected result and change of each."""

no_dilation = dict(
    question="Does the dilated branch of a block need its dilation?",
    claim="The paper dilates one branch of every block, for context that the local branch cannot see.",
    expectation="2 to 4 points of mIoU worse, most of it on large classes",
    change={"model.backbone.dilations": ((1,) * 3, (1,) * 6)},
)
smaller_dilations = dict(
    question="Must the dilation rates grow to 16?",
    claim="The paper lets the rates grow with depth, so that the receptive field covers large objects.",
    expectation="up to 1 point of mIoU worse",
    change={"model.backbone.dilations": ((2,) * 3, (2, 2, 4, 4, 8, 8))},
)
no_local_branch = dict(
    question="Does the branch without dilation add anything to the dilated one?",
    claim="The paper sums a branch for local features and one for context in every block.",
    expectation="up to 1 point of mIoU worse, most of it on thin classes",
    change={"model.backbone.local_branch": False},
)
square_kernels = dict(
    question="Do depth-wise 3x1 and 1x3 convolutions lose accuracy compared with depth-wise 3x3 ones?",
    claim="The paper factorises its depth-wise convolutions for speed and says that accuracy hardly suffers.",
    expectation="within half a point of mIoU: few of the parameters are depth-wise",
    change={"model.backbone.asymmetric": False},
)
relu = dict(
    question="Is PReLU better than ReLU?",
    claim="The paper uses PReLU throughout, as ENet and ESPNet do, and prefers it for so small a network.",
    expectation="up to 1 point of mIoU worse",
    change={"model.backbone.act_cfg": dict(type="ReLU")},
)
no_image_injection = dict(
    question="Does it help to append the shrunken image at every resolution?",
    claim="The paper appends the image to the features of each stage, because striding loses detail.",
    expectation="within half a point of mIoU",
    change={"model.backbone.image_injection": False, "model.decode_head.in_channels": 256},
)
no_block_shortcuts = dict(
    question="Does it help to append the input of a row of blocks to its output?",
    claim="The paper joins the features before and after each row of blocks, so that later layers see both.",
    expectation="up to 1 point of mIoU worse",
    change={"model.backbone.block_shortcuts": False, "model.decode_head.in_channels": 131},
)
