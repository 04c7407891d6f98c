"""BiSeNetV2 (arXiv:2004.02147) as CoinCheung has it: 3.36 M parameters in inference."""

network = "bisenetv2"
model = dict(
    type="Segmentor",
    backbone=dict(
        type="NearestBiSeNetV2",
        detail_channels=(64, 64, 128),
        semantic_channels=(16, 32, 64, 128),
        semantic_expansion_ratio=6,
        bga_channels=128,
        out_indices=(0, 1, 2, 3, 4),
        init_cfg=None,
    ),
    decode_head=dict(
        type="ConvHead",
        in_channels=128,
        in_index=0,
        channels=1024,
        dropout=0.1,
        classifier_bias=True,
    ),
    auxiliary_head=[
        dict(type="BoosterHead", in_channels=in_channels, in_index=in_index, channels=channels)
        for in_index, in_channels, channels in ((1, 16, 16), (2, 32, 64), (3, 64, 256), (4, 128, 1024))
    ],
)
