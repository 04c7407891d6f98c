"""Do the biases of convolutions, most of them before a batch normalisation, do anything?

In theory a bias before batch normalisation does nothing; the authors keep them. Expected: no difference.
"""

_base_ = "../lednet_camvid.py"
variant = "no_bias"
model = dict(backbone=dict(bias=False), decode_head=dict(bias=False))
