"""SQNet (NIPS 2016 workshop MLITS): a SqueezeNet encoder without normalisation, 16.3 M parameters."""

network = "sqnet"
model = dict(type="Segmentor", backbone=dict(type="SQNet"), decode_head=dict(type="SQNetHead"))
