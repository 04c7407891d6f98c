"""Are PReLUs in the encoder with ReLUs in the decoder better than ReLUs everywhere?

The unofficial LEDNet (README of its repository) claims so.
"""

_base_ = "../lednet_camvid.py"
variant = "prelu_encoder"
model = dict(backbone=dict(act_cfg=dict(type="PReLU")))
