"""The networks that are MMSegmentation's own: without a vector, everything but parity is checked."""

import pytest

from tests.networks.base import NetworkTest


class TestBiSeNetV1(NetworkTest):
    """As its config in this project has it."""

    network = "bisenetv1"


class TestBiSeNetV2(NetworkTest):
    """As its config in this project has it."""

    network = "bisenetv2"


class TestDDRNet(NetworkTest):
    """As its config in this project has it."""

    network = "ddrnet23_slim"


class TestERFNetOfMMSegmentation(NetworkTest):
    """As its config in this project has it."""

    network = "erfnet_mmseg"


class TestFastSCNNOfMMSegmentation(NetworkTest):
    """As its config in this project has it."""

    network = "fastscnn_mmseg"


class TestICNet(NetworkTest):
    """As its config in this project has it."""

    network = "icnet"


class TestMobileNetV3(NetworkTest):
    """As its config in this project has it."""

    network = "mobilenetv3_lraspp"


class TestPIDNet(NetworkTest):
    """As its config in this project has it."""

    network = "pidnet_s"

    def batch(self, device="cpu"):
        images, samples = super().batch(device)
        for sample in samples:  # labels of noise have an edge at every pixel
            sample.gt_sem_seg.data[..., : self.size[1] // 2] = 0
        return images, samples


class TestSegFormer(NetworkTest):
    """As its config in this project has it."""

    network = "segformer_b0"


class TestSTDC1(NetworkTest):
    """As its config in this project has it."""

    network = "stdc1"


class TestSTDC2(NetworkTest):
    """As its config in this project has it."""

    network = "stdc2"


@pytest.mark.slow
class TestUNet(NetworkTest):
    """As its config in this project has it."""

    network = "unet"
