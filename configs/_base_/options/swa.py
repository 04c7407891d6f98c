"""Mean of the weights after each epoch of the last quarter (SWA, arXiv:1803.05407), BN renewed."""

default_hooks = dict(averaging=dict(type="AveragingHook", average="swa", begin=0.75, epochs=1))
