"""ENet's variants (arXiv:1606.02147): question, claim, expected result and change of each."""

relu = dict(
    question="Is PReLU in the encoder better than ReLU?",
    claim="The paper says that ReLU lowered the accuracy of its early layers, and uses PReLU in the encoder.",
    expectation="up to 1 point of mIoU worse",
    change={"model.backbone.act_cfg": dict(type="ReLU")},
)
no_dilation = dict(
    question="How much of the accuracy comes from the dilated convolutions at 1/8?",
    claim="The paper reports a gain of several points of IoU on Cityscapes from them at no cost (section 4).",
    expectation="3 to 5 points of mIoU worse",
    change={"model.backbone.deep_blocks": (1, 1, "asymmetric", 1, 1, 1, "asymmetric", 1)},
)
no_asymmetric_convolutions = dict(
    question="Are 5x1 and 1x5 convolutions better than a 3x3 convolution, which costs about as much?",
    claim="The paper says that they enlarge the receptive field and the variety of what blocks learn.",
    expectation="up to 1 point of mIoU worse",
    change={"model.backbone.deep_blocks": (1, 2, 1, 4, 1, 8, 1, 16)},
)
bilinear_upsampling = dict(
    question="Is unpooling by the encoder's indices better than bilinear upsampling?",
    claim="The paper unpools as SegNet does, which keeps spatial detail at a small cost of memory.",
    expectation="up to 1 point of mIoU worse, most of it on thin classes",
    change={"model.backbone.unpooling": False},
)
no_dropout = dict(
    question="Does dropping channels help?",
    claim="The paper drops channels at the end of every branch, and found this better than stochastic depth.",
    expectation="better after a short training, about 1 point of mIoU worse after a long one",
    change={"model.backbone.dropout_ratio": (0.0, 0.0)},
)
