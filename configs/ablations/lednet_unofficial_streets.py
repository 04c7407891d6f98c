"""How good is LEDNet in the form of its unofficial implementation: 22 outputs, images of 128x128?

github.com/aniket-agarwal1999/LEDNet: PReLUs in the encoder and ReLUs in the decoder, a pyramid of 128
channels, less dropout, PyTorch's epsilon in batch normalisation. Not taken over, as they are no switches of
LEDNet: there a block has 4 or 8 shuffle groups, no activation after its first convolution and one after its
last, and shares one slope; no normalisation where the resolution changes; the pyramid's kernels grow with
depth. The outputs beyond the 19 classes have no labels here.
"""

_base_ = "../lednet_streets.py"
variant = "unofficial"
model = dict(
    num_classes=22,
    class_weight=_base_.class_weight + [1.0] * 3,
    backbone=dict(act_cfg=dict(type="PReLU"), dropout_ratio=(0.01, 0.1), norm_cfg=dict(type="BN", eps=1e-5)),
    decode_head=dict(pyramid_width=128, norm_cfg=dict(type="BN", eps=1e-5)),
    data_preprocessor=dict(size=(128, 128)),
)
train_pipeline = _base_.train_pipeline
train_pipeline[5]["crop_size"] = (128, 128)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_evaluator = dict(num_outputs=22)
test_evaluator = val_evaluator
