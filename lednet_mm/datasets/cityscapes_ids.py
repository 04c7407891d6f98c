"""The numbers of Cityscapes' classes (``helpers/labels.py`` of cityscapesScripts)."""

LABEL_ID_OF_TRAIN_ID = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""The labelId of each train id."""

CATEGORIES = {
    "flat": [0, 1],
    "construction": [2, 3, 4],
    "object": [5, 6, 7],
    "nature": [8, 9],
    "sky": [10],
    "human": [11, 12],
    "vehicle": [13, 14, 15, 16, 17, 18],
}
"""Category -> the train ids of its classes."""
