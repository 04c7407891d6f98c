# Generated street scenes, 19 classes, 256x128: `python tools/prepare_dataset.py streets`.
dataset = "streets"
dataset_type = "StreetsDataset"
data_root = "data/streets"
num_classes = 19
train_images = 200
val_images = 60
iterations = 2000  # length of the common recipe
val_interval = 250
crop_size = (128, 256)  # height, width

# 1 / ln(1.02 + p), where p is each class's share of the labelled pixels in the default train split.
class_weight = [
    *(3.3868, 14.7957, 5.7428, 31.2046, 36.5734, 28.3056, 43.9224, 42.5256, 9.5837, 27.0852),
    *(6.9254, 31.8782, 43.1056, 13.3446, 16.0951, 21.9845, 23.8054, 46.472, 46.0805),
]
# 1 / ln(1.2 + p), as LEDNet's authors weigh classes when they train the encoder alone.
encoder_weight = [
    *(2.3753, 4.4826, 3.175, 5.1884, 5.2985, 5.1142, 5.41, 5.3915, 3.9273, 5.079),
    *(3.458, 5.2039, 5.3993, 4.3596, 4.5785, 4.8973, 4.9695, 5.4413, 5.4367),
]
# The median of the classes' frequencies divided by a class's own (Eigen and Fergus, 2015).
median_weight = [
    *(0.05444, 0.3528, 0.1035, 1.149, 1.699, 1.103, 4.797, 4.318, 0.1947, 1.0),
    *(0.1301, 1.38, 2.588, 0.2894, 0.2298, 0.2554, 0.1307, 3.418, 3.045),
]

train_pipeline = [
    dict(type="SeedAugmentation"),
    dict(type="LoadImage"),
    dict(type="LoadLabels"),
    dict(type="RandomResize", scale=(256, 128), ratio_range=(0.75, 1.5), keep_ratio=True),
    dict(type="Pad", size=(256, 128), pad_val=dict(img=0, seg=255)),  # images that were scaled down
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
test_dataloader = val_dataloader  # there is no third split

val_evaluator = dict(type="ConfusionMatrixMetric")
test_evaluator = val_evaluator
