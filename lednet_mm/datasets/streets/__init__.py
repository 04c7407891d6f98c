"""The generated street scenes: a small set in Cityscapes' layout that any machine makes in seconds.

``artwork`` says what things look like, ``canvas`` draws shapes, ``objects`` and ``surroundings`` compose
them, ``scene`` draws one street, ``generation`` writes the set and ``dataset`` reads it.
"""

from lednet_mm.datasets.streets.dataset import StreetsDataset
from lednet_mm.datasets.streets.generation import generate_streets

__all__ = ["StreetsDataset", "generate_streets"]
