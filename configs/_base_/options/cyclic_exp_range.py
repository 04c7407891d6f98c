"""Cyclical learning rate whose amplitude falls by 0.99994 an iteration (arXiv:1506.01186)."""

param_scheduler = [
    dict(
        type="CyclicLR",
        policy="exp_range",
        half_cycle=2,
        by_epoch=True,
        convert_to_iter_based=True,
        end=10**9,  # MMEngine's "never"; it would end after one epoch
    )
]
