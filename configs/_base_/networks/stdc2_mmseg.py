"""STDC2 (arXiv:2104.13188), MMSegmentation's, 12.3 M parameters: STDC1 with a deeper backbone."""

_base_ = "stdc1_mmseg.py"
network = "stdc2_mmseg"
model = dict(backbone=dict(backbone_cfg=dict(stdc_type="STDCNet2")))
