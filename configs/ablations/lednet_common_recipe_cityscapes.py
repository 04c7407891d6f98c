"""What does LEDNet reach on Cityscapes by the recipe that all other networks have?

lednet_cityscapes.py has its authors' recipe: a comparison of networks needs this one.
"""

_base_ = [
    "../_base_/networks/lednet.py",
    "../_base_/datasets/cityscapes_1024x512.py",
    "../_base_/recipes/common_cityscapes.py",
]
variant = "common_recipe"
model = dict(num_classes=_base_.num_classes, class_weight=_base_.class_weight)
model.update(data_preprocessor=_base_.data_preprocessor)
