"""Are PReLUs everywhere better than ReLUs?

The paper uses ReLU; ENet's and DABNet's use PReLU.
"""

_base_ = "../lednet_streets.py"
variant = "prelu"
act_cfg = dict(type="PReLU")
model = dict(backbone=dict(act_cfg=act_cfg), decode_head=dict(act_cfg=act_cfg))
