"""SINet (arXiv:1911.09099), made for portraits, with as many classes as the dataset: 0.09 M parameters."""

network = "sinet"
model = dict(type="Segmentor", backbone=dict(type="SINet"), decode_head=dict(type="SINetHead"))
