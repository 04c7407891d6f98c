"""CFPNet (arXiv:2103.12212) as re-implemented by zh320: 0.27 M parameters."""

network = "zh320_cfpnet"
model = dict(type="Segmentor", backbone=dict(type="ZH320CFPNet"), decode_head=dict(type="ZH320CFPNetHead"))
