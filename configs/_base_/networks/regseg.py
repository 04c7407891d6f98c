"""RegSeg as released (arXiv:2111.09957): 3.33 M parameters."""

network = "regseg"
model = dict(type="Segmentor", backbone=dict(type="RegSeg"), decode_head=dict(type="RegSegHead"))
