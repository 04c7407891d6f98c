"""ERFNet as released (Romera et al., T-ITS 2018), 2.06 M parameters; erfnet_mmseg.py has MMSegmentation's."""

network = "erfnet"
model = dict(
    type="Segmentor",
    backbone=dict(type="ERFNetEncoder"),
    decode_head=dict(type="ESNetHead", kernel_sizes=(3, 3)),
)
