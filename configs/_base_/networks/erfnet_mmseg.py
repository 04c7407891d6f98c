"""ERFNet as MMSegmentation has it, 2.08 M parameters: not its authors' network, which is in erfnet.py.

Its classifier is a different one and works at half resolution. Its dropout zeroes single values instead of
channels, and has the same rate everywhere.
"""

network = "erfnet_mmseg"
model = dict(
    type="Segmentor",
    backbone=dict(type="ERFNet", dropout_ratio=0.1),
    decode_head=dict(
        type="FCNHead",
        in_channels=16,
        channels=128,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.1,
        norm_cfg=dict(type="BN"),
        align_corners=False,
    ),
)
