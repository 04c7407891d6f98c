"""LEDNet on CamVid with the common recipe.

`lednet --dataset camvid` is the same; this file is complete by itself, for MMSegmentation's own tools too.
"""

_base_ = ["_base_/networks/lednet.py", "_base_/datasets/camvid.py", "_base_/recipes/common.py"]
model = dict(num_classes=_base_.num_classes, class_weight=_base_.class_weight)
model.update(data_preprocessor=dict(_base_.data_preprocessor, size=_base_.crop_size))
train_cfg = dict(max_iters=_base_.iterations, val_interval=_base_.val_interval)
