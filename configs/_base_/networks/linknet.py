"""LinkNet (arXiv:1707.03718): a ResNet-18 encoder added to its decoder, 11.5 M parameters."""

network = "linknet"
model = dict(type="Segmentor", backbone=dict(type="LinkNet"), decode_head=dict(type="LinkNetHead"))
