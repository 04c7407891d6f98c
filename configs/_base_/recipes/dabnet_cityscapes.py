"""DABNet's authors' recipe for Cityscapes: SGD 4.5e-2, hardest pixels, native crops, 1000 epochs.

Source: github.com/Reagan1311/DABNet, train.py and utils/loss.py. Augmentation, schedule and initialisation
are those of dabnet_camvid, for crops of 512x1024 from the images of 1024x2048, which are tested whole. The
loss is that of the hardest pixels: those whose class has a probability below 0.7, and at least a sixteenth of
the crop.
"""

_base_ = "dabnet_camvid.py"

recipe = "dabnet_cityscapes"
batch_size = 8
native = [dict(type="LoadImage"), dict(type="LoadLabels"), dict(type="PackSegInputs")]
val_dataloader = dict(dataset=dict(pipeline=native))
test_dataloader = dict(dataset=dict(pipeline=native))
class_weight = [
    *(0.8373, 0.918, 0.866, 1.0345, 1.0166, 0.9969, 0.9754, 1.0489, 0.8786, 1.0023),
    *(0.9539, 0.9843, 1.1116, 0.9037, 1.0865, 1.0955, 1.0865, 1.1529, 1.0507),
]
data_preprocessor = dict(mean=[73.15835921, 82.90891754, 72.39239876])  # red, green, blue
loss = dict(type="OHEMCrossEntropy", threshold=0.7, least=1 / 16)
optim_wrapper = dict(optimizer=dict(_delete_=True, type="SGD", lr=4.5e-2, momentum=0.9, weight_decay=1e-4))
