"""ESPNet with its authors' weights for CamVid: 57.17 % mIoU on test.

The figure of 55.64 in their README is a mean over values of single batches. The twelfth output is void. This
command converts the weights: tools/convert_checkpoint.py espnet espnet_p_2_q_8_camvid.pth espnet_camvid.pth
"""

_base_ = ["_base_/networks/espnet.py", "_base_/datasets/camvid.py", "_base_/recipes/common.py"]
variant = "author"
model = dict(num_classes=12, class_weight=[*_base_.class_weight, 0.0])
model.update(data_preprocessor=_base_.data_preprocessor)
# The authors: BGR, (x - mean) / std / 255.
model["data_preprocessor"].update(
    mean=[110.331024, 108.40887, 105.033195],
    std=[255 * std for std in (72.12571, 72.69074, 69.90435)],
    bgr_to_rgb=False,
)
val_evaluator = dict(type="ConfusionMatrixMetric", num_outputs=12)
test_evaluator = val_evaluator
