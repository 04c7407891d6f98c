"""Cosine decay with warm restarts (SGDR, arXiv:1608.03983): periods of 20, 40, 80, ... epochs."""

param_scheduler = [
    dict(
        type="CosineRestartLR",
        periods=[20 * 2**i for i in range(10)],
        restart_weights=[1] * 10,
        eta_min=0.0,
        by_epoch=True,
        convert_to_iter_based=True,
        end=10**9,  # MMEngine's "never"; it would end after one epoch
    )
]
