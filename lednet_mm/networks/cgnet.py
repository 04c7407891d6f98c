"""Switches for CGNet's blocks, which MMSegmentation's class does not have.

Paper: Wu et al., IEEE TIP 2021, arXiv:1811.08201. CGNet itself is MMSegmentation's ``CGNet``, which equals
its authors' code (github.com/wutianyiRosun/CGNet) with the settings of configs/_base_/networks/cgnet.py.
"""

from __future__ import annotations

from typing import Literal

from mmseg.models.backbones.cgnet import CGNet, ContextGuidedBlock
from mmseg.registry import MODELS
from torch import Tensor, nn

from lednet_mm.cards import Card, Vector

CARD = Card(
    name="cgnet",
    title="CGNet",
    paper="arXiv:1811.08201",
    repository="github.com/wutianyiRosun/CGNet",
    commit="cfccea3",
    vectors={"cgnet": Vector()},
    published=["CGNet"],
    from_mmsegmentation=True,
)


class LocalResidual(nn.Module):
    """A context guided block whose input is added before the global context weighs the channels.

    Shapes: those of the block.
    """

    def __init__(self, block: ContextGuidedBlock) -> None:
        super().__init__()
        self.weigh = block.f_glo
        block.f_glo = nn.Identity()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        return self.weigh(self.block(x))


@MODELS.register_module()
class CGNetSwitches(CGNet):
    """MMSegmentation's ``CGNet`` with parts of its blocks left out or moved.

    Args:
        global_context: whether every block weighs its channels by values computed from their means over the
            whole map.
        residual: where a block adds its input: ``global`` is after the channels are weighed, as in ``CGNet``,
            and ``local`` before it.
        kwargs: further arguments of mmseg's ``CGNet``.

    Raises:
        ValueError: an unknown residual.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 35, H/2, W/2), (N, 131, H/4, W/4), (N, 256, H/8, W/8),
    each rounded up.
    """

    def __init__(
        self, *, global_context: bool = True, residual: Literal["global", "local"] = "global", **kwargs
    ) -> None:
        if residual not in ("global", "local"):
            raise ValueError(f"residual is global or local, not {residual!r}")
        super().__init__(**kwargs)
        for level in (self.level1, self.level2):
            for i, block in enumerate(level):
                if not global_context:
                    block.f_glo = nn.Identity()
                elif residual == "local" and block.skip_connect:
                    level[i] = LocalResidual(block)
