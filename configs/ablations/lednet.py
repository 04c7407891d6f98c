"""LEDNet's variants (arXiv:1905.02423): question, claim, expected result and change of each."""

apn128 = dict(
    question="Is a pyramid with an attention map per class (128 channels) better than the released one?",
    claim="The authors' repository has both (2.29 M and 0.93 M parameters) and does not compare them.",
    expectation="slightly better for 2.5 times the parameters",
    change={"model.decode_head.pyramid_width": 128},
)
encoder_first = dict(
    question="Does it help to train the encoder alone first, with the same total number of iterations?",
    claim="The authors do this, like those of ENet and ERFNet before them, and give no figure. They have two "
    "trainings, the first with labels at 1/8; here both halves share one schedule and labels at full "
    "resolution.",
    expectation="no resolved difference",
    change={
        "model.auxiliary_head": dict(type="ClassifierHead", in_channels=128, align_corners=True),
        "custom_hooks": [
            dict(type="SeedHook"),
            dict(type="RecordHook"),
            dict(type="EncoderFirstHook", share=0.5),
        ],
        "find_unused_parameters": True,  # in distributed training, as only one head is trained at a time
    },
)
no_apn = dict(
    question="Does LEDNet need its attention pyramid, or does a plain 1x1 classifier do?",
    claim="The paper calls the pyramid the core of its decoder and says that it costs little.",
    expectation="1 to 3 points worse",
    change={"model.decode_head.attention_pyramid": False},
)
no_bias = dict(
    question="Do the biases of convolutions, most of which precede a batch normalisation, have any effect?",
    claim="In theory, a bias before batch normalisation has no effect; the authors keep the biases.",
    expectation="no difference at all",
    change={"model.backbone.bias": False, "model.decode_head.bias": False},
)
no_bn = dict(
    question="Does LEDNet train without any batch normalisation?",
    claim="The unofficial LEDNet (README of its repository) found it necessary in every block.",
    expectation="far worse or divergent",
    change={"model.backbone.norm_cfg": None, "model.decode_head.norm_cfg": None},
)
no_dilation = dict(
    question="How much of the accuracy comes from the dilated convolutions at 1/8?",
    claim="ERFNet's and LEDNet's papers say that a large receptive field is needed.",
    expectation="2 points or more worse",
    change={"model.backbone.dilations": (1,) * 8},
)
no_dropout = dict(
    question="Does Dropout2d in every block help at this training length?",
    claim="The authors use it in every block, and so does the unofficial LEDNet (README of its repository).",
    expectation="slightly worse, as networks overfit on few images",
    change={"model.backbone.dropout_ratio": (0.0, 0.0)},
)
no_global_pooling = dict(
    question="What does the branch of global average pooling in the attention pyramid add?",
    claim="The paper adds it as global context, without a figure of its own.",
    expectation="slightly worse",
    change={"model.decode_head.global_pooling": False},
)
no_shuffle = dict(
    question="Does the channel shuffle, which mixes the two halves of a block, matter?",
    claim="ShuffleNet's and LEDNet's papers say that without it information does not cross.",
    expectation="slightly worse: the halves of a block no longer exchange what they know",
    change={"model.backbone.shuffle": False},
)
no_split = dict(
    question="Does a block lose accuracy by its split into two branches of half the width?",
    claim="The paper says that the split saves computation at equal accuracy.",
    expectation="equal or slightly better, at more multiply-adds",
    change={"model.backbone.split": False},
)
prelu = dict(
    question="Are PReLUs everywhere better than ReLUs?",
    claim="The paper uses ReLU; ENet's and DABNet's use PReLU.",
    expectation="no resolved difference",
    change={
        "model.backbone.act_cfg": dict(type="PReLU"),
        "model.decode_head.act_cfg": dict(type="PReLU"),
    },
)
prelu_encoder = dict(
    question="Are PReLUs in the encoder with ReLUs in the decoder better than ReLUs everywhere?",
    claim="The unofficial LEDNet (README of its repository) says so.",
    expectation="slightly better",
    change={"model.backbone.act_cfg": dict(type="PReLU")},
)
transposed_upsampling = dict(
    question="Are transposed convolutions a better way from 1/8 to full resolution than bilinear resizing?",
    claim="The unofficial LEDNet (README of its repository) says that they give checkerboards.",
    expectation="worse, with checkerboards",
    change={"model.decode_head.upsampling": "transposed"},
)
unweighted_loss = dict(
    question="What effect do the class weights in the loss have?",
    claim="ENet's paper introduced the weights for rare classes.",
    expectation="lower mIoU (rare classes), higher pixel accuracy",
    change={"model.class_weight": None},
)
