"""ESPNetv2 (arXiv:1811.11431) of width s=1.0, trained with its two losses, 0.34 M parameters."""

network = "espnetv2"
model = dict(type="Segmentor", backbone=dict(type="ESPNetv2"), decode_head=dict(type="ESPNetv2Head"))
