# CamVid, 11 classes, SegNet's split, 480x360.
dataset = "camvid"
dataset_type = "CamVidDataset"
data_root = "data/camvid"
num_classes = 11
train_images = 367
val_images = 101
iterations = 10000  # length of the common recipe
val_interval = 500
crop_size = (360, 480)  # height, width

# 1 / ln(1.02 + p), where p is each class's share of the labelled pixels in the train split.
class_weight = [5.6035, 4.2953, 33.5736, 3.3355, 15.4856, 8.7387, 31.542, 32.012, 12.8288, 38.0141, 43.9074]
# 1 / ln(1.2 + p), as LEDNet's authors weigh classes when they train the encoder alone.
encoder_weight = [3.1375, 2.7312, 5.2407, 2.3529, 4.535, 3.7977, 5.1962, 5.207, 4.3111, 5.3233, 5.4098]
# The median of the classes' frequencies divided by a class's own (Eigen and Fergus, 2015).
median_weight = [0.2794, 0.2018, 4.789, 0.1491, 1.0, 0.4235, 3.846, 1.98, 0.789, 6.385, 8.819]

train_pipeline = [
    dict(type="SeedAugmentation"),
    dict(type="LoadImage"),
    dict(type="LoadLabels"),
    dict(type="RandomResize", scale=(480, 360), ratio_range=(0.75, 2.0), keep_ratio=True),
    dict(type="Pad", size=(480, 360), pad_val=dict(img=0, seg=255)),  # images that were scaled down
    dict(type="RandomCrop", crop_size=crop_size),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImage"),
    dict(type="LoadLabels"),
    dict(type="PackSegInputs"),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="ReproducibleSampler"),
    dataset=dict(type=dataset_type, data_root=data_root, split="train", pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(type=dataset_type, data_root=data_root, split="val", pipeline=test_pipeline),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(type=dataset_type, data_root=data_root, split="test", pipeline=test_pipeline),
)
val_evaluator = dict(type="ConfusionMatrixMetric")
test_evaluator = val_evaluator
