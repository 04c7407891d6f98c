"""Records: the one form in which every measurement is written and from which every report is made.

A record is one JSON object in one file, ``<run folder>/records/<kind>-<id>.json``, written atomically and
never edited. Keys of ``values`` carry their unit (``miou_percent``, ``latency_ms_p50``).
"""

from __future__ import annotations

import datetime
import hashlib
import json
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
from typing import Any, Literal

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
)

from lednet_mm.files import find_files, write_atomically

SCHEMA = 1
Kind = Literal["train", "accuracy", "complexity", "latency", "benchmark", "failure"]
"""A benchmark compares parts of this project. A failure says why a run of a study ended early; it stands
until a newer record of the run follows."""

Value = StrictBool | StrictInt | FiniteFloat | StrictStr | None

LIBRARIES = {
    "torch": "torch",
    "mmengine": "onedl-mmengine",
    "mmcv": "onedl-mmcv",
    "mmseg": "onedl-mmsegmentation",
    "numpy": "numpy",
    "opencv": "opencv-python",
}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Run(_Part):
    """Which run a measurement belongs to; ``variant`` is ``baseline`` where nothing is changed."""

    network: str
    dataset: str
    variant: str = "baseline"
    seed: int | None = None
    study: str | None = None


class ConfigText(_Part):
    """The resolved config and its sha256."""

    text: str
    sha256: str


class Provenance(_Part):
    """Where a number comes from."""

    commit: str | None
    dirty: bool | None
    versions: dict[str, str | None]
    device: str
    device_count: int
    threads: int | None
    wait_policy: str | None = None
    precision: str
    date: str
    command: str
    host_os: str
    dataset_fingerprint: str | None = None
    checkpoint_sha256: str | None = None


class Record(_Part):
    """One measurement."""

    schema_version: int = Field(alias="schema")
    kind: Kind
    id: str
    run: Run
    config: ConfigText
    values: dict[str, Value]
    details: dict[str, Any]
    provenance: Provenance


def plain(value: Any) -> Any:
    """Turn numpy and tensor values, tuples and mappings into what JSON has; NaN becomes None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def now() -> str:
    """Return the time as records keep it: ISO 8601, UTC, whole seconds."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


@cache
def _project_state() -> tuple[str | None, bool | None]:
    """Return (commit, dirty) of the project's own checkout; None where it is no checkout."""
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
    status = git("status", "--porcelain", "--untracked-files=no")
    return git("rev-parse", "HEAD"), None if status is None else bool(status)


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


def collect_provenance(device: str = "cpu", precision: str = "fp32", **known: Any) -> Provenance:
    """Collect what this process runs on.

    Args:
        device: PyTorch's name of the device, ``cpu`` or ``cuda:0``.
        precision: ``fp32``, ``tf32``, ``fp16`` or ``bf16``.
        known: further fields, such as ``dataset_fingerprint``, ``checkpoint_sha256``, ``threads``.
    """
    import torch

    versions = {name: _version(distribution) for name, distribution in LIBRARIES.items()}
    versions["torch"] = torch.__version__
    versions["python"] = platform.python_version()
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
        "command": shlex.join(["python", os.path.relpath(sys.argv[0]), *sys.argv[1:]]),
        "host_os": f"{platform.system()} {platform.release()}",
    }
    return Provenance(**{**fields, **known})


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
        kind: what was measured.
        run: what it was measured on.
        config_text: the resolved config.
        values: numbers with their unit in the key; NaN becomes None (not measurable).
        details: per class, per image, raw samples.
        provenance: see :func:`collect_provenance`.

    Raises:
        pydantic.ValidationError: a value of no known kind.
    """
    stamp = provenance.date.replace("-", "").replace(":", "").split("+")[0]
    return Record(
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
    """Read and validate one record.

    Raises:
        ValueError: damaged, foreign, or of another schema; the message is one line without the path.
    """
    try:
        data = Path(path).read_bytes()
        record = Record.model_validate_json(data)
    except OSError as error:
        raise ValueError(f"not readable ({error})") from None
    except ValidationError as error:
        raise ValueError(_fault(data, error)) from None
    if record.schema_version != SCHEMA:
        raise ValueError(f"schema {record.schema_version}, this version reads {SCHEMA}")
    return record


def _fault(data: bytes, error: ValidationError) -> str:
    """Say in one line why a file's content is no record."""
    try:
        content = json.loads(data)
    except ValueError as invalid:
        return f"not readable as JSON ({invalid})"
    if not isinstance(content, dict) or "schema" not in content:
        return "not a record of this project"
    if content["schema"] != SCHEMA:
        return f"schema {content['schema']}, this version reads {SCHEMA}"
    first = error.errors()[0]
    return f"damaged record: {'.'.join(map(str, first['loc']))}: {first['msg']}"


def find_records(folders: Iterable[str | Path]) -> list[Path]:
    """Return all record files below the folders, sorted by path."""
    found = {path for folder in folders if Path(folder).is_dir() for path in find_files(folder, ".json")}
    return sorted(path for path in found if path.parent.name == "records")


def read_records(folders: Iterable[str | Path]) -> tuple[list[Record], dict[Path, str]]:
    """Read every record below the folders.

    Returns:
        The records, oldest first, and for each file that had to be left out the reason.
    """
    records, problems = [], {}
    for path in find_records(folders):
        try:
            records.append(read_record(path))
        except ValueError as error:
            problems[path] = str(error)
    return sort_records(records), problems


def sort_records(records: Iterable[Record]) -> list[Record]:
    """Return records oldest first; the newest of the same thing counts."""
    return sorted(records, key=lambda record: (record.provenance.date, record.id))
