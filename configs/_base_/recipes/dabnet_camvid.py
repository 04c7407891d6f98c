"""DABNet's authors' recipe for CamVid: Adam 1e-3, weighted cross entropy, crops of 360x480, 1000 epochs.

Source: github.com/Reagan1311/DABNet, train.py. Images are scaled by a random factor, cropped, mirrored, and
padded with their mean, which is subtracted. The learning rate warms up over 500 iterations from a third, then
falls with power 0.9.
"""

_base_ = "../runtime.py"

recipe = "dabnet_camvid"
epochs = 1000
val_epochs = 50
batch_size = 16
augmentation = [
    dict(type="RandomScale", factors=(0.75, 1.0, 1.25, 1.5, 1.75, 2.0)),
    dict(type="RandomCrop", crop_size="crop"),  # what is smaller is padded by the preprocessing
    dict(type="RandomFlip", prob=0.5),
]
# 1 / ln(1.10 + p), p being each class's share of the labelled pixels of train and val.
class_weight = [4.3666, 3.3573, 9.645, 2.841, 6.9009, 5.1239, 9.458, 9.109, 7.0866, 9.8683, 9.8088]
data_preprocessor = dict(
    type="SegDataPreProcessor",
    mean=[99.62539585, 103.32976184, 105.65772519],  # red, green, blue of train and val
    std=[1.0] * 3,
    bgr_to_rgb=True,
    seg_pad_val=255,
)
model = dict(
    init_cfg=[
        dict(type="Kaiming", layer="Conv2d", mode="fan_in"),
        dict(type="Constant", layer="BatchNorm2d", val=1),
    ]
)
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=1e-3, weight_decay=2e-4))
param_scheduler = [dict(type="WarmupPolyLR", warmup=500, start=1 / 3, power=0.9, by_epoch=False)]
train_cfg = dict(type="IterBasedTrainLoop")
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
