"""The generated street scenes: a small dataset in Cityscapes' layout, made in seconds on any machine.

``artwork`` defines what things look like, ``canvas`` draws shapes, ``objects`` and ``surroundings`` compose
them, ``scene`` draws one street, ``generation`` writes the dataset and ``dataset`` reads it.
"""

from lednet_mm.datasets.streets.dataset import StreetsDataset
from lednet_mm.datasets.streets.generation import generate_streets

__all__ = ["StreetsDataset", "generate_streets"]
