"""The common settings of every run: the runner, logging, checkpoints, checks and records."""

custom_imports = dict(imports=["lednet_mm.register"])
default_scope = "mmseg"
runner_type = "ReproducibleRunner"
randomness = dict(seed=0)
env_cfg = dict(cudnn_benchmark=True, mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0))
log_level = "INFO"
# Losses and times are means over the last iterations; that of a validation is one value.
log_processor = dict(by_epoch=False, mean_pattern=r"^(?!val_loss).*(loss|time|grad_norm)")
load_from = None
resume = False
visualizer = dict(type="SegLocalVisualizer", vis_backends=[dict(type="LocalVisBackend")])
default_hooks = dict(
    runtime_info=dict(type="LossHook"),
    timer=dict(type="IterTimerHook"),
    logger=dict(type="EarlyLoggerHook", interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(type="SafeCheckpointHook", by_epoch=False, interval=500, max_keep_ckpts=2),
    sampler_seed=dict(type="DistSamplerSeedHook"),
)
custom_hooks = [dict(type="SeedHook"), dict(type="RecordHook")]
