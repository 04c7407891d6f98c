"""Does a pyramid of 128 channels, one attention map a class, beat the released one of 1 channel?

The authors' repository has both (2.29 M against 0.93 M parameters) and does not compare them.
"""

_base_ = "../lednet_streets.py"
variant = "apn128"
model = dict(decode_head=dict(pyramid_width=128))
