"""ESNet (arXiv:1906.09826): a symmetric encoder-decoder of factorised convolutions, 1.66 M parameters."""

network = "esnet"
model = dict(type="Segmentor", backbone=dict(type="ESNet"), decode_head=dict(type="ESNetHead"))
