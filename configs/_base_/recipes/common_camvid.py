"""The common recipe on CamVid: 10,000 iterations of 8 (218 epochs)."""

_base_ = "common.py"

data_preprocessor = dict(size=(360, 480))
train_cfg = dict(type="IterBasedTrainLoop", max_iters=10000, val_interval=500)
