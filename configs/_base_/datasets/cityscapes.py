# Cityscapes with train ids. Images are resized from 2048x1024 to 1024x512 as LEDNet's authors do; predictions
# are evaluated at the labels' own size.
dataset = "cityscapes"
dataset_type = "Cityscapes"
data_root = "data/cityscapes"
num_classes = 19
train_images = 2975
val_images = 500
iterations = 80000  # length of the common recipe
val_interval = 4000
crop_size = (512, 1024)  # height, width; nothing is cropped, so the network gets this size

# The class weights of the authors' decoder stage (github.com/xiaoyufenfei/LEDNet, train/main.py).
class_weight = [
    *(2.8149, 6.9850, 3.7890, 9.9428, 9.7702, 9.5111, 10.3114, 10.0265, 4.6323, 9.5608),
    *(7.8698, 9.5169, 10.3737, 6.6616, 10.2605, 10.2879, 10.2898, 10.4054, 10.1381),
]
# Their weights of their encoder stage.
encoder_weight = [
    *(2.3654, 4.4238, 2.9691, 5.3442, 5.2984, 5.2275, 5.4394, 5.3660, 3.4170, 5.2415),
    *(4.7376, 5.2286, 5.4551, 4.3019, 5.4264, 5.4332, 5.4338, 5.4631, 5.3947),
]
# LightNet's authors' weights by median frequency (github.com/linksense/LightNet, scripts/train_mobile.py).
median_weight = [
    *(0.05570516, 0.32337477, 0.08998544, 1.03602707, 1.03413147, 1.68195437, 5.58540548, 3.56563995),
    *(0.12704978, 1.0, 0.46783719, 1.34551528, 5.29974114, 0.28342531, 0.9396095, 0.81551811, 0.42679146),
    *(3.6399074, 2.78376194),
]

train_pipeline = [
    dict(type="SeedAugmentation"),
    dict(type="LoadImage"),
    dict(type="LoadLabels"),
    dict(type="Resize", scale=(1024, 512), keep_ratio=False),
    dict(type="RandomFlip", prob=0.5),
    dict(type="RandomTranslate", max_shift=2),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImage"),
    dict(type="Resize", scale=(1024, 512), keep_ratio=False),
    dict(type="LoadLabels"),  # after Resize, so that labels keep their size for evaluation
    dict(type="PackSegInputs"),
]
train_dataloader = dict(
    batch_size=5,
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
test_dataloader = val_dataloader  # the labels of the test split are not public

val_evaluator = dict(type="ConfusionMatrixMetric")
test_evaluator = val_evaluator
