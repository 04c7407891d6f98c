"""Read Python files in MMEngine's form: configs and their parts, variants, and studies."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from mmengine.config import Config

from lednet_mm.errors import InputError, describe_error


def read_config_file(
    path: str | Path, what: str = "the config", imports: bool = False, name: str | None = None
) -> Config:
    """Read a file together with its bases, which executes them.

    Args:
        path: the file.
        what: what the file contains, for the message of an error.
        imports: whether to import the modules that ``custom_imports`` names.
        name: what the message calls the file; by default, its path.

    Raises:
        InputError: the file cannot be read, or it is among its own bases.
    """
    name = name or str(path)
    if circle := _circle(Path(path)):
        raise InputError(f"{name}: {what} cannot be read: a file is its own base ({circle})")
    try:
        return Config.fromfile(str(path), import_custom_modules=imports)
    except (Exception, SystemExit) as error:  # such a file is code, which can raise anything
        raise InputError(f"{name}: {what} cannot be read: {describe_error(error)}") from error


def bases_of(file: Path) -> list[Path]:
    """Return the files that a file names in ``_base_`` or imports within ``read_base``.

    Nothing is executed. A file that is missing or not Python has no bases.
    """
    try:
        content = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return []
    bases: list[Path] = []
    for node in ast.walk(content):
        if isinstance(node, ast.ImportFrom) and node.level and node.module:  # within read_base()
            base = file.absolute().parents[node.level - 1].joinpath(*node.module.split("."))
            bases.append(base.with_suffix(".py"))
        elif isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "_base_" for target in node.targets
        ):
            names = [part.value for part in ast.walk(node.value) if isinstance(part, ast.Constant)]
            for name in names:
                if isinstance(name, str):  # mmengine puts the folder where a file says fileDirname
                    name = re.sub(r"^\{\{\s*fileDirname\s*\}\}/", "", name)
                    bases.append((file.parent / name).resolve())
    return bases


def _circle(file: Path, above: tuple[Path, ...] = ()) -> str:
    """Return how a file comes to be its own base, which mmengine would read until Python's stack is full.

    Returns:
        The names of the files in the circle; an empty text if there is none.
    """
    file = file.resolve()
    if file in above:
        return " takes ".join(path.name for path in (*above[above.index(file) :], file))
    return next(filter(None, (_circle(base, (*above, file)) for base in bases_of(file))), "")
