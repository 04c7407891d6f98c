"""CANet (arXiv:1907.10958) as re-implemented by zh320, with MobileNetV2: 4.77 M parameters."""

network = "canet"
model = dict(type="Segmentor", backbone=dict(type="CANet"), decode_head=dict(type="CANetHead"))
