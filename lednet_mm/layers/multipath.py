"""Sums of parallel convolutions, which one convolution replaces in the deployment form."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.layers.building import Config, make_activation, make_norm
from lednet_mm.layers.deployment import affine, deployment_rewrite


class MultiPathConv(nn.Module):
    """A 3x3 convolution as a sum of parallel paths, with activation (RepVGG, arXiv:2101.03697).

    Every path is a row of convolutions and normalisations. In the deployment form, one 3x3 convolution
    computes the sum of all.

    Args:
        in_channels: number of channels of the input.
        out_channels: number of channels of the output.
        stride: stride of the sum.
        paths: rows of layers (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride); the first
            convolution of each is 3x3 or 1x1, and all others are 1x1. Only paths of a single convolution may
            have groups, and then all have as many.
        shortcut: whether the normalised input is another path where input and output have the same shape.
        norm_cfg: mmcv's config of the normalisation of the input; None leaves it out.
        act_cfg: mmcv's config of the activation after the sum; None leaves it out.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        paths: Iterable[nn.Module],
        *,
        shortcut: bool = True,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.paths = nn.ModuleList(paths)
        if shortcut and in_channels == out_channels and stride == 1:
            self.paths.append(make_norm(norm_cfg, in_channels))
        self.act = make_activation(act_cfg, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the activated sum of all paths."""
        first, *others = self.paths
        y = first(x)
        for path in others:
            y = y + path(x)
        return self.act(y)


def path_kernel(path: nn.Module) -> tuple[Tensor | None, Tensor]:
    """Return the 3x3 kernel and the bias of a path in evaluation mode, in float64.

    Args:
        path: a row of convolutions and normalisations as in :class:`MultiPathConv`, or a single one.

    Returns:
        The kernel (out_channels, in_channels, 3, 3) and the bias (out_channels,); the kernel is None, and the
        bias 0, if the path has no layer, that is, if it is the identity.
    """
    kernel, bias = None, torch.zeros(())
    for layer in path.modules():
        if isinstance(layer, nn.Conv2d):
            weight = layer.weight.double()
            own = torch.zeros_like(weight[:, 0, 0, 0]) if layer.bias is None else layer.bias.double()
            if kernel is None:
                kernel, bias = F.pad(weight, [1 - layer.kernel_size[0] // 2] * 4), own
            else:
                kernel = torch.einsum("om,mihw->oihw", weight[:, :, 0, 0], kernel)
                bias = weight[:, :, 0, 0] @ bias + own
        elif isinstance(layer, nn.modules.batchnorm._BatchNorm):
            factor, summand = affine(layer)
            if kernel is None:
                kernel, bias = F.pad(torch.diag(factor)[:, :, None, None], [1] * 4), summand
            else:
                kernel, bias = kernel * factor[:, None, None, None], bias * factor + summand
    return kernel, bias


@deployment_rewrite
@torch.no_grad()
def merge_paths(network: nn.Module) -> None:
    """Replace, in place, the paths of every :class:`MultiPathConv` by one convolution."""
    for block in network.modules():
        if not isinstance(block, MultiPathConv):
            continue
        parts = [path_kernel(path) for path in block.paths]
        kernels = [kernel for kernel, _ in parts if kernel is not None]
        kernel = torch.stack(kernels).sum(dim=0)
        for channel in range(kernel.shape[0]):  # identities
            kernel[channel, channel % kernel.shape[1], 1, 1] += len(parts) - len(kernels)
        outputs, inputs = kernel.shape[:2]
        dtype = next(block.paths.parameters()).dtype
        groups = next(m.groups for m in block.paths.modules() if isinstance(m, nn.Conv2d))
        merged = nn.Conv2d(
            groups * inputs,
            outputs,
            3,
            stride=block.stride,
            padding=1,
            groups=groups,
            device=kernel.device,
        )
        merged.weight = nn.Parameter(kernel.to(dtype), requires_grad=False)
        bias = torch.stack([bias.expand(outputs).to(kernel) for _, bias in parts]).sum(dim=0)
        merged.bias = nn.Parameter(bias.to(dtype), requires_grad=False)
        block.paths = nn.ModuleList([merged])
