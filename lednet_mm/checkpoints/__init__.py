"""Authors' networks and checkpoints: name tables, parity with their code, safe loading."""

from lednet_mm.checkpoints import loaders
from lednet_mm.checkpoints.authors import NETWORKS, authors_network, config_name, known_as

__all__ = ["NETWORKS", "authors_network", "config_name", "known_as", "loaders"]
