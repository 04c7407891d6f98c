"""LEDNet, DABNet and EDANet on generated streets, as a first example: half an hour on one CPU core.

python tools/sweep.py configs/studies/streets_cpu.py
"""

title = "Generated streets at 256x128, 400 iterations on a CPU, one seed"
runs = [dict(networks=["lednet", "dabnet", "edanet"], datasets=["streets"])]
options = {
    "train_cfg.max_iters": 400,
    "train_cfg.val_interval": 400,
    "default_hooks.checkpoint.interval": 50,
}
measure = dict(
    accuracy="val",
    complexity=dict(shape=(128, 256)),
    latency=dict(shape=(128, 256), samples=100, seconds=5),
)
baseline = dict(network="lednet")
expectations = dict(
    dabnet="better: it learns faster in short trainings, as in the first study",
    edanet="better, for the same reason",
)
