"""Nothing that comes from a file is executed, because the package calls nothing that could execute it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

ALLOWED: dict[tuple[str, str], str] = {
    ("lednet_mm/datasets/card.py", "yaml.load"): "with a subclass of the safe loader, which reads still less"
}
"""(file, what is called there) -> why it does no harm."""

MODULES = {
    "pickle",
    "_pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
    "runpy",
    "code",
}
FUNCTIONS = {"eval", "exec", "compile", "__import__"}
"""Built-in ones, by their bare names; a network's ``eval()`` is another thing."""
METHODS = {"fromstring", "_file2dict", "unsafe_load", "full_load", "popen", "load_url"}
"""By any owner: ``Config.fromstring``, ``yaml.unsafe_load``."""


def dangers(source: str) -> Iterator[str]:
    """Return the names of everything in a piece of Python that executes data, or may execute it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            yield str(node.module)
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            last = name.rpartition(".")[2]
            keywords = {k.arg: k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)}
            if name in FUNCTIONS or ("." in name and last in METHODS):
                yield name
            if keywords.get("shell"):
                yield "shell=True"
            if keywords.get("allow_pickle"):
                yield "allow_pickle=True"
            if name == "torch.load" and keywords.get("weights_only") is not True:
                yield "torch.load without weights_only=True"
            if name in ("yaml.load", "os.system", "posix.system"):
                yield name


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("Config.fromstring(text, '.py')", ["Config.fromstring"]),
        ("eval(text)", ["eval"]),
        ("model.eval()", []),
        ("re.compile(text)", []),
        ("import pickle", ["pickle"]),
        ("from pickle import loads", ["pickle"]),
        ("import pickletools", []),
        ("torch.load(path)", ["torch.load without weights_only=True"]),
        ("torch.load(path, weights_only=False)", ["torch.load without weights_only=True"]),
        ("torch.load(path, weights_only=True)", []),
        ("yaml.load(text, yaml.Loader)", ["yaml.load"]),
        ("yaml.safe_load(text)", []),
        ("subprocess.run(text, shell=True)", ["shell=True"]),
        ("np.load(path, allow_pickle=True)", ["allow_pickle=True"]),
        ("os.system(text)", ["os.system"]),
    ],
)
def test_the_search_finds_what_it_looks_for(source, found):
    assert list(dangers(source)) == found


def test_the_product_executes_no_data():
    files = sorted([*(ROOT / "lednet_mm").rglob("*.py"), *(ROOT / "tools").rglob("*.py")])
    assert len(files) > 100
    found = {
        (str(path.relative_to(ROOT)), danger) for path in files for danger in dangers(path.read_text("utf-8"))
    }
    assert found - ALLOWED.keys() == set(), "say in ALLOWED why it does no harm, or do without it"
    assert ALLOWED.keys() - found == set(), "no longer there"
