"""CABiNet-small as released (arXiv:2011.00993): 3.4 M parameters in inference."""

network = "cabinet_small"
model = dict(
    type="Segmentor",
    backbone=dict(type="CABiNet", size="small"),
    decode_head=dict(type="ConvHead", in_channels=256, in_index=0, channels=256),
    auxiliary_head=dict(
        type="EnlargedConvHead", in_channels=832, in_index=1, channels=256, classifier_bias=True
    ),
)
