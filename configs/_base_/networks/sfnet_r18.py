"""SFNet as released (arXiv:2002.10120), with ResNet-18: 12.9 M parameters."""

network = "sfnet_r18"
model = dict(type="Segmentor", backbone=dict(type="DeepStemResNet18"), decode_head=dict(type="SFNetHead"))
