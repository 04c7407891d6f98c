_base_ = [
    "_base_/networks/enet.py",
    "_base_/datasets/cityscapes_1024x512.py",
    "_base_/recipes/common_cityscapes.py",
]
model = dict(num_classes=_base_.num_classes, class_weight=_base_.class_weight)
model.update(data_preprocessor=_base_.data_preprocessor)
