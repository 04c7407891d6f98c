"""ERFNet's variants (T-ITS 2018): question, claim, expected result and change of each."""

no_dilation = dict(
    question="How much of the accuracy comes from the dilated convolutions at 1/8?",
    claim="The paper interleaves dilated blocks to gather context, and says that this raises the accuracy.",
    expectation="2 to 4 points of mIoU worse",
    change={"model.backbone.dilations": (1,) * 8},
)
square_kernels = dict(
    question="Do 3x1 and 1x3 convolutions lose accuracy compared with 3x3 convolutions?",
    claim="The paper factorises every 3x3 convolution, for a third fewer weights and no less accuracy.",
    expectation="within 1 point of mIoU, with half as many weights again",
    change={"model.backbone.factorized": False, "model.decode_head.factorized": False},
)
no_residual = dict(
    question="Do the blocks need their residual sums?",
    claim="The paper builds its block on the residual sum, which lets a deep encoder learn.",
    expectation="3 points of mIoU or more worse: 17 blocks, and dropout without a way around it",
    change={"model.backbone.residual": False, "model.decode_head.residual": False},
)
no_dropout = dict(
    question="Does dropout help?",
    claim="The paper uses dropout in the blocks of its encoder against overfitting.",
    expectation="better after a short training, 1 to 2 points of mIoU worse after a long one",
    change={"model.backbone.dropout_ratio": (0.0, 0.0)},
)
