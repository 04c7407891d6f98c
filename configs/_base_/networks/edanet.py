"""EDANet (arXiv:1809.06323): dense modules of asymmetric convolutions, 0.69 M parameters."""

network = "edanet"
model = dict(
    type="Segmentor",
    backbone=dict(type="EDANet"),
    decode_head=dict(
        type="FCNHead",
        in_channels=450,
        channels=450,
        num_convs=0,
        concat_input=False,
        dropout_ratio=0,
        align_corners=True,
        init_cfg=None,
    ),
)
