"""LEDNet on CamVid in an hour and a half on one CPU core: crops of 320x240, batches of 4.

It is tested like every other run, on whole images at 480x360. Its scores are not those of the full recipe.
"""

_base_ = "lednet_camvid.py"
variant = "cpu_recipe"
train_dataloader = dict(
    batch_size=4,
    dataset=dict(
        pipeline=[
            dict(type="SeedAugmentation"),
            dict(type="LoadImage"),
            dict(type="LoadLabels"),
            dict(type="RandomResize", scale=(480, 360), ratio_range=(0.67, 1.25), keep_ratio=True),
            dict(type="RandomCrop", crop_size=(240, 320)),
            dict(type="RandomFlip", prob=0.5),
            dict(type="PackSegInputs"),
        ]
    ),
)
model = dict(data_preprocessor=dict(size=(240, 320)))
train_cfg = dict(max_iters=2400, val_interval=300)
default_hooks = dict(checkpoint=dict(interval=100))
