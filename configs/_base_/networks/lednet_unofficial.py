"""The unofficial LEDNet (github.com/aniket-agarwal1999/LEDNet), 2.28 M parameters."""

network = "lednet_unofficial"
model = dict(
    type="Segmentor",
    backbone=dict(type="UnofficialLEDNet"),
    decode_head=dict(type="APNHead", pyramid_width=128, pyramid_kernels=(3, 5, 7), norm_cfg=dict(type="BN")),
)
