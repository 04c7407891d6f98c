"""How do all networks compare under one recipe? CamVid at 480x360, 218 epochs of the common recipe.

Every network once, and some three times for their spread: after a first pass put the best six there. Made
for a GPU; a run that was cut off continues.
"""

title = "Networks under one recipe: CamVid, 480x360, 218 epochs"
_once = [
    "adscnet",
    "aglnet",
    "bisenetv1",
    "bisenetv2",
    "canet",
    "cfpnet",
    "cgnet",
    "contextnet",
    "dabnet",
    "ddrnet23_slim",
    "dfanet",
    "edanet",
    "enet",
    "erfnet",
    "erfnet_mmseg",
    "esnet",
    "espnet",
    "espnet_encoder",
    "espnetv2",
    "fanet",
    "farseenet",
    "fastscnn",
    "fastscnn_mmseg",
    "fddwnet",
    "fpenet",
    "fssnet",
    "icnet",
    "lednet",
    "linknet",
    "lite_hrnet",
    "liteseg",
    "mininet",
    "mininetv2",
    "mixscaledensenet",
    "mobilenetv2plus",
    "mobilenetv2share",
    "mobilenetv3_lraspp",
    "pidnet_s",
    "pp_liteseg",
    "regseg",
    "rfmobilenetv2plus",
    "rfshufflenetv2plus",
    "sedpshufflenet",
    "segformer_b0",
    "segnet",
    "sewrnetv2",
    "shelfnet",
    "shufflenetv2plus",
    "sqnet",
    "stdc1",
    "stdc2",
    "swiftnet",
    "unet",
]
_three_times = ["bisenetv2", "dabnet", "ddrnet23_slim", "erfnet", "lednet", "pidnet_s"]
runs = [
    dict(configs=[f"../{name}_camvid.py" for name in _once], seeds=[0]),
    dict(configs=[f"../{name}_camvid.py" for name in _three_times], seeds=[1, 2]),
]
measure = dict(
    accuracy="test",
    complexity=dict(shape=(360, 480)),
    latency=dict(shape=(360, 480)),
)
baseline = dict(network="lednet")
