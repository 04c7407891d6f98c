"""STDC: parity with the authors' code, and the loss of details."""

import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch.nn import functional as F

from tests.networks.base import NetworkTest


class TestSTDC1(NetworkTest):
    """As released."""

    vector = "stdc1"
    losses = {"loss_ce", "loss_dice"}


class TestSTDC2(NetworkTest):
    """As released, of more blocks."""

    vector = "stdc2"
    losses = {"loss_ce", "loss_dice"}
    giant = True
    sibling = True


def test_details_that_are_found_cost_less():
    head = TestSTDC1().build().auxiliary_head[2]
    label = torch.zeros(1, 16, 16, dtype=torch.long)
    label[:, :, 8:] = 1
    sample = SegDataSample(gt_sem_seg=PixelData(data=label))
    unsure = head.loss_by_feat(torch.zeros(1, 1, 16, 16), [sample])
    # The Laplacian is positive at the border of the class of the larger number and at the image's, and
    # coarser ones widen it a little.
    right = F.pad(torch.full((1, 1, 14, 6), -3.0), (1, 1, 1, 1), value=3.0)
    right = F.pad(right, (8, 0), value=-3.0)
    found = head.loss_by_feat(right, [sample])
    assert all(found[name] < 0.7 * unsure[name] for name in unsure)
