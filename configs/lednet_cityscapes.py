"""LEDNet on Cityscapes at 1024x512, with its authors' recipe.

`lednet --dataset cityscapes --recipe lednet_authors` is the same; this file is complete by itself, for
MMSegmentation's own tools too.
"""

_base_ = ["_base_/networks/lednet.py", "_base_/datasets/cityscapes.py", "_base_/recipes/lednet_authors.py"]
model = dict(num_classes=_base_.num_classes, class_weight=_base_.class_weight)
model.update(data_preprocessor=dict(_base_.data_preprocessor, size=_base_.crop_size))
train_cfg = dict(max_iters=300 * 595, val_interval=10 * 595)  # epochs of 595 batches
default_hooks = dict(checkpoint=dict(interval=10 * 595))
