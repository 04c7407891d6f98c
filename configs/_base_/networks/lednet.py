"""LEDNet as released (arXiv:1905.02423): one attention map for all classes, 0.92 M parameters."""

network = "lednet"
model = dict(type="Segmentor", backbone=dict(type="LEDNet"), decode_head=dict(type="APNHead"))
