"""Cyclical learning rate whose amplitude halves in each cycle of 4 epochs (arXiv:1506.01186)."""

param_scheduler = [
    dict(
        type="CyclicLR",
        policy="triangular2",
        half_cycle=2,
        by_epoch=True,
        convert_to_iter_based=True,
        end=10**9,  # MMEngine's "never"; it would end after one epoch
    )
]
