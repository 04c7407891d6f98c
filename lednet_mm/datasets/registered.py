"""Find the class that the ``type`` of a config names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.registry import DefaultScope, Registry


def class_meant(registry: Registry, settings: Mapping[str, Any]) -> Any:
    """Return the class that a config's ``type`` means.

    Args:
        registry: registry in which names are looked up.
        settings: config whose ``type`` is a name, with or without a scope (``mmseg.IoUMetric``), or the class
            itself, as in MMEngine's pure-Python configs.

    Returns:
        The class; None if the name is not registered or there is no ``type``.
    """
    kind = settings.get("type")
    if not isinstance(kind, str):
        return kind
    with DefaultScope.overwrite_default_scope("mmseg"):
        return registry.get(kind)
