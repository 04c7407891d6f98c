"""LEDNet's authors' recipe: Adam 5e-4, poly 0.9, 300 epochs (on Cityscapes of 595 batches of 5).

Images in [0, 1] without mean and standard deviation. This is the authors' second stage, encoder and decoder;
lednet_authors_two_stages begins it from their first stage. They lower the rate after each epoch, this recipe
after each iteration.
"""

_base_ = "../runtime.py"

recipe = "lednet_authors"
epochs = 300
val_epochs = 10

data_preprocessor = dict(
    type="SegDataPreProcessor",
    mean=[0.0] * 3,
    std=[255.0] * 3,
    bgr_to_rgb=True,
    seg_pad_val=255,
)
optim_wrapper = dict(
    type="OptimWrapper", optimizer=dict(type="Adam", lr=5e-4, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-4)
)
param_scheduler = [dict(type="PolyLR", power=0.9, eta_min=0.0, begin=0, by_epoch=False)]
train_cfg = dict(type="IterBasedTrainLoop")
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
