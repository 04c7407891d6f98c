"""The optimizer takes a step after every two batches, with the mean of their gradients."""

optim_wrapper = dict(accumulative_counts=2)
