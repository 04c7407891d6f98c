"""Blocks of the backbone are computed again in the backward pass: less memory, more time."""

default_hooks = dict(recompute=dict(type="RecomputeHook"))
