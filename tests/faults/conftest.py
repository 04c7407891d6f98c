"""What the catalogue's tests share."""

from __future__ import annotations

import pytest

from tests.faults.table import Bench


@pytest.fixture
def bench(tmp_path, small_config, small_streets) -> Bench:
    """Return an empty folder, and what a small training needs."""
    place = tmp_path / "place"
    place.mkdir()
    return Bench(place, small_config, small_streets)
