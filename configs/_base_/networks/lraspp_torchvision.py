"""MobileNetV3-large with LR-ASPP (arXiv:1905.02244) as torchvision has it: 3.22 M parameters."""

network = "lraspp_torchvision"
model = dict(
    type="Segmentor",
    backbone=dict(type="DilatedMobileNetV3"),
    decode_head=dict(type="GatedLogitsHead"),
)
