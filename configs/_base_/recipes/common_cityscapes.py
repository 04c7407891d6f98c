"""The common recipe on Cityscapes at 1024x512: 80,000 iterations."""

_base_ = "common.py"

data_preprocessor = dict(size=(512, 1024))
train_cfg = dict(type="IterBasedTrainLoop", max_iters=80000, val_interval=4000)
default_hooks = dict(checkpoint=dict(interval=4000))
