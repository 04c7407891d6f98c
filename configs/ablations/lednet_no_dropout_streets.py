"""Does Dropout2d in every block help at this training length?

The unofficial LEDNet (README of its repository) puts it into every SS-nbt block, as the authors do.
"""

_base_ = "../lednet_streets.py"
variant = "no_dropout"
model = dict(backbone=dict(dropout_ratio=(0.0, 0.0)))
