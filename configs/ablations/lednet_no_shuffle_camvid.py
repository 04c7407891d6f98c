"""Does the channel shuffle, which mixes the two halves of a block, matter?

ShuffleNet and the LEDNet paper claim that without it information does not cross; expected: lower mIoU.
"""

_base_ = "../lednet_camvid.py"
variant = "no_shuffle"
model = dict(backbone=dict(shuffle=False))
