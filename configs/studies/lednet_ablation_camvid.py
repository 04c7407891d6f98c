"""Which parts of LEDNet carry its accuracy? Every ablation on CamVid at 480x360, 218 epochs, three seeds.

Made for a GPU; a run that was cut off continues. On a CPU: camvid_half_cpu.py.
"""

title = "LEDNet and its ablations: CamVid, 480x360, 218 epochs"
runs = [
    dict(
        configs=["../lednet_camvid.py"],
        variants=[
            *("baseline", "no_apn", "apn128", "no_global_pooling"),
            *("no_shuffle", "no_split", "no_dilation"),
            *("no_bn", "prelu", "prelu_encoder", "no_dropout", "no_bias"),
            *("transposed_upsampling", "unweighted_loss", "encoder_first"),
        ],
        seeds=[0, 1, 2],
    ),
]
measure = dict(
    accuracy="test",
    complexity=dict(shape=(360, 480)),
    latency=dict(shape=(360, 480)),
)
baseline = dict(network="lednet")
expectations = dict(
    no_apn="1 to 3 points worse: the paper calls the pyramid the core of its decoder",
    apn128="slightly better for 2.5 times the parameters; the authors have both and compare neither",
    no_global_pooling="slightly worse; the paper gives no figure",
    no_shuffle="slightly worse: halves of a block no longer exchange what they know (ShuffleNet)",
    no_split="equal or slightly better at more multiply-adds: the paper claims the split is free",
    no_dilation="2 points or more worse: ERFNet's and LEDNet's papers rest on the receptive field",
    no_bn="far worse or divergent: the unofficial LEDNet found batch normalisation needed in every block",
    prelu="no resolved difference; ENet and DABNet use PReLU, LEDNet's paper ReLU",
    prelu_encoder="slightly better: the unofficial LEDNet claims so",
    no_dropout="slightly worse at this length of training, as on 367 images networks overfit",
    no_bias="no difference: a bias before batch normalisation does nothing",
    transposed_upsampling="worse, with checkerboards: the unofficial LEDNet claims so",
    encoder_first="no resolved difference: the authors train so and give no figure",
    unweighted_loss="lower mIoU (rare classes), higher pixel accuracy: ENet's paper introduced the weights",
)
