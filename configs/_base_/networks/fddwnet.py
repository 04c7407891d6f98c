"""FDDWNet (arXiv:1911.00632) as re-implemented by zh320: 0.77 M parameters."""

network = "fddwnet"
model = dict(type="Segmentor", backbone=dict(type="FDDWNet"), decode_head=dict(type="FDDWNetHead"))
