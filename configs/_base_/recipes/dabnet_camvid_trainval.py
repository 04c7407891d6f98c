"""dabnet_camvid on the images of train and val, as DABNet's published test result; val says nothing."""

_base_ = "dabnet_camvid.py"

recipe = "dabnet_camvid_trainval"
train_on = ("train", "val")
