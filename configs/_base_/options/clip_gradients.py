"""Gradients are scaled down to a norm of at most 1 over all weights."""

optim_wrapper = dict(clip_grad=dict(max_norm=1.0))
