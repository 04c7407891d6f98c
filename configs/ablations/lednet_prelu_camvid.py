"""Are PReLUs everywhere better than ReLUs?

The paper uses ReLU; ENet's and DABNet's use PReLU.
"""

_base_ = "../lednet_camvid.py"
variant = "prelu"
model = dict(backbone=dict(act_cfg=dict(type="PReLU")), decode_head=dict(act_cfg=dict(type="PReLU")))
