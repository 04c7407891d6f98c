"""Authors' networks and checkpoints: name tables, parity with their code, safe loading."""

from lednet_mm.checkpoints import (
    adscnet,
    aglnet,
    canet,
    cfpnet,
    cgnet,
    contextnet,
    dabnet,
    dfanet,
    edanet,
    enet,
    erfnet,
    esnet,
    espnet,
    espnetv2,
    fanet,
    farseenet,
    fddwnet,
    fpenet,
    fssnet,
    lednet,
    lednet_classifier,
    linknet,
    lite_hrnet,
    liteseg,
    mininet,
    mininetv2,
    mixscaledensenet,
    mobilenetv2plus,
    pp_liteseg,
    regseg,
    sedpshufflenet,
    segnet,
    sewrnetv2,
    shelfnet,
    shufflenetv2plus,
    sqnet,
    swiftnet,
)
from lednet_mm.checkpoints.names import AuthorsNetwork, convert_state
from lednet_mm.errors import InputError

NETWORKS: dict[str, AuthorsNetwork] = {}
for _module in (
    adscnet,
    aglnet,
    canet,
    cfpnet,
    cgnet,
    contextnet,
    dabnet,
    dfanet,
    edanet,
    enet,
    erfnet,
    esnet,
    espnet,
    espnetv2,
    fanet,
    farseenet,
    fddwnet,
    fpenet,
    fssnet,
    lednet,
    lednet_classifier,
    linknet,
    lite_hrnet,
    liteseg,
    mininet,
    mininetv2,
    mixscaledensenet,
    mobilenetv2plus,
    pp_liteseg,
    regseg,
    sedpshufflenet,
    segnet,
    sewrnetv2,
    shelfnet,
    shufflenetv2plus,
    sqnet,
    swiftnet,
):
    NETWORKS.update(_module.NETWORKS)


def authors_network(name: str) -> AuthorsNetwork:
    """Return the table of an authors' network.

    Args:
        name: as in the reference vectors, for example ``lednet_official``.

    Raises:
        InputError: no such network.
    """
    if name not in NETWORKS:
        raise InputError(f"unknown network {name!r}; known are: {', '.join(sorted(NETWORKS))}")
    return NETWORKS[name]


__all__ = ["NETWORKS", "AuthorsNetwork", "authors_network", "convert_state"]
