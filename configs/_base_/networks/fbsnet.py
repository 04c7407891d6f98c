"""FBSNet as released (arXiv:2109.00699): bottleneck residual units and a detail branch, 0.61 M parameters."""

network = "fbsnet"
model = dict(type="Segmentor", backbone=dict(type="FBSNet"), decode_head=dict(type="FBSNetHead"))
