"""Rewrite LEDNet's encoder for inference: remove the splits, concatenations and shuffles of its blocks.

A split-shuffle block splits its map into halves, convolves each in a branch, concatenates the results, adds
the map and shuffles the channels. Splitting, concatenating and shuffling copy memory and compute nothing.
Here the two halves stay two tensors, so that convolution, sum and activation follow each other directly, and
the shuffle only decides which channels make up the two halves of the next block. Channels stay where they are
in memory as far as possible: the weights of the first and the last convolution of each branch are permuted to
that order, so that the residual sum adds maps of the same order.
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
"""Concatenate a half from at most this many slices; beyond that, gather its channels by index."""


def permuted(
    convolution: nn.Conv2d, outputs: Sequence[int] | None, inputs: Sequence[int] | None
) -> nn.Conv2d:
    """Return a copy of an ungrouped convolution with its channels selected and permuted.

    Args:
        convolution: the convolution to permute, which is not changed.
        outputs: for each output channel of the result, its index among the convolution's output channels;
            None keeps all in order.
        inputs: for each input channel of the result, its index among the convolution's input channels; None
            keeps all in order.
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
    """Return an activation for the given channels of a map; a PReLU gets the slopes of these channels."""
    if isinstance(activation, nn.PReLU) and activation.num_parameters > 1:
        other = nn.PReLU(len(channels), device="meta")
        other.weight = nn.Parameter(activation.weight[list(channels)].clone(), requires_grad=False)
        return other
    if isinstance(activation, nn.ReLU):
        # In place, because nothing else uses the result of the convolution or sum before the activation.
        return nn.ReLU(inplace=True)
    return activation


class Branch(nn.Sequential):
    """A branch whose input and output channels are permuted; its normalisation is already folded."""

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
    """A split-shuffle block on two tensors, each half in its own channel order, without the shuffle.

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
        """Return the two halves of the block's output before the shuffle."""
        return self.left_act(self.left(left).add_(left)), self.right_act(self.right(right).add_(right))


class Exchange(nn.Module):
    """Select the channels of the next block's two halves from those of the previous block (the shuffle).

    Args:
        before: channel indices of the previous block's two output halves, in memory order.
        after: channel indices of the next block's two input halves, in memory order.
        device: device that the maps are on.

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
    """Merge consecutive places (half, channel) into slices (half, first channel, last channel + 1)."""
    pieces: list[tuple[int, int, int]] = []
    for half, i in places:
        if pieces and pieces[-1][0] == half and pieces[-1][2] == i:
            pieces[-1] = (half, pieces[-1][1], i + 1)
        else:
            pieces.append((half, i, i + 1))
    return pieces


class MaxPool(nn.Module):
    """2x2 max pooling computed as maxima over rows and then over columns.

    Engines convert a map to a layout of 8 or 16 channels before they pool it, which is slow for the 3
    channels of an image.

    Shapes: (N, C, H, W) -> (N, C, H/2, W/2), rounded down.
    """

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2] // 2 * 2, x.shape[3] // 2 * 2
        rows = torch.maximum(x[:, :, 0:height:2, :width], x[:, :, 1:height:2, :width])
        return torch.maximum(rows[..., 0::2], rows[..., 1::2])


class Downsample(nn.Module):
    """The downsampling block with its output in two halves and its normalisation folded.

    Args:
        block: LEDNet's block, at least half of whose output channels come from the convolution.
        inputs: for each channel of the map here, its index among the block's input channels.
        left: for each channel of the left half, its index among the block's output channels.
        right: the same for the right half; channels that the convolution makes come first.

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
        left = self.left(x)
        pooled = pad_like(self.pool(x), left)
        if self.order is not None:
            pooled = pooled.index_select(1, self.order)
        pooled = torch.addcmul(self.summand, pooled, self.factor)
        right = pooled if self.right is None else torch.cat([self.right(x), pooled], dim=1)
        return self.left_act(left), self.right_act(right)


def scale_part(convolution: nn.Conv2d, norm: nn.BatchNorm2d, channels: Sequence[int]) -> None:
    """Fold the part of a normalisation that concerns some channels into the convolution that makes them."""
    factor, summand = affine(norm)
    scale_outputs(convolution, factor[list(channels)], summand[list(channels)])


class Stage(nn.Module):
    """A stage of LEDNet whose blocks work on two halves.

    Args:
        stage: the stage of LEDNet to convert.
        inputs: for each input channel here, its index among the input channels of LEDNet's stage.

    Attributes:
        outputs: for each output channel here, its index among the output channels of LEDNet's stage.

    Shapes: map (N, C, H, W) -> map (N, C', H/2, W/2), rounded up.
    """

    def __init__(self, stage: nn.Sequential, inputs: Sequence[int]) -> None:
        super().__init__()
        layers: list[Any] = list(stage)
        down, blocks = layers[0], layers[1:]
        half = blocks[0].left.conv1.in_channels
        channels = 2 * half
        # positions[k][c]: the index in block k's input of what is channel c of the first block's input.
        positions = [list(range(channels))]
        for block in blocks:
            p = positions[-1]
            positions.append([2 * i if i < half else 2 * (i - half) + 1 for i in p] if block.shuffle else p)

        def halves(k: int) -> list[bool]:
            return [position < half for position in positions[k]]

        def order(half_of: Sequence[int], k: int) -> list[int]:
            """Sort a half's channels in block k so that channels that share later halves are adjacent."""
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
                if exchange.gathers:  # a gather is free to choose the order that needs few slices later
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
    """LEDNet's encoder on halves, which returns only the deepest map, as the head needs no other.

    Attributes:
        order: for each channel of the map here, its index among the channels of LEDNet's deepest map.

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
        """Return the deepest map at its index in LEDNet's outputs, and None for the others."""
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
    """Replace LEDNet's encoder in place where the network's head uses only the deepest map.

    The weights of the head's first convolutions are permuted to the new channel order.
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
