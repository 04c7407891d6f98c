"""The rules of reference vectors: filling of tensors, names of outputs, tensors with several names."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
import torch
from mmcv.cnn.bricks import DropPath
from torch import nn

from lednet_mm.checkpoints.parity import check_parity, common_outputs, dropout_of, fill, read_vector
from tests.networks.base import DATA


def test_any_other_learned_tensor_is_a_tenth_of_the_normal_values():
    z = np.random.RandomState(zlib.crc32(b"public:gate")).standard_normal((3, 2))
    assert torch.equal(fill("gate", (3, 2), "free", "public"), torch.from_numpy(0.1 * z))


class Head(nn.Module):
    """A head that returns its number everywhere, at half the image's size."""

    align_corners = False

    def __init__(self, number: float) -> None:
        super().__init__()
        self.number = number

    def forward(self, maps):
        return torch.full((1, 1, 4, 4), self.number)


class Model(nn.Module):
    """A model with a main head and two auxiliary ones."""

    def __init__(self) -> None:
        super().__init__()
        self.decode_head = Head(0.0)
        self.auxiliary_head = nn.ModuleList([Head(1.0), Head(2.0)])


NAMES = {
    ("full-resolution logits",): [(0, 8)],
    ("whole forward (resized to 512x1024)",): [(0, 8)],
    ("logits at output resolution 4x4",): [(0, 4)],
    ("training output 0: logits before the final resize", "training output 1: auxiliary logits at 1/8"): [
        (0, 4),
        (1, 4),
    ],
    # PIDNet's order: the main logits stand between the others.
    (
        "output 0: auxiliary logits of the P branch at output resolution 4x4",
        "output 1: main logits at output resolution 4x4",
        "output 2: boundary logits of the D branch at output resolution 4x4",
    ): [(1, 4), (0, 4), (2, 4)],
    (
        "training output 0: full-resolution logits",
        "training output 1: auxiliary logits of the 1/8 context map, upsampled to full resolution",
        "training output 2: detail logits at 1/8 (one channel, not upsampled)",
    ): [(0, 8), (1, 8), (2, 4)],
}


@pytest.mark.parametrize("names", NAMES)
def test_what_outputs_are_called(names):
    image, model = torch.zeros(1, 3, 8, 8), Model()
    values = [function(model, (), image) for function in common_outputs(names)]
    assert [(value.mean().item(), value.shape[2]) for value in values] == NAMES[names]


def test_a_name_of_no_rule_is_not_guessed():
    assert common_outputs(["output 0: score1 (from ASPP 1, upsampled)", "class scores"]) == [None, None]


def test_stochastic_depth_is_stated_with_six_digits():
    assert dropout_of(DropPath(0.1 / 3)) == ("DropPath", 0.0333333)
    assert dropout_of(nn.Dropout2d(0.3)) == ("Dropout2d", 0.3)
    assert dropout_of(nn.Identity()) is None


def test_a_tensor_of_several_names_is_found_under_any_of_them():
    vector = read_vector(DATA / "edanet.json")
    first = vector["state"][0][0]
    renamed = {**vector, "state": [["another.name", *vector["state"][0][1:]], *vector["state"][1:]]}
    assert check_parity(renamed).misses
    # The fill follows the first name, which is another one now: figures differ, but no tensor is missing.
    misses = check_parity({**renamed, "aliases": [[first, "another.name"]]}).misses
    assert not any("nothing in the file" in miss for miss in misses)
