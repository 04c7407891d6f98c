"""How do all networks compare under one recipe? CamVid at 480x360, 218 epochs of the common recipe.

Every network has one seed, and some have three, which shows their spread: after a first pass, list the best
six there. This study needs a GPU; an interrupted run continues.
"""

title = "Networks under one recipe: CamVid, 480x360, 218 epochs"
_three_times = ["bisenetv2", "dabnet", "ddrnet23_slim", "erfnet", "lednet", "pidnet_s"]
runs = [
    dict(networks=["*"], datasets=["camvid"], seeds=[0]),
    dict(networks=_three_times, datasets=["camvid"], seeds=[1, 2]),
]
measure = dict(
    accuracy="test",
    complexity=dict(shape=(360, 480)),
    latency=dict(shape=(360, 480)),
)
baseline = dict(network="lednet")
