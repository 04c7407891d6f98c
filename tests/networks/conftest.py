"""Most tests of a network that differs from another one of its family in numbers alone are slow ones."""

import pytest

QUICK = ("parity", "device")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark a sibling's tests as slow, but for parity and the rehearsal on the meta device."""
    for item in items:
        if getattr(item.cls, "sibling", False) and not any(word in item.name for word in QUICK):
            item.add_marker("slow")
