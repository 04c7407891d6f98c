"""ShelfNet-18 (arXiv:1811.11254) as re-implemented by zh320: 16.04 M parameters."""

network = "zh320_shelfnet"
model = dict(
    type="Segmentor", backbone=dict(type="ResNet", depth=18), decode_head=dict(type="ZH320ShelfNetHead")
)
