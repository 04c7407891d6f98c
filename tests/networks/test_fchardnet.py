"""FC-HarDNet: parity with the authors' code, and which layers a layer takes."""

from lednet_mm.networks.fchardnet import harmonic_layers
from tests.networks.base import NetworkTest


class TestFCHarDNet70(NetworkTest):
    """As released."""

    vector = "fchardnet70"


def test_a_layer_takes_those_at_distances_of_powers_of_two_that_divide_its_index():
    links, widths = harmonic_layers(48, 10, 8, 1.7)
    assert links == [[0], [1, 0], [2], [3, 2, 0], [4], [5, 4], [6], [7, 6, 4, 0]]
    assert widths == [48, 10, 18, 10, 28, 10, 18, 10, 50]
