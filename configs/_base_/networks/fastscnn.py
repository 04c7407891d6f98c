"""Fast-SCNN (arXiv:1902.04502) as in Efficient-Segmentation-Networks, 1.14 M parameters."""

network = "fastscnn"
model = dict(type="Segmentor", backbone=dict(type="FastSCNNEncoder"), decode_head=dict(type="SeparableHead"))
