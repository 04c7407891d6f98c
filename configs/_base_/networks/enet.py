"""ENet (arXiv:1606.02147) as ported to PyTorch by davidtvs, 0.35 M parameters."""

network = "enet"
model = dict(type="Segmentor", backbone=dict(type="ENet"), decode_head=dict(type="ENetHead"))
