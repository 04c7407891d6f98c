"""Records: the files in which every measurement is kept and from which every report is made.

A record is one JSON object in one file, ``<run folder>/records/<kind>-<id>.json``, which is written
atomically and never edited. :mod:`lednet_mm.record_format` defines its content. Records can also come from
colleagues and downloads: nothing in them is ever executed, and a record that does not fit the format is
reported and left out.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import os
import platform
import secrets
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from lednet_mm.errors import describe_os_error
from lednet_mm.files import find_files, read_regular, write_atomically
from lednet_mm.record_format import KINDS, RECORD, SCHEMA, ConfigText, Kind, Provenance, Record, Run
from lednet_mm.text import one_line

__all__ = [
    "Kind",
    "Provenance",
    "Record",
    "Run",
    "collect_provenance",
    "explain",
    "find_records",
    "in_plain_pytorch",
    "new_record",
    "now",
    "plain",
    "read_record",
    "read_records",
    "sort_records",
    "write_record",
]

LARGEST = 32 << 20
"""The largest number of bytes in a record; the record of 2,000 images with 150 classes has about 3 MiB."""

ENTRIES = 500_000
"""The largest number of entries in a record. Without this limit, validating a file with millions of entries
would take gigabytes."""

COMMAND = "LEDNET_COMMAND"
"""The environment variable by which a sweep passes the command that the user typed to its processes."""

COMMAND_LENGTH = 50_000

CODE = ("lednet_mm", "configs", "tools")
"""Folders of the checkout in which an untracked file counts as a change of the code."""

LIBRARIES = {
    "torch": "torch",
    "mmengine": "onedl-mmengine",
    "mmcv": "onedl-mmcv",
    "mmseg": "onedl-mmsegmentation",
    "numpy": "numpy",
    "opencv": "opencv-python",
}


def plain(value: Any) -> Any:
    """Convert NumPy and tensor values, tuples and mappings to JSON's types; NaN becomes None."""
    kind = type(value)
    if value is None or kind is int or kind is bool:  # frequent types come first, for speed
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, str):
        return _encodable(value)
    if kind is list:
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {_encodable(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    return plain(value.tolist()) if hasattr(value, "tolist") else value


def _encodable(text: str) -> str:
    """Return text that can be encoded as UTF-8, which names of files with undecodable bytes cannot."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def now() -> str:
    """Return the time in the format of records: ISO 8601 in UTC, with milliseconds to find the newest."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")


@cache
def _project_state() -> tuple[str | None, bool | None]:
    """Return (commit, dirty) of the project's own checkout, or (None, None) if this is not a checkout.

    A checkout is dirty if a tracked file has changed, or if it has code that git neither tracks nor ignores.
    """
    root = Path(__file__).resolve().parents[1]

    def git(*arguments: str) -> str | None:
        try:
            answer = subprocess.run(
                ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=20
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return answer.stdout.strip() if answer.returncode == 0 else None

    if not (root / ".git").exists():
        return None, None
    changed = git("status", "--porcelain", "--untracked-files=no")
    unknown = git("ls-files", "--others", "--exclude-standard", "--", *CODE)
    dirty = None if changed is None or unknown is None else bool(changed or unknown)
    return git("rev-parse", "HEAD"), dirty


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _cpu_name() -> str:
    if Path("/proc/cpuinfo").is_file():
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


_OWN_CODE: dict[str, str] = {}


def note_code(name: str, sha256: str) -> None:
    """Note a file of code from outside the project that this process has imported, for its records.

    Args:
        name: name of the file.
        sha256: sha256 of its content.
    """
    _OWN_CODE[name] = f"sha256:{sha256}"


def collect_provenance(device: str = "cpu", precision: str = "fp32", **known: Any) -> Provenance:
    """Collect the provenance of a measurement by this process: code, versions, device and command.

    Args:
        device: PyTorch's name of the device, such as ``cpu`` or ``cuda:0``.
        precision: precision of the computation: ``fp32``, ``tf32``, ``fp16`` or ``bf16``.
        known: further fields, such as ``dataset_fingerprint``, ``checkpoint_sha256``, ``threads``.
    """
    import torch

    versions = {name: _version(distribution) for name, distribution in LIBRARIES.items()}
    versions["torch"] = torch.__version__
    versions["python"] = platform.python_version()
    versions.update(_OWN_CODE)
    if device.startswith("cuda"):
        versions["cudnn"] = str(torch.backends.cudnn.version())
        versions["cuda"] = torch.version.cuda
        versions["driver"] = _driver_version()
        name, count = torch.cuda.get_device_name(device), 1
    else:
        name, count = _cpu_name(), len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    commit, dirty = _project_state()
    fields: dict[str, Any] = {
        "commit": commit,
        "dirty": dirty,
        "versions": versions,
        "device": name,
        "device_count": count,
        "threads": torch.get_num_threads(),
        "wait_policy": os.environ.get("OMP_WAIT_POLICY"),
        "precision": precision,
        "date": now(),
        "command": _encodable(os.environ.get(COMMAND) or _own_command())[:COMMAND_LENGTH],
        "host_os": f"{platform.system()} {platform.release()}",
    }
    return Provenance(**{**fields, **known})


def _own_command() -> str:
    return shlex.join(["python", os.path.relpath(sys.argv[0]), *sys.argv[1:]])


def _driver_version() -> str | None:
    try:
        answer = subprocess.run(
            ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.split("\n")[0].strip() or None


def new_record(
    kind: Kind,
    run: Run,
    config_text: str,
    values: Mapping[str, Any],
    details: Mapping[str, Any],
    provenance: Provenance,
) -> Record:
    """Make a record with a fresh id.

    Args:
        kind: kind of record.
        run: run that was measured.
        config_text: text of the resolved config.
        values: numbers, with their units in the keys; NaN becomes None (not measurable).
        details: data from which the values are computed, such as figures per class and image, or raw samples.
        provenance: provenance as :func:`collect_provenance` returns it.

    Raises:
        pydantic.ValidationError: a field is missing, unknown or out of range.
    """
    stamp = provenance.date.replace("-", "").replace(":", "").split("+")[0]
    return KINDS[kind](
        schema=SCHEMA,
        kind=kind,
        id=f"{stamp}-{secrets.token_hex(3)}",
        run=run,
        config=ConfigText(text=config_text, sha256=hashlib.sha256(config_text.encode()).hexdigest()),
        values=plain(values),
        details=plain(details),
        provenance=provenance,
    )


def write_record(record: Record, run_dir: str | Path) -> Path:
    """Write a record to ``<run_dir>/records/<kind>-<id>.json`` and return the path."""
    path = Path(run_dir) / "records" / f"{record.kind}-{record.id}.json"
    text = json.dumps(
        record.model_dump(by_alias=True), allow_nan=False, separators=(",", ":"), ensure_ascii=False
    )
    write_atomically(path, text.encode())
    return path


def read_record(path: str | Path) -> Record:
    """Read one record and check it against the format.

    Raises:
        ValueError: the file is damaged, foreign, altered, too large or of another schema; the message is one
            line without the path.
    """
    try:
        data = read_regular(path, LARGEST)
    except OSError as error:
        error.filename = None
        raise ValueError(f"not readable: {describe_os_error(error)}") from None
    if data.count(b",") > ENTRIES:
        raise ValueError(f"more than {ENTRIES:,} entries")
    try:
        return RECORD.validate_json(data)
    except ValidationError as error:
        raise ValueError(_fault(data, error)) from None


def _fault(data: bytes, error: ValidationError) -> str:
    """Return one line that says why the content of a file is not a record."""
    try:
        content = from_json(data)
    except ValueError as invalid:
        return f"not readable as JSON ({invalid})"
    if not isinstance(content, dict) or "schema" not in content:
        return "not a record of this project"
    if content["schema"] != SCHEMA:
        return f"schema {one_line(content['schema'])[:20]}, this version reads {SCHEMA}"
    return f"damaged record: {explain(error)}"


def explain(error: ValidationError) -> str:
    """Return the first fault that validation found in a record, or in another of our files, as one line."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = [str(part) for part in first["loc"]]
    if place and place[0] in KINDS:
        del place[0]
    reason = first["msg"].removeprefix("Value error, ")
    return one_line(f"{'.'.join(place)}: {reason}" if place else reason)[:500]


def find_records(folders: Iterable[str | Path]) -> list[Path]:
    """Return the files below the folders that should be records, sorted by path.

    These are the ``.json`` files in folders named ``records``. Pipes and devices are included, so that
    reading them reports what they are.
    """
    found = [path for folder in folders if Path(folder).is_dir() for path in find_files(folder, ".json")]
    records = []
    for place in {path.parent for path in found}:
        if place.name != "records":
            continue
        with os.scandir(place) as entries:
            named = [entry for entry in entries if entry.name.lower().endswith(".json")]
            files = [entry.name for entry in named if not entry.is_dir() and not entry.name.startswith(".")]
        records += [place / name for name in files]
    return sorted(records, key=lambda path: path.parts)  # as paths are sorted, but faster


def read_records(folders: Iterable[str | Path]) -> tuple[list[Record], dict[Path, str]]:
    """Read every record below the folders.

    Returns:
        The records, oldest first, and the reason for each file that had to be left out.
    """
    records, problems = [], {}
    for path in find_records(folders):
        try:
            records.append(read_record(path))
        except ValueError as error:
            problems[path] = str(error)
    return sort_records(records), problems


def in_plain_pytorch(record: Record) -> bool:
    """Return whether an accuracy is that of a checkpoint in plain PyTorch, and not of a deployed form."""
    return "engine" not in record.details


def sort_records(records: Iterable[Record]) -> list[Record]:
    """Return records oldest first, so that the newest of several on the same subject comes last."""
    return sorted(records, key=lambda record: (record.provenance.date, record.id))
