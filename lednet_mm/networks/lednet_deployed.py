"""LEDNet's encoder without what moves memory and computes nothing.

A split-shuffle block splits its map into halves, joins what its two branches make of them, adds the map and
shuffles the channels. Here the two halves stay two tensors, so that convolution, sum and activation stand
next to each other and nothing is joined in between; the shuffle only says which channels the two halves of
the next block are. A channel keeps its place in memory wherever it can: the first and the last convolution of
each branch have their weights in that order, and the sum goes from the same place to the same place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lednet_mm.layers import ConvPoolDownsample, pad_like
from lednet_mm.layers.deployment import affine, deployment_rewrite, replace_modules, scale_outputs
from lednet_mm.networks.lednet import APNHead, FactorizedBranch, LEDNet, SplitShuffleBlock
from lednet_mm.upstream.pytorch import BATCH_NORMS

LONGEST_JOIN = 8
"""Pieces that a half is joined of at most; of more, its channels are gathered one by one."""


def permuted(
    convolution: nn.Conv2d, outputs: Sequence[int] | None, inputs: Sequence[int] | None
) -> nn.Conv2d:
    """Return a convolution (without groups) with some of its channels, in another order.

    Args:
        convolution: stays as it is.
        outputs: channel of it that each output channel is; None leaves all as they are.
        inputs: channel of it that each input channel is.
    """
    weight, bias = convolution.weight, convolution.bias
    if outputs is not None:
        weight = weight[list(outputs)]
        bias = None if bias is None else bias[list(outputs)]
    if inputs is not None:
        weight = weight[:, list(inputs)]
    other = nn.Conv2d(
        weight.shape[1],
        weight.shape[0],
        convolution.kernel_size,  # type: ignore[arg-type]
        convolution.stride,  # type: ignore[arg-type]
        convolution.padding,  # type: ignore[arg-type]
        convolution.dilation,  # type: ignore[arg-type]
        bias=bias is not None,
        device="meta",
    )
    other.weight = nn.Parameter(weight.clone(), requires_grad=False)
    if bias is not None:
        other.bias = nn.Parameter(bias.clone(), requires_grad=False)
    return other.eval()


def permuted_activation(activation: nn.Module, channels: Sequence[int]) -> nn.Module:
    """Return an activation for a map of some channels; one with a slope a channel gets theirs."""
    if isinstance(activation, nn.PReLU) and activation.num_parameters > 1:
        other = nn.PReLU(len(channels), device="meta")
        other.weight = nn.Parameter(activation.weight[list(channels)].clone(), requires_grad=False)
        return other
    if isinstance(activation, nn.ReLU):
        return nn.ReLU(inplace=True)  # of a convolution's or a sum's result, which nothing else uses
    return activation


class Branch(nn.Sequential):
    """A branch that takes and gives its channels in another order; its normalisation is folded."""

    def __init__(self, branch: FactorizedBranch, order: Sequence[int]) -> None:
        every = range(branch.conv1.out_channels)
        super().__init__(
            permuted(branch.conv1, None, order),
            permuted_activation(branch.act1, every),
            branch.conv2,
            branch.norm1,
            permuted_activation(branch.act2, every),
            branch.conv3,
            permuted_activation(branch.act3, every),
            permuted(branch.conv4, order, None),
        )


class Block(nn.Module):
    """A split-shuffle block on two halves, each in an order of its own; the shuffle is left to what follows.

    Shapes: two maps (N, C/2, H, W) -> two maps (N, C/2, H, W).
    """

    def __init__(self, block: SplitShuffleBlock, left: Sequence[int], right: Sequence[int]) -> None:
        super().__init__()
        half = len(left)
        self.left = Branch(block.left, left)
        self.right = Branch(block.right, [p - half for p in right])
        self.left_act = permuted_activation(block.act, left)
        self.right_act = permuted_activation(block.act, right)

    def forward(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        """Return the two halves of the sum, activated."""
        return self.left_act(self.left(left).add_(left)), self.right_act(self.right(right).add_(right))


class Exchange(nn.Module):
    """Makes the halves of the next block from those of the last one.

    Args:
        before: channels of the last block's two halves, as they lie in memory.
        after: the same for the next block.
        device: where the maps are.

    Shapes: two maps (N, C/2, H, W) -> two maps (N, C/2, H, W).
    """

    left: Tensor
    right: Tensor

    def __init__(
        self,
        before: tuple[list[int], list[int]],
        after: tuple[list[int], list[int]],
        device: torch.device,
    ) -> None:
        super().__init__()
        place = {channel: (half, i) for half in (0, 1) for i, channel in enumerate(before[half])}
        self.pieces = [runs([place[channel] for channel in half]) for half in after]
        joined = before[0] + before[1]
        self.gathers = max(map(len, self.pieces)) > LONGEST_JOIN
        for half, name in zip(after, ("left", "right"), strict=True):
            index = torch.tensor([joined.index(channel) for channel in half], device=device)
            self.register_buffer(name, index if self.gathers else None, persistent=False)

    def forward(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        """Return the halves of the next block."""
        if self.gathers:
            both = torch.cat([left, right], dim=1)
            return both.index_select(1, self.left), both.index_select(1, self.right)
        halves = (left, right)
        first, second = (
            torch.cat([halves[half][:, start:stop] for half, start, stop in pieces], dim=1)
            for pieces in self.pieces
        )
        return first, second


def runs(places: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Join neighbouring places (half, channel) into pieces (half, first channel, channel after the last)."""
    pieces: list[tuple[int, int, int]] = []
    for half, i in places:
        if pieces and pieces[-1][0] == half and pieces[-1][2] == i:
            pieces[-1] = (half, pieces[-1][1], i + 1)
        else:
            pieces.append((half, i, i + 1))
    return pieces


class MaxPool(nn.Module):
    """2x2 max pooling as maxima of rows and columns.

    Engines lay maps out for 8 or 16 channels before they pool them, which costs more for an image's 3.

    Shapes: (N, C, H, W) -> (N, C, H/2, W/2), rounded down.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the pooled map."""
        height, width = x.shape[2] // 2 * 2, x.shape[3] // 2 * 2
        rows = torch.maximum(x[:, :, 0:height:2, :width], x[:, :, 1:height:2, :width])
        return torch.maximum(rows[..., 0::2], rows[..., 1::2])


class Downsample(nn.Module):
    """The block that halves the resolution, from a map to two halves; its normalisation is folded.

    Args:
        block: LEDNet's own, with at least half of its channels from the convolution.
        inputs: channel of its input that each input channel is.
        left: channel of its output that each channel of the left half is.
        right: the same for the right half, those of the convolution first.

    Shapes: map (N, C, H, W) -> two maps of half the channels each, (H/2, W/2) rounded up.
    """

    order: Tensor | None
    factor: Tensor
    summand: Tensor

    def __init__(
        self, block: ConvPoolDownsample, inputs: Sequence[int], left: Sequence[int], right: Sequence[int]
    ) -> None:
        super().__init__()
        made = block.conv.out_channels
        self.left = permuted(block.conv, left, inputs)
        convolved, pooled = [c for c in right if c < made], [c for c in right if c >= made]
        self.right = permuted(block.conv, convolved, inputs) if convolved else None
        self.pool = MaxPool() if len(inputs) < 8 else block.pool
        place = {channel: i for i, channel in enumerate(inputs)}
        index = [place[c - made] for c in pooled]
        weight = block.conv.weight
        order = None if index == sorted(index) else torch.tensor(index, device=weight.device)
        self.register_buffer("order", order, persistent=False)
        factor, summand = weight.new_ones(len(pooled)), weight.new_zeros(len(pooled))
        if isinstance(block.norm, nn.BatchNorm2d):
            factor, summand = (values[pooled] for values in affine(block.norm))
            scale_part(self.left, block.norm, left)
            if self.right is not None:
                scale_part(self.right, block.norm, convolved)
        self.register_buffer("factor", factor.to(weight.dtype)[:, None, None], persistent=False)
        self.register_buffer("summand", summand.to(weight.dtype)[:, None, None], persistent=False)
        self.left_act = permuted_activation(block.act, left)
        self.right_act = permuted_activation(block.act, right)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the two halves."""
        left = self.left(x)
        pooled = pad_like(self.pool(x), left)
        if self.order is not None:
            pooled = pooled.index_select(1, self.order)
        pooled = torch.addcmul(self.summand, pooled, self.factor)
        right = pooled if self.right is None else torch.cat([self.right(x), pooled], dim=1)
        return self.left_act(left), self.right_act(right)


def scale_part(convolution: nn.Conv2d, norm: nn.BatchNorm2d, channels: Sequence[int]) -> None:
    """Fold a normalisation's values of some channels into the convolution that makes them."""
    factor, summand = affine(norm)
    scale_outputs(convolution, factor[list(channels)], summand[list(channels)])


class Stage(nn.Module):
    """A stage of LEDNet on halves.

    Args:
        stage: LEDNet's own.
        inputs: channel of its input map that each input channel is.

    Attributes:
        outputs: channel of its output map that each output channel is.

    Shapes: map (N, C, H, W) -> map (N, C', H/2, W/2), rounded up.
    """

    def __init__(self, stage: nn.Sequential, inputs: Sequence[int]) -> None:
        super().__init__()
        layers: list[Any] = list(stage)
        down, blocks = layers[0], layers[1:]
        half = blocks[0].left.conv1.in_channels
        channels = 2 * half
        # positions[k][c]: where channel c of the first block's input is in the input of block k.
        positions = [list(range(channels))]
        for block in blocks:
            p = positions[-1]
            positions.append([2 * i if i < half else 2 * (i - half) + 1 for i in p] if block.shuffle else p)

        def halves(k: int) -> list[bool]:
            return [position < half for position in positions[k]]

        def order(half_of: Sequence[int], k: int) -> list[int]:
            """Sort channels of a half in block k by the halves that they are in later."""
            later = [halves(j) for j in range(k + 1, len(blocks))]
            return sorted(half_of, key=lambda c: [not in_left[c] for in_left in later])

        made, device = down.conv.out_channels, down.conv.weight.device
        left = order(range(half), 0)
        right = order(range(half, made), 0) + order(range(made, channels), 0)
        self.down = Downsample(down, inputs, left, right)
        self.blocks = nn.ModuleList()
        self.exchanges = nn.ModuleList()
        for k, block in enumerate(blocks):
            if k:
                before = left, right
                goes_left = halves(k)
                left = [c for c in before[0] + before[1] if goes_left[c]]
                right = [c for c in before[0] + before[1] if not goes_left[c]]
                exchange = Exchange(before, (left, right), device)
                if exchange.gathers:  # then into the order that keeps the later ones simple
                    left, right = order(left, k), order(right, k)
                    exchange = Exchange(before, (left, right), device)
                self.exchanges.append(exchange)
            p = positions[k]
            self.blocks.append(Block(block, [p[c] for c in left], [p[c] for c in right]))
        self.outputs = [positions[-1][c] for c in left + right]

    def forward(self, x: Tensor) -> Tensor:
        """Return the stage's map, its channels in the order ``outputs``."""
        left, right = self.down(x)
        left, right = self.blocks[0](left, right)
        for exchange, block in zip(self.exchanges, self.blocks[1:], strict=True):
            left, right = block(*exchange(left, right))
        return torch.cat([left, right], dim=1)


class Encoder(nn.Module):
    """LEDNet's encoder on halves, as the whole of what its head needs.

    Attributes:
        order: channel of LEDNet's deepest map that each channel of the map is.

    Shapes: image (N, C, H, W) -> (None, None, map (N, 128, H/8, W/8)), rounded up.
    """

    def __init__(self, encoder: LEDNet) -> None:
        super().__init__()
        stages: list[Any] = list(encoder.stages)
        self.order: list[int] = list(range(stages[0][0].conv.in_channels))
        self.stages = nn.ModuleList()
        for stage in stages:
            deployed = Stage(stage, self.order)
            self.stages.append(deployed)
            self.order = deployed.outputs

    def forward(self, x: Tensor) -> tuple[Tensor | None, ...]:
        """Return the deepest map, at the place where LEDNet has it."""
        for stage in self.stages:
            x = stage(x)
        return (*[None] * (len(self.stages) - 1), x)


def _suits(encoder: LEDNet) -> bool:
    def simple(activation: nn.Module) -> bool:
        return isinstance(activation, (nn.ReLU, nn.PReLU, nn.Identity))

    stages: list[Any] = list(encoder.stages)
    return all(
        isinstance(block, SplitShuffleBlock)
        and block.split
        and simple(block.act)
        and not any(isinstance(m, BATCH_NORMS) for m in block.modules())
        for stage in stages
        for block in stage[1:]
    ) and all(
        len(stage) > 1 and stage[0].conv.out_channels >= stage[1].left.conv1.in_channels for stage in stages
    )


@deployment_rewrite
def deploy_lednet(network: nn.Module) -> None:
    """Replace LEDNet's encoder in a network, in place, where its head takes the deepest map alone.

    The head's convolutions take the channels in the order in which they lie.
    """
    for model in list(network.modules()):
        encoder, head = getattr(model, "backbone", None), getattr(model, "decode_head", None)
        if type(encoder) is not LEDNet or type(head) is not APNHead or getattr(model, "neck", None):
            continue
        deepest = (-1, len(encoder.stages) - 1)
        if not _suits(encoder) or head.in_index not in deepest or head.input_transform is not None:
            continue
        replacement = Encoder(encoder)
        first: list[Any] = []
        for name in ("down1", "middle", "pooled") if head.attention_pyramid else ("conv_seg",):
            module = getattr(head, name)
            if module is not None:
                first.append(next(m for m in module.modules() if isinstance(m, nn.Conv2d)))
        replace_modules(head, {c: permuted(c, None, replacement.order) for c in first})
        model.backbone = replacement
