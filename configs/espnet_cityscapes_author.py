"""ESPNet with its authors' weights for Cityscapes (p=2, q=8): 60.3 % on the test server by their README.

The twentieth output is void. This command converts the weights:
tools/convert_checkpoint.py espnet_q8 espnet_p_2_q_8.pth espnet_cityscapes.pth
"""

_base_ = [
    "_base_/networks/espnet.py",
    "_base_/datasets/cityscapes.py",
    "_base_/recipes/common.py",
]
variant = "author"
model = dict(
    decode_head=dict(merge_image=False),
    num_classes=20,
    class_weight=[*_base_.class_weight, 0.0],
)
model.update(data_preprocessor=_base_.data_preprocessor)
# github.com/sacmehta/ESPNet, test/VisualizeResults.py: BGR, (x - mean) / std, resized as floats, then / 255.
model["data_preprocessor"].update(
    mean=[72.3923111, 82.90893555, 73.15840149],
    std=[255 * std for std in (45.3192215, 46.15289307, 44.91483307)],
    bgr_to_rgb=False,
)
test_pipeline = [
    dict(type="LoadImage", to_float32=True),
    dict(type="Resize", scale=(1024, 512), keep_ratio=False),
    dict(type="LoadLabels"),
    dict(type="PackSegInputs"),
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
val_evaluator = dict(type="ConfusionMatrixMetric", num_outputs=20)
test_evaluator = val_evaluator
