"""Resolved configs are read back from text as literals and compared."""

import pytest

from lednet_mm.config import Choice, config_text, load_config
from lednet_mm.literals import differing_keys, read_literals


@pytest.mark.parametrize("choice", ["configs/lednet_camvid.py", Choice("segformer_b0", "cityscapes")])
def test_a_resolved_config_is_read_back(choice):
    config = load_config(choice)
    found = read_literals(config_text(config))
    assert found["model"]["backbone"]["type"] == config.model.backbone.type
    assert not differing_keys(found, read_literals(config_text(load_config(choice))))


@pytest.mark.parametrize(
    "text",
    [
        "import os",
        "x = __import__('os').system('true')",
        "a = b = 1",
        "a.b = 1",
        "a[0] = 1",
        "x = [" * 100_000,
        "x = " + "-" * 100_000 + "1",
        "x = '\0'",
        "x = 1\n" * 200_000,
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        read_literals(text)


def test_differences_name_their_keys():
    one = {"model": {"depth": 18, "act": {"type": "ReLU"}}, "sizes": (1, 2), "only": 1}
    other = {"model": {"depth": 34, "act": {"type": "ReLU"}}, "sizes": [1, 2], "new": {"x": 1}}
    assert differing_keys(one, other) == {"model.depth": (18, 34), "only": (1, None), "new": (None, {"x": 1})}
