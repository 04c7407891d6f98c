"""The common recipe on the generated streets: 2,000 iterations of 8."""

_base_ = "common.py"

data_preprocessor = dict(size=(128, 256))
train_cfg = dict(type="IterBasedTrainLoop", max_iters=2000, val_interval=250)
