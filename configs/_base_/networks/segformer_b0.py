"""SegFormer-B0 as released (arXiv:2105.15203): 3.72 M parameters."""

network = "segformer_b0"
model = dict(type="Segmentor", backbone=dict(type="MixTransformer"), decode_head=dict(type="LinearMapsHead"))
