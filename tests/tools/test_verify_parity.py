"""A faulty reference vector gives one line, and the other vectors are checked nevertheless."""

import json

import pytest

from tests.conftest import ROOT

GOOD = ROOT / "tests" / "data" / "edanet.json"


def case(key, value):
    return lambda vector: vector["cases"][0].update({key: value})


ODD = {
    "no network": (lambda vector: vector.pop("network"), "without network"),
    "a number as network": (
        lambda vector: vector.update(network=3),
        "network: Input should be a valid string",
    ),
    "markup as network": (lambda vector: vector.update(network="[/b]"), "unknown network '[/b]'"),
    "many classes": (lambda vector: vector.update(num_classes=10**9), "num_classes: "),
    "a huge tensor": (
        lambda vector: vector["state"].append(["x", [10**9, 10**9], "conv"]),
        "tensors of more than",
    ),
    "an unknown kind": (lambda vector: vector["state"][0].__setitem__(2, "odd"), "no kind 'odd'"),
    "no case": (lambda vector: vector.update(cases=[]), "cases: "),
    "an unknown mode": (case("mode", "x"), "cases.0: "),
    "a huge image": (case("input_shape", [1, 3, 10**6, 10**6]), "an input of more than"),
    "a negative image": (case("input_shape", [1, 3, -64, 64]), "input_shape.2: "),
    "five channels": (case("input_shape", [1, 5, 64, 64]), "to have 3 channels, but got 5 channels"),
    "no outputs": (case("outputs", []), "outputs: "),
    "a value beyond the output": (
        lambda vector: vector["cases"][0]["outputs"][0]["samples"][0].__setitem__(0, 10**9),
        "the position of a value is beyond the",
    ),
    "text as a figure": (lambda vector: vector["cases"][0]["outputs"][0].update(mean="0"), "mean: "),
    "no gradient": (lambda vector: vector["cases"][-1].update(grad_norms=[]), "grad_norms: "),
}


@pytest.fixture(scope="module")
def small():
    """Return a vector with one case in evaluation mode and the gradients, which is checked in a second."""
    vector = json.loads(GOOD.read_text())
    vector["cases"] = [vector["cases"][0], next(c for c in vector["cases"] if c["mode"] == "grad")]
    return json.dumps(vector)


def test_odd_vectors_cost_the_others_nothing(small, tool, tmp_path):
    folder = tmp_path / "x ["
    folder.mkdir()
    paths = []
    for name, (change, _) in ODD.items():
        vector = json.loads(small)
        change(vector)
        paths.append(folder / f"b] {name}.json")
        paths[-1].write_text(json.dumps(vector))
    contents = {
        "deep": "[" * 100_000,
        "empty": "",
        "a list": "[]",
        "bytes": "\x00\x1b[31m",
        "cut": small[:300],
    }
    for name, content in contents.items():
        paths.append(folder / f"{name}.json")
        paths[-1].write_text(content)
    good = tmp_path / "good.json"
    good.write_text(small)
    outcome = tool("verify_parity", *paths, folder, tmp_path / "nowhere.json", good)
    assert outcome.status == 1
    assert "Traceback" not in outcome.err
    assert outcome.out.count("cannot be checked") == len(paths) + 2
    assert outcome.out.count("│ equal ") == 1
    misses = [line for line in outcome.out.splitlines() if line.startswith("miss ")]
    assert len(misses) == len(paths) + 2
    for (name, (_, reason)), line in zip(ODD.items(), misses, strict=False):
        assert reason in line, name
        assert f"x [/b] {name}.json" in line
