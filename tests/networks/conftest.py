"""Marks that follow from what a network's test class says about its size and its family."""

import pytest

QUICK = ("parity", "device")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark the parity of a large network as thorough, and most other tests of a sibling as slow."""
    for item in items:
        network = item.cls
        large = any(getattr(network, attribute, False) for attribute in ("giant", "narrow", "long_parity"))
        if large and "parity" in item.name:
            item.add_marker("thorough")
        if getattr(network, "sibling", False) and not any(word in item.name for word in QUICK):
            item.add_marker("slow")
