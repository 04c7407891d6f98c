"""ContextNet (arXiv:1805.04554): a shallow branch of detail and a deep one of context, 0.88 M parameters."""

network = "contextnet"
model = dict(type="Segmentor", backbone=dict(type="ContextNet"), decode_head=dict(type="SeparableHead"))
