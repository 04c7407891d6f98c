"""The networks: one file each, backbone and head, registered in MMSegmentation's ``MODELS``."""

from lednet_mm.networks import lednet
from lednet_mm.networks.segmentor import Segmentor

__all__ = ["Segmentor", "lednet"]
