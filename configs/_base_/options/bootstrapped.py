"""Cross entropy of the hardest pixels of each image, from 65 % of them down to 16 %."""

loss = dict(type="BootstrappedCrossEntropy", first=0.65, last=0.16, power=0.95)
default_hooks = dict(progress=dict(type="ProgressHook"))
