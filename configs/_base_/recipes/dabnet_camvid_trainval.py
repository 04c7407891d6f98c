"""dabnet_camvid on the images of train and val, as for DABNet's published results on test.

The accuracy on val then says nothing of other images.
"""

_base_ = "dabnet_camvid.py"

recipe = "dabnet_camvid_trainval"
train_on = ("train", "val")
