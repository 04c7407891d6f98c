"""STDC2 (arXiv:2104.13188) as released, 12.3 M parameters: STDC1 with a deeper backbone."""

_base_ = "stdc1.py"
network = "stdc2"
model = dict(backbone=dict(backbone_cfg=dict(stdc_type="STDCNet2")))
