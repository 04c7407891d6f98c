"""Cyclical learning rate, 2 epochs up and 2 down from a sixth of it (arXiv:1506.01186)."""

param_scheduler = [
    dict(
        type="CyclicLR",
        policy="triangular",
        half_cycle=2,
        by_epoch=True,
        convert_to_iter_based=True,
        end=10**9,  # MMEngine's "never"; it would end after one epoch
    )
]
