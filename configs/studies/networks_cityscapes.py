"""How do all networks compare on Cityscapes at 1024x512? One seed for each network, on several GPUs.

All use the common recipe; LEDNet also uses its authors' recipe.
"""

title = "Networks on Cityscapes: 1024x512, labels at 2048x1024"
runs = [
    dict(networks=["*"], datasets=["cityscapes"], seeds=[0]),
    dict(networks=["lednet"], datasets=["cityscapes"], recipes=["lednet_authors"], seeds=[0]),
]
measure = dict(
    accuracy="val",
    complexity=dict(shape=(512, 1024)),
    latency=dict(shape=(512, 1024)),
)
baseline = dict(network="lednet")
