"""The sections of a report. Each is a class in a file of this folder, where it is found."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

from lednet_mm.reports.content import Content
from lednet_mm.reports.sections.section import Section


def find_sections() -> list[type[Section]]:
    """Return the sections of all files in this folder, in their order in a report.

    Raises:
        ValueError: two sections have the same name, so that they would write the same files.
    """
    found: dict[str, type[Section]] = {}
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        for kind in vars(importlib.import_module(module.name)).values():
            own = inspect.isclass(kind) and issubclass(kind, Section) and kind.__module__ == module.name
            if own and hasattr(kind, "name"):  # base classes of sections have none
                if kind.name in found:
                    raise ValueError(
                        f"{kind.__name__} and {found[kind.name].__name__} have the same name {kind.name!r}"
                    )
                found[kind.name] = kind
    return sorted(found.values(), key=lambda kind: (kind.order, kind.name))


def make_sections(content: Content) -> list[Section]:
    """Return one object of each section for a report with this content."""
    return [kind(content) for kind in find_sections()]
