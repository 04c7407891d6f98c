"""RegSeg (arXiv:2111.09957) as re-implemented by zh320, deepest map at 1/32: 3.37 M parameters."""

network = "zh320_regseg"
model = dict(type="Segmentor", backbone=dict(type="ZH320RegSeg"), decode_head=dict(type="ZH320RegSegHead"))
