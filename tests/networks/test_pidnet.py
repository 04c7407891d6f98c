"""PIDNet: its head finds the edges that mmseg's pipeline would give it."""

import numpy as np
import pytest
import torch
from mmseg.datasets.transforms import GenerateEdge

from lednet_mm.networks.pidnet import label_edges


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
