"""CGNet with its authors' weights for CamVid: 65.54 % mIoU on test (65.6 in the paper).

The weights were trained on train and val. This command converts them:
tools/convert_checkpoint.py cgnet cgnet_m3n21_camvid.pth cgnet_camvid.pth
"""

_base_ = ["_base_/networks/cgnet.py", "_base_/datasets/camvid.py", "_base_/recipes/common.py"]
variant = "author"
model = dict(num_classes=_base_.num_classes, class_weight=_base_.class_weight)
model.update(data_preprocessor=_base_.data_preprocessor)
# The authors subtract the means of blue, green, red from red, green, blue; in the right order it is 52.67 %.
model["data_preprocessor"].update(mean=[105.65772, 103.329765, 99.6254], std=[1.0, 1.0, 1.0])
