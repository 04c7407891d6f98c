"""Are transposed convolutions a better way from 1/8 to full resolution than bilinear resizing?

The unofficial LEDNet (README of its repository) claims that they give checkerboards.
"""

_base_ = "../lednet_camvid.py"
variant = "transposed_upsampling"
model = dict(decode_head=dict(upsampling="transposed"))
