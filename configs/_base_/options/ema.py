"""Exponential moving average of the weights with a decay of 0.999 an iteration."""

default_hooks = dict(averaging=dict(type="AveragingHook", average="ema", decay=0.999))
