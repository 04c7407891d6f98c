"""PP-LiteSeg with STDC1 (arXiv:2204.02681) as re-implemented by zh320: 6.33 M parameters."""

network = "pp_liteseg"
model = dict(type="Segmentor", backbone=dict(type="PPLiteSegSTDC"), decode_head=dict(type="PPLiteSegHead"))
