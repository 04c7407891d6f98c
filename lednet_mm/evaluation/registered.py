"""Which class the ``type`` in a config means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.registry import DefaultScope, Registry


def class_meant(registry: Registry, settings: Mapping[str, Any]) -> Any:
    """Return the class that a config's ``type`` means.

    Args:
        registry: where names are looked up.
        settings: whose ``type`` is a name, with or without a scope (``mmseg.IoUMetric``), or the class
            itself, as in MMEngine's pure-Python configs.

    Returns:
        The class; None for a name that is not registered, or no ``type``.
    """
    kind = settings.get("type")
    if not isinstance(kind, str):
        return kind
    with DefaultScope.overwrite_default_scope("mmseg"):
        return registry.get(kind)
