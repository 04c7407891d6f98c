"""LEDNet's encoder under a classifier on ImageNet, by its authors' schedule: SGD 0.1, 150 epochs.

Source: github.com/xiaoyufenfei/LEDNet, imagenet-pretrain/main.py. The learning rate is constant up to epoch
15 (counted from 0); from the next one on it falls by 5% an epoch, and there is no weight decay any more.
`python tools/pretrain.py FOLDER` trains it on any folder with train/<class>/*.jpg and val/<class>/*.jpg.
"""

_base_ = "../_base_/runtime.py"

network = "lednet_classifier"
dataset = "imagenet"
recipe = "lednet_imagenet"
model = dict(type="LEDNetClassifier", num_classes=1000)
train_dataloader = dict(
    batch_size=256,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="ReproducibleSampler"),
    collate_fn=dict(type="default_collate"),
    dataset=dict(type="ImageFolder", data_root="data/imagenet", split="train", size=224, augment=True),
)
val_dataloader = dict(
    batch_size=256,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="default_collate"),
    dataset=dict(type="ImageFolder", data_root="data/imagenet", split="val", size=224),
)
val_evaluator = dict(type="TopAccuracy")
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.1, momentum=0.9, weight_decay=1e-4))
param_scheduler = [
    dict(type="ExponentialLR", gamma=0.95, begin=15, by_epoch=True),
    dict(
        type="MultiStepParamScheduler", param_name="weight_decay", milestones=[16], gamma=0.0, by_epoch=True
    ),
]
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=150, val_interval=1)
val_cfg = dict(type="ValLoop")
default_hooks = dict(checkpoint=dict(interval=1000, save_best="top1", rule="greater"))
