"""Datasets, loading transforms and samplers that MMSegmentation lacks; importing registers them."""

from lednet_mm.datasets import reproducible as reproducible
from lednet_mm.datasets.camvid import CamVidDataset
from lednet_mm.datasets.cityscapes import Cityscapes
from lednet_mm.datasets.loading import LoadImage, LoadLabels, RandomTranslate
from lednet_mm.datasets.streets import StreetsDataset

__all__ = [
    "CamVidDataset",
    "Cityscapes",
    "LoadImage",
    "LoadLabels",
    "RandomTranslate",
    "StreetsDataset",
]
