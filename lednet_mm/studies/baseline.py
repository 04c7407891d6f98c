"""The baseline of a comparison, as study files, ``study.json`` and the command line name it."""

from __future__ import annotations

from lednet_mm.record_format import Name, Part, Variant
from lednet_mm.text import DEFAULT


class Baseline(Part):
    """The network and variant with which every run on the same dataset and seed is compared.

    Attributes:
        network: name of the network; None means the network of the run itself.
        variant: name of the network's variant.
    """

    network: Name | None = None
    variant: Variant = DEFAULT

    @classmethod
    def parse(cls, text: str) -> Baseline:
        """Read ``NETWORK`` or ``NETWORK:VARIANT``.

        Raises:
            pydantic.ValidationError: one of them cannot be a name.
        """
        network, _, variant = text.partition(":")
        return cls(network=network, variant=variant or DEFAULT)
