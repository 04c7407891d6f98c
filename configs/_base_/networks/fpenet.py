"""FPENet (arXiv:1909.08599) as coded: expansion in the first block of a stage only, 0.12 M parameters."""

network = "fpenet"
model = dict(type="Segmentor", backbone=dict(type="FPENet"), decode_head=dict(type="FPENetHead"))
