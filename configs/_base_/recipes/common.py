"""The recipe that all networks share: AdamW 2e-3, poly 0.9; the dataset sets the length and the crop size."""

_base_ = "../runtime.py"

recipe = "common"
data_preprocessor = dict(
    type="SegDataPreProcessor",
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
)
optim_wrapper = dict(
    type="OptimWrapper", optimizer=dict(type="AdamW", lr=2e-3, weight_decay=1e-4, fused=True)
)
param_scheduler = [dict(type="PolyLR", power=0.9, eta_min=0.0, begin=0, by_epoch=False)]
train_cfg = dict(type="IterBasedTrainLoop")
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
