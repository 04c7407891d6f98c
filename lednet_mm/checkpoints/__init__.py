"""Authors' networks and checkpoints: name tables, parity with their code, safe loading."""

from lednet_mm.checkpoints.authors import NETWORKS, authors_network

def known_as(model: Mapping, network: str) -> str | None:
    """Return the name in the reference vectors of a config's model; None if it is none of them.

    Two models are the same network if backbone, neck and head are built with the same arguments; heads that
    only train, losses and what depends on the data do not matter.

    Args:
        model: ``model`` of a config.
        network: the config's own name for it, which decides between tables of one network.
    """

    def built(model: Mapping) -> dict:
        parts = {key: model.get(key) for key in ("backbone", "neck", "decode_head")}
        head = dict(parts["decode_head"] or {})
        for key in ("loss_decode", "num_classes", "sampler"):
            head.pop(key, None)
        return {**parts, "decode_head": head, "size_multiple": model.get("size_multiple", 1)}

    names = [name for name, table in NETWORKS.items() if built(table.model) == built(plain(model))]
    return min(names, key=lambda name: (network not in name, len(name)), default=None)


__all__ = ["NETWORKS", "authors_network"]
