_base_ = ["_base_/networks/enet.py", "_base_/datasets/camvid.py", "_base_/recipes/common_camvid.py"]
model = dict(num_classes=_base_.num_classes, class_weight=_base_.class_weight)
model.update(data_preprocessor=_base_.data_preprocessor)
