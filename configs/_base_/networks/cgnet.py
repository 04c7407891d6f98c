"""CGNet (arXiv:1811.08201), MMSegmentation's, equal to its authors' with these settings; 0.50 M parameters.

MMSegmentation's own config gives the classifier a bias, and every PReLU an initial slope of 0. Its
``act_cfg`` has no effect on activations that follow a normalisation without a convolution.
"""

network = "cgnet"
authors_init = dict(type="Kaiming", layer="Conv2d", mode="fan_in")
model = dict(
    type="Segmentor",
    backbone=dict(type="CGNet", norm_cfg=dict(type="BN", eps=1e-3), init_cfg=authors_init),
    decode_head=dict(type="ClassifierHead", in_channels=256, init_cfg=authors_init),
)
