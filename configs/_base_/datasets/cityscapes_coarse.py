# Cityscapes' images with coarse labels alone (train_extra) for training; validation is on fine labels.
_base_ = "cityscapes.py"

dataset = "cityscapes_coarse"
train_images = 19998
train_dataloader = dict(dataset=dict(split="train_extra", labels="gtCoarse"))
