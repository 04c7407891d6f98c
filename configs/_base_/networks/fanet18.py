"""FANet-18 as released (arXiv:2007.03815): 13.7 M parameters in inference."""

network = "fanet18"
leaky = dict(type="LeakyReLU", negative_slope=0.01)
auxiliary = dict(
    type="ConvHead",
    in_channels=128,
    channels=64,
    act_cfg=leaky,
    align_corners=True,
    loss_decode=dict(type="WeightedCrossEntropy", loss_weight=0.5),
)
model = dict(
    type="Segmentor",
    backbone=dict(type="FANetEncoder"),
    decode_head=dict(type="ConvHead", in_channels=256, channels=256, act_cfg=leaky, align_corners=True),
    auxiliary_head=[dict(in_index=in_index, **auxiliary) for in_index in (0, 1)],
)
