"""Which parts of LEDNet carry its accuracy? Every ablation on CamVid at 480x360, 218 epochs, three seeds.

This study needs a GPU; an interrupted run continues. camvid_half_cpu.py is a version for CPUs.
"""

title = "LEDNet and its ablations: CamVid, 480x360, 218 epochs"
runs = [
    dict(
        networks=["lednet"],
        datasets=["camvid"],
        variants=[
            *("default", "no_apn", "apn128", "no_global_pooling"),
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
