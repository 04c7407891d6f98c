"""Warm-up over 500 iterations from a third of the learning rate, then poly with power 0.9."""

param_scheduler = [dict(type="WarmupPolyLR", warmup=500, start=1 / 3, power=0.9, by_epoch=False)]
