"""FSSNet (IEEE Trans. Industrial Informatics 2019): factorised and dilated bottlenecks, 0.18 M parameters."""

network = "fssnet"
model = dict(type="Segmentor", backbone=dict(type="FSSNet"), decode_head=dict(type="FSSNetHead"))
