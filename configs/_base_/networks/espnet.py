"""ESPNet as in the authors' train folder (arXiv:1803.06815), p=2 and q=8, 0.36 M parameters."""

network = "espnet"
model = dict(type="Segmentor", backbone=dict(type="ESPNet"), decode_head=dict(type="ESPNetHead"))
