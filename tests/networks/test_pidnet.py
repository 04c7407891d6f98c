"""PIDNet: parity with the authors' code, and edges that are those that mmseg's pipeline would give."""

import numpy as np
import pytest
import torch
from mmseg.datasets.transforms import GenerateEdge

from lednet_mm.networks.pidnet import label_edges
from tests.networks.base import NetworkTest


class TestPIDNetS(NetworkTest):
    """As released."""

    vector = "pidnet_s"
    narrow = {
        "model.backbone.channels": 16,
        "model.decode_head.in_channels": 64,
        "model.decode_head.channels": 32,
    }
    losses = {"loss_sem_p", "loss_sem_i", "loss_bd", "loss_sem_bd"}
    kept_norms = 8

    def batch(self, device="cpu"):
        images, samples = super().batch(device)
        for sample in samples:  # labels of noise have an edge at every pixel
            sample.gt_sem_seg.data[..., : self.size[1] // 2] = 0
        return images, samples


class TestPIDNetM(TestPIDNetS):
    """As released, of twice as many channels."""

    vector = "pidnet_m"
    giant = True
    sibling = True


class TestPIDNetL(TestPIDNetM):
    """As released, of more blocks and with other fusions."""

    vector = "pidnet_l"
    kept_norms = 12


@pytest.mark.parametrize("width", [3, 4])
def test_edges_are_those_of_the_pipeline(width):
    generator = np.random.default_rng(0)
    blocks = generator.choice([0, 1, 2, 255], (2, 5, 7)).astype(np.uint8)
    labels = blocks.repeat(9, axis=1).repeat(8, axis=2)
    labels[0, 3, 5] = 7  # an area of one pixel
    edges = label_edges(torch.from_numpy(labels[:, None]).long(), width)
    for label, found in zip(labels, edges, strict=True):
        results = {"img_shape": label.shape, "gt_seg_map": label}
        expected = GenerateEdge(edge_width=width).transform(results)["gt_edge_map"]
        assert 0 < expected.mean() < 1
        assert np.array_equal(found[0].numpy(), expected)


def test_areas_without_labels_have_no_edge():
    labels = torch.zeros(1, 1, 8, 8, dtype=torch.long)
    labels[..., 4:] = 255
    assert not label_edges(labels, 4).any()
