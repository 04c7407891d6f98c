"""Parameters and multiply-adds of a network.

Parameters are the trainable ones; a shared parameter counts once. They are counted for inference (without
auxiliary heads) and for training. Multiply-adds (MACs; 1 MAC is 2 FLOPs) are fvcore's total, as in
MMSegmentation's own tool, and include the final upsampling to the input's size if there is one. The counts of
other counters stand beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from mmengine.config import Config
from torch import nn

from lednet_mm.config import config_text, run_of
from lednet_mm.counting.counters import count_operators
from lednet_mm.counting.counts import HEADLINE, Counts
from lednet_mm.deployment.inference import REFUSALS, Inference, build_network, input_channels
from lednet_mm.errors import InputError, describe_error
from lednet_mm.records import Record, collect_provenance, new_record


@dataclass(frozen=True)
class Complexity:
    """Parameters and multiply-adds of a network.

    Attributes:
        params: number of trainable values in inference.
        params_train: number of trainable values in training, with auxiliary heads.
        counts: multiply-adds of one image by every counter.
        shape: (height, width) of the image.
        channels: number of channels of the image.
    """

    params: int
    params_train: int
    counts: Counts
    shape: tuple[int, int]
    channels: int

    @property
    def macs(self) -> int:
        """Multiply-adds of one image by fvcore."""
        return self.counts.total(HEADLINE)

    def values(self) -> dict[str, int]:
        """Return the values of a complexity record."""
        return {"params": self.params, "params_train": self.params_train, "macs": self.macs}

    def details(self) -> dict[str, Any]:
        """Return the details of a complexity record."""
        return {
            "shape": list(self.shape),
            "channels": self.channels,
            "counters": self.counts.counters,
            "missed": self.counts.missed,
            "failed": self.counts.failed,
        }


def trainable_parameters(module: nn.Module) -> int:
    """Count trainable values; shared ones count once."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def count_complexity(config: Config, shape: tuple[int, int] = (512, 1024)) -> Complexity:
    """Count the parameters and multiply-adds of a config's network.

    Args:
        config: config of the network.
        shape: (height, width) of the image that the network runs on.

    Raises:
        InputError: the network cannot be built, or does not accept this shape.
    """
    model = build_network(config)
    params_train = trainable_parameters(model)
    network = Inference(model)
    params, channels = trainable_parameters(network), input_channels(network)
    try:
        counts = count_operators(network, torch.zeros(1, channels, *shape))
    except REFUSALS as error:
        size = f"{channels}x{shape[0]}x{shape[1]}"
        raise InputError(
            f"{config.filename}: it accepts no images of {size}: {describe_error(error)}"
        ) from error
    return Complexity(params, params_train, counts, shape, channels)


def complexity_record(config: Config, counted: Complexity) -> Record:
    """Return the complexity record of a config's network."""
    return new_record(
        "complexity",
        run_of(config),
        config_text(config),
        counted.values(),
        counted.details(),
        collect_provenance(),
    )
