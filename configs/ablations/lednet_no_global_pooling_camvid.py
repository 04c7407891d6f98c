"""What does the branch of global average pooling in the attention pyramid add?

The paper adds it as global context, without a figure of its own.
"""

_base_ = "../lednet_camvid.py"
variant = "no_global_pooling"
model = dict(decode_head=dict(global_pooling=False))
