"""LEDNet-MM: an experiment and ablation suite for real-time semantic segmentation on MMSegmentation.

Importing the package does nothing; :mod:`lednet_mm.register` registers its parts in MMSegmentation.
"""

__version__ = "0.1.0"
