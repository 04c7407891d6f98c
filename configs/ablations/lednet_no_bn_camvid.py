"""Does LEDNet train without any batch normalisation?

The unofficial LEDNet (README of its repository) found BN needed in every SS-nbt block.
"""

_base_ = "../lednet_camvid.py"
variant = "no_bn"
model = dict(backbone=dict(norm_cfg=None), decode_head=dict(norm_cfg=None))
