"""Resolve where weights are: a file, an address on the web, or a name in a public collection of weights."""

from __future__ import annotations

import hashlib
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import torch
from mmengine.dist import barrier, is_main_process
from mmengine.runner.checkpoint import (
    get_deprecated_model_names,
    get_external_models,
    get_mmcls_models,
    get_torchvision_models,
)

from lednet_mm.checkpoints.reading import address_of
from lednet_mm.errors import InputError

COLLECTIONS = {
    "torchvision": get_torchvision_models,
    "modelzoo": get_torchvision_models,
    "open-mmlab": get_external_models,
    "openmmlab": get_external_models,
    "mmcls": get_mmcls_models,
}
"""Names of collections that mmengine knows (``torchvision://resnet18``), and their tables of addresses."""

SECONDS = 30
"""Seconds that a server may take to answer."""


def local_copy(location: str | Path) -> Path:
    """Return the local file of a location; files on the web are downloaded once.

    Args:
        location: a path, ``https://...``, or a name in a collection such as ``torchvision://NAME``.

    Raises:
        InputError: the kind of address or the name in the collection is unknown, or the download failed.
    """
    address = address_of(location)
    if address is None:
        return Path(location).expanduser()
    scheme, _, rest = address.partition("://")
    scheme = scheme.lower()
    if scheme in ("http", "https"):
        return _download(address)
    if scheme not in COLLECTIONS:
        raise InputError(
            f"{address}: weights are read from files, from http(s):// and from "
            f"{', '.join(f'{name}://' for name in COLLECTIONS)}: copy the file here and name it"
        )
    try:
        table = COLLECTIONS[scheme]()
    except ImportError as error:
        raise InputError(f"{address}: its table of addresses needs {error.name}: install it") from None
    name = get_deprecated_model_names().get(rest, rest) if "mmlab" in scheme else rest
    if name not in table:
        raise InputError(f"{address}: this collection has no such name")
    return local_copy(table[name])


def _download(url: str) -> Path:
    name = re.sub(r"[^A-Za-z0-9._-]", "_", PurePosixPath(urlsplit(url).path).name) or "weights"
    # Files at different addresses may have the same name.
    digest = hashlib.sha256(url.encode()).hexdigest()[:10]
    path = Path(torch.hub.get_dir()) / "checkpoints" / f"{digest}-{name[-100:]}"
    if is_main_process() and not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with _limited_silence():
                torch.hub.download_url_to_file(url, str(path), progress=False)
        except (OSError, ValueError, RuntimeError) as error:
            reason = str(getattr(error, "reason", None) or error).splitlines()[0]
            raise InputError(
                f"{url}: cannot be downloaded ({reason}): download it elsewhere and name the file instead"
            ) from None
    barrier()
    return path


@contextmanager
def _limited_silence() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
