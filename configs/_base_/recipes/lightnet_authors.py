"""LightNet's authors' recipe: SGD 2.5e-3 with restarts, hardest pixels of each image, 200 epochs.

Scales and crop are relative to the crop size, which on Cityscapes gives the authors' scales of 0.5 to 0.75 of
2048x1024 and crops of 896x448; of these, the hardest 262144 down to 65536 pixels count. Images are BGR minus
the mean of Cityscapes in the order of RGB, as in the authors' code, in units of 255
(github.com/linksense/LightNet, scripts/train_mobile.py). `lightnet_authors+swa` adds the average.
"""

_base_ = "../runtime.py"

recipe = "lightnet_authors"
epochs = 200
val_epochs = 10
batch_size = 10
weighting = "median"
crop_share = 7 / 8

augmentation = [
    dict(type="RandomFlip", prob=0.5),
    dict(
        type="RandomResize", scale="crop", ratio_range=(0.5 * 2048 / 896, 0.75 * 2048 / 896), keep_ratio=True
    ),
    dict(type="RandomRotate", prob=1.0, degree=5.0),
    dict(type="Pad", size="crop", pad_val=dict(img=0, seg=255)),
    dict(type="RandomCrop", crop_size="crop"),
]
data_preprocessor = dict(
    type="SegDataPreProcessor",
    mean=[73.16, 82.91, 72.39],
    std=[255.0] * 3,
    bgr_to_rgb=False,
    seg_pad_val=255,
)
loss = dict(
    type="BootstrappedCrossEntropy",
    first=512 * 512 / (448 * 896),
    last=128 * 512 / (448 * 896),
    power=0.95,
    weighted_share=0.2,
)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=2.5e-3, momentum=0.9, nesterov=True, weight_decay=5e-4),
)
param_scheduler = [
    dict(
        type="CosineRestartLR",
        periods=[20, 40, 80, 160],
        restart_weights=[1] * 4,
        eta_min=0.0,
        by_epoch=True,
        convert_to_iter_based=True,
        end=10**9,  # MMEngine's "never"; it would end after one epoch
    )
]
default_hooks = dict(progress=dict(type="ProgressHook"))
train_cfg = dict(type="IterBasedTrainLoop")
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
