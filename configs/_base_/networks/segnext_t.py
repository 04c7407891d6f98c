"""SegNeXt-T (arXiv:2209.08575), MMSegmentation's with fixed bases: 4.23 M parameters."""

network = "segnext_t"
model = dict(
    type="Segmentor",
    backbone=dict(
        type="MSCAN",
        embed_dims=[32, 64, 160, 256],
        mlp_ratios=[8, 8, 4, 4],
        drop_rate=0.0,
        drop_path_rate=0.1,
        depths=[3, 3, 5, 2],
        attention_kernel_sizes=[5, [1, 7], [1, 11], [1, 21]],
        attention_kernel_paddings=[2, [0, 3], [0, 5], [0, 10]],
        act_cfg=dict(type="GELU"),
        norm_cfg=dict(type="BN"),
    ),
    decode_head=dict(
        type="SteadyHamHead",
        in_channels=[64, 160, 256],
        in_index=[1, 2, 3],
        channels=256,
        ham_channels=256,
        dropout_ratio=0.1,
        norm_cfg=dict(type="GN", num_groups=32),
        align_corners=False,
        ham_kwargs=dict(MD_S=1, MD_R=16, train_steps=6, eval_steps=7, inv_t=100, rand_init=True),
    ),
)
