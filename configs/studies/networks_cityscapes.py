"""How do all networks compare on Cityscapes at 1024x512? One seed each, made for several GPUs.

All by the common recipe; LEDNet by its authors' recipe too, which is its config for Cityscapes.
"""

title = "Networks on Cityscapes: 1024x512, labels at 2048x1024"
runs = [
    dict(configs=["../*_cityscapes.py"], seeds=[0]),
    dict(configs=["../lednet_cityscapes.py"], variants=["common_recipe"], seeds=[0]),
]
measure = dict(
    accuracy="val",
    complexity=dict(shape=(512, 1024)),
    latency=dict(shape=(512, 1024)),
)
baseline = dict(network="lednet", variant="common_recipe")
