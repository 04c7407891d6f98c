"""dabnet_cityscapes on the images of train and val, as DABNet's published test result; val says nothing."""

_base_ = "dabnet_cityscapes.py"

recipe = "dabnet_cityscapes_trainval"
train_on = ("train", "val")
