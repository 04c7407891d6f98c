"""Does LEDNet need its attention pyramid, or does a plain 1x1 classifier do?

The paper claims the pyramid is needed for accuracy at little cost; expected: lower mIoU.
"""

_base_ = "../lednet_camvid.py"
variant = "no_apn"
model = dict(decode_head=dict(attention_pyramid=False))
