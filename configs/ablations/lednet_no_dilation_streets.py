"""How much of the accuracy comes from the dilated convolutions at 1/8?

ERFNet's and LEDNet's papers claim a large receptive field is needed; expected: lower mIoU.
"""

_base_ = "../lednet_streets.py"
variant = "no_dilation"
model = dict(backbone=dict(dilations=(1,) * 8))
