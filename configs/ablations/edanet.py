"""EDANet's variants (arXiv:1809.06323): question, claim, expected result and change of each."""

no_dilation = dict(
    question="How much of the accuracy comes from the dilated convolutions?",
    claim="The paper dilates the later modules, for a larger receptive field at the same resolution.",
    expectation="3 to 5 points of mIoU worse: there is no decoder and no other source of context",
    change={"model.backbone.dilations": ((1,) * 5, (1,) * 8)},
)
square_kernels = dict(
    question="Do 3x1 and 1x3 convolutions lose accuracy compared with 3x3 convolutions?",
    claim="The paper factorises its 3x3 convolutions, for a third fewer weights at little loss of accuracy.",
    expectation="within 1 point of mIoU",
    change={"model.backbone.asymmetric": False},
)
no_dense_connections = dict(
    question="Are dense connections better than a plain chain of wider modules with as many parameters?",
    claim="The paper appends each module's result to its input, which combines features of many scales.",
    expectation="2 to 4 points of mIoU worse: a chain of 13 modules without any shortcut",
    change={
        "model.backbone.dense": False,
        "model.backbone.growth": 61,
        "model.decode_head.in_channels": 61,
        "model.decode_head.channels": 61,
    },
)
