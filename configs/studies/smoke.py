"""Does everything work? Two networks and a variant on generated streets with two seeds, in about a minute.

The streets are generated if they are missing. The trainings are too short to say anything about networks.
"""

title = "Smoke test: generated streets at 64x128, 24 iterations of 2 images"
runs = [
    dict(networks=["lednet"], datasets=["streets"], variants=["default", "no_apn"], seeds=[0, 1]),
    dict(networks=["erfnet"], datasets=["streets"], seeds=[0, 1]),
]
options = {
    "train_cfg.max_iters": 24,
    "train_cfg.val_interval": 24,
    "train_dataloader.batch_size": 2,
    "train_dataloader.dataset.pipeline": [
        dict(type="SeedAugmentation"),
        dict(type="LoadImage"),
        dict(type="LoadLabels"),
        dict(type="RandomCrop", crop_size=(64, 128)),
        dict(type="RandomFlip", prob=0.5),
        dict(type="PackSegInputs"),
    ],
    "model.data_preprocessor.size": (64, 128),
    "default_hooks.checkpoint.interval": 4,
    "default_hooks.logger.interval": 4,
}
measure = dict(
    accuracy="val",
    complexity=dict(shape=(128, 256)),
    latency=dict(shape=(64, 128), samples=10, seconds=1.0),
)
baseline = dict(network="lednet")
expectations = dict(no_apn="no difference that 24 iterations could resolve")
