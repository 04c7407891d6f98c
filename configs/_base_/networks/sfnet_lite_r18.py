"""SFNet-Lite as released (arXiv:2207.04415), with ResNet-18: 12.1 M parameters."""

network = "sfnet_lite_r18"
model = dict(type="Segmentor", backbone=dict(type="DeepStemResNet18"), decode_head=dict(type="SFNetLiteHead"))
