"""LEDNet's parts and five other networks, in an afternoon on two CPU cores.

The images are CamVid's at half resolution (240x180). Each of the 41 runs has 1000 iterations of 4 images
(10.9 epochs) of the common recipe, scaled down with the images, and is tested on the whole test split at
480x360. With two single-thread runs side by side (`python tools/sweep.py configs/studies/camvid_half_cpu.py
--jobs 2`), the study takes about 5 hours on two cores: 0.9 s per iteration for LEDNet, 0.25 s (Fast-SCNN) to
1.1 s (ERFNet) for the others, and a minute per run for tests.

All networks have the seeds 0 to 2. The seeds 3 and 4 were added for the ablations that three seeds left open,
after `--power` had said what to expect of them: from the first three seeds, five narrow the interval of
`prelu` to 1 point on both sides, of `no_shuffle` to 1.5 and of `no_apn` to 2.

A training this short shows only large effects and large classes; docs/results.md has the findings.
"""

title = "CamVid at half resolution (240x180), 11 epochs on a CPU: LEDNet's parts, and five networks"
runs = [
    dict(
        networks=["lednet"],
        datasets=["camvid"],
        variants=["default", "prelu", "no_shuffle", "no_apn"],
        seeds=[0, 1, 2, 3, 4],
    ),
    dict(networks=["lednet"], datasets=["camvid"], variants=["no_bn", "no_dilation"], seeds=[0, 1, 2]),
    dict(
        networks=["cgnet", "dabnet", "edanet", "erfnet", "fastscnn"],
        datasets=["camvid"],
        seeds=[0, 1, 2],
    ),
]
_test_pipeline = [
    dict(type="LoadImage"),
    dict(type="Resize", scale=(240, 180), keep_ratio=False),
    dict(type="LoadLabels"),  # after Resize: labels keep their size for evaluation
    dict(type="PackSegInputs"),
]
options = {
    "dataset": "camvid_half",
    "train_cfg.max_iters": 1000,
    "train_cfg.val_interval": 500,
    "train_dataloader.batch_size": 4,
    "train_dataloader.dataset.pipeline": [
        dict(type="SeedAugmentation"),
        dict(type="LoadImage"),
        dict(type="LoadLabels"),
        dict(type="RandomResize", scale=(240, 180), ratio_range=(0.75, 2.0), keep_ratio=True),
        dict(type="Pad", size=(240, 180), pad_val=dict(img=0, seg=255)),  # images that were scaled down
        dict(type="RandomCrop", crop_size=(180, 240)),
        dict(type="RandomFlip", prob=0.5),
        dict(type="PackSegInputs"),
    ],
    "val_dataloader.dataset.pipeline": _test_pipeline,
    "test_dataloader.dataset.pipeline": _test_pipeline,
    "model.data_preprocessor.size": (180, 240),
    "default_hooks.checkpoint.interval": 50,
    "default_hooks.logger.interval": 10,
}
measure = dict(
    accuracy="test",
    complexity=dict(shape=(180, 240)),
    latency=dict(shape=(180, 240), samples=50, seconds=10.0),
)
baseline = dict(network="lednet")
expectations = dict(
    no_apn="1 to 3 points worse: the paper calls the pyramid the core of its decoder",
    no_shuffle="slightly worse: halves of a block no longer exchange what they know (ShuffleNet)",
    no_bn="far worse or divergent: the unofficial LEDNet found batch normalisation needed in every block",
    prelu="no difference that three short runs resolve; the unofficial LEDNet claims a gain",
    no_dilation="worse, less than at full resolution, where the receptive field covers less of the scene",
    cgnet="about equal: fewer parameters, higher on CamVid in its paper",
    dabnet="about equal or better: similar size, higher on CamVid in its paper",
    edanet="about equal",
    erfnet="better: more than twice the parameters and multiply-adds",
    fastscnn="worse: at 1/8 resolution from the start, and slow to converge without pretraining",
)
