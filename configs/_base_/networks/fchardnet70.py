"""FC-HarDNet-70 as released (arXiv:1909.00948): 4.12 M parameters."""

network = "fchardnet70"
model = dict(
    type="Segmentor",
    backbone=dict(type="FCHarDNet"),
    decode_head=dict(
        type="FCNHead",
        in_channels=48,
        channels=48,
        num_convs=0,
        concat_input=False,
        dropout_ratio=0,
        align_corners=True,
    ),
)
