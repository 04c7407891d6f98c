"""The directions in which the package's modules import each other, read from the source without importing it.

A room is a package of ``lednet_mm``, or a module beside these packages. A room may import rooms of lower
floors; rooms of one floor import each other only where ``WITHIN`` allows it. Imports inside functions and under
``TYPE_CHECKING`` count too. What ``import_module`` loads at run time is not seen.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

FLOORS: list[list[str]] = [
    ["tools"],
    ["options", "documentation"],
    ["reports"],
    ["studies"],
    ["register"],
    ["training"],
    ["timing", "counting", "deployment", "evaluation"],
    ["config"],
    ["networks", "datasets", "checkpoints"],
    ["layers", "cards", "catalog"],
    [
        "records",
        "statistics",
        "environment",
        "terminal",
        "files",
        "record_format",
        "literals",
        "errors",
        "text",
    ],
]
"""From the top to the ground."""

GROUND = FLOORS[-2] + FLOORS[-1]

WITHIN = {
    "timing": {"counting", "deployment"},
    "counting": {"deployment"},
    **{
        room: set(GROUND) for room in GROUND
    },  # single modules, for which it is enough that there are no circles
}

EXCEPTIONS = {
    ("lednet_mm.training.on_demand", "lednet_mm.register"): (
        "streets that are missing are generated in the process that trains, which may not have set threads yet"
    ),
    ("lednet_mm.deployment.export", "lednet_mm.evaluation.registered"): (
        "the export asks which preprocessing class a config means"
    ),
}
"""Imports against the directions that are still there, with the reason; remove an entry with its import."""

CIRCLES = {("lednet_mm.reports.page", "lednet_mm.reports.report")}
"""Modules that still import each other; remove an entry with its circle."""

HEAVY = {"torch", "mmengine", "mmcv", "mmseg", "cv2", "pandas", "matplotlib"}
"""Packages that no module of the ground floor imports when it is imported itself."""


def name_of(path: Path, root: Path) -> str:
    """Return the dotted name of a module below ``root``."""
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def imported_names(tree: ast.AST) -> Iterator[str]:
    """Yield the dotted names that a module's import statements mention, at any depth."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: write the module's full name instead of dots"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def read_imports(root: Path) -> dict[str, set[str]]:
    """Return which modules of the project each module below ``root`` imports."""
    paths = [*root.glob("lednet_mm/**/*.py"), *root.glob("tools/*.py")]
    modules = {name_of(path, root): path for path in sorted(paths)}
    found: dict[str, set[str]] = {}
    for module, path in modules.items():
        found[module] = set()
        for name in imported_names(ast.parse(path.read_text(encoding="utf-8"))):
            # ``from package import name`` mentions a module or something that is defined in one.
            target = name if name in modules else name.rpartition(".")[0]
            if target in modules and target != module:
                found[module].add(target)
    return found


@cache
def imports() -> dict[str, set[str]]:
    """Return the imports of this checkout."""
    return read_imports(ROOT)


def room_of(module: str) -> str:
    """Return the room of a module; the package itself, which imports nothing, has none."""
    parts = module.split(".")
    return "tools" if parts[0] == "tools" else (parts[1:2] or [""])[0]


def is_allowed(importer: str, imported: str) -> bool:
    """Say whether a module may import another by the floors of their rooms."""
    floor = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    upper, lower = room_of(importer), room_of(imported)
    if upper == lower or not lower:
        return True
    return floor[upper] < floor[lower] or (floor[upper] == floor[lower] and lower in WITHIN.get(upper, set()))


def wrong_directions(edges: dict[str, set[str]]) -> set[tuple[str, str]]:
    """Return the imports that the floors do not allow."""
    return {(a, b) for a, targets in edges.items() for b in targets if not is_allowed(a, b)}


def circles(edges: dict[str, set[str]]) -> set[tuple[str, ...]]:
    """Return the groups of modules that reach each other through imports, each group sorted."""
    reached: dict[str, set[str]] = {}
    for start in edges:
        seen: set[str] = set()
        waiting = list(edges[start])
        while waiting:
            module = waiting.pop()
            if module not in seen:
                seen.add(module)
                waiting.extend(edges[module])
        reached[start] = seen
    return {tuple(sorted({b for b in reached[a] if a in reached[b]})) for a in edges if a in reached[a]}


def test_every_room_has_a_floor():
    placed = [room for rooms in FLOORS for room in rooms]
    assert len(placed) == len(set(placed))
    rooms = {room_of(module) for module in imports()} - {""}
    assert not rooms - set(placed), "place these rooms on a floor"


def test_imports_run_downwards():
    wrong = wrong_directions(imports()) - set(EXCEPTIONS)
    assert not wrong, "these imports run against the directions of the house"


@pytest.mark.parametrize("edge", EXCEPTIONS, ids=" -> ".join)
def test_an_exception_is_still_needed(edge):
    importer, imported = edge
    assert imported in imports().get(importer, set()), "this import is gone: remove its exception"
    assert not is_allowed(importer, imported), "this import is allowed: remove its exception"


def test_no_modules_import_each_other():
    assert circles(imports()) == CIRCLES


@pytest.mark.parametrize("room", GROUND)
def test_the_ground_floor_imports_nothing_heavy(room):
    path = ROOT / "lednet_mm" / f"{room}.py"
    if not path.exists():
        pytest.skip(f"{path.relative_to(ROOT)} does not exist")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    at_import = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {name.partition(".")[0] for node in at_import for name in imported_names(node)}
    assert not names & HEAVY


@pytest.fixture
def checkout(tmp_path):
    """Return a function that writes modules and reads their imports back."""

    def write(**sources: str) -> dict[str, set[str]]:
        for name, source in sources.items():
            path = tmp_path / "lednet_mm" / f"{name.replace('__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
        return read_imports(tmp_path)

    return write


@pytest.mark.parametrize(
    "source",
    [
        "import lednet_mm.reports.page",
        "from lednet_mm.reports import page",
        "from lednet_mm.reports.page import Page as P",
        "def late():\n    from lednet_mm.reports.page import Page",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from lednet_mm.reports.page import Page",
        "try:\n    import lednet_mm.reports.page as page\nexcept ImportError:\n    page = None",
    ],
)
def test_an_upward_import_is_found_wherever_it_stands(checkout, source):
    edges = checkout(layers__blocks=source, reports__page="")
    assert wrong_directions(edges) == {("lednet_mm.layers.blocks", "lednet_mm.reports.page")}


def test_rooms_of_one_floor_are_apart_unless_allowed(checkout):
    edges = checkout(
        timing__a="from lednet_mm.counting import b",
        counting__b="from lednet_mm.deployment.c import f",
        deployment__c="import lednet_mm.timing.a",
        evaluation__d="import lednet_mm.timing.a",
        networks__e="import lednet_mm.datasets.g",
        datasets__g="import lednet_mm.errors",
        errors="",
    )
    assert wrong_directions(edges) == {
        ("lednet_mm.deployment.c", "lednet_mm.timing.a"),
        ("lednet_mm.evaluation.d", "lednet_mm.timing.a"),
        ("lednet_mm.networks.e", "lednet_mm.datasets.g"),
    }


def test_a_circle_over_several_modules_is_found(checkout):
    edges = checkout(
        reports__a="from lednet_mm.reports.b import f",
        reports__b="def g():\n    import lednet_mm.reports.c",
        reports__c="from lednet_mm.reports import a",
        reports__d="import lednet_mm.reports.a",
    )
    assert circles(edges) == {("lednet_mm.reports.a", "lednet_mm.reports.b", "lednet_mm.reports.c")}
