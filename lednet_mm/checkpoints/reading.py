"""Read checkpoint files of any origin: only tensors and plain values, and without executing anything.

A checkpoint is a pickle, and a pickle names classes and functions that are called when it is read. This
module uses PyTorch's restricted unpickler, which knows tensors and plain values. Everything else that a file
names (mmengine's ``HistoryBuffer``, ``argparse.Namespace``, a path) is replaced by a stand-in: a class of
that name that accepts anything and does nothing. A file that names something only an attack needs
(``os.system``) is refused. Before all that, the checksums in the file are verified, which PyTorch does not
do.
"""

from __future__ import annotations

import io
import os
import pickletools
import re
import stat
import struct
import warnings
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor
from torch.serialization import add_safe_globals, clear_safe_globals, get_safe_globals

from lednet_mm.errors import InputError, describe_os_error
from lednet_mm.text import one_line
from lednet_mm.upstream.pytorch import module_versions, set_module_versions

ZIP = b"PK\x03\x04"
"""The first bytes of files written by PyTorch since 1.6, which are zip archives."""
OLD_FORMAT = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The first bytes of files written by PyTorch before 1.6, which are not zip archives."""
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.*)", re.DOTALL)

LARGEST_PICKLE = 256 << 20
"""The largest pickle in bytes. MMEngine's contain the whole log with 8 bytes per value, which is tens of
megabytes after a long training."""
MOST_STEPS = 5_000_000
"""The largest number of instructions in a pickle; a checkpoint of 1,000 tensors has about 50,000."""
MOST_ENTRIES = 200_000

REFUSED_MODULES = frozenset(
    {
        *(
            "os",
            "posix",
            "nt",
            "subprocess",
            "sys",
            "importlib",
            "runpy",
            "shutil",
            "socket",
            "ctypes",
            "pty",
        ),
        *("pip", "pickle", "_pickle", "marshal", "operator", "_operator", "webbrowser", "asyncio"),
        "multiprocessing",
    }
)
"""Packages that honest checkpoints never need and attacks do."""
REFUSED_BUILTINS = frozenset(
    {
        *("eval", "exec", "execfile", "compile", "__import__", "open", "input", "breakpoint", "apply"),
        *("globals", "locals", "vars", "setattr", "delattr", "exit", "quit"),
    }
)

KEPT = (Tensor, torch.Size, torch.dtype, torch.device, str, bytes, bytearray, int, float, complex, type(None))
KEYS = (str, int, float, bytes, type(None))

_OTHER_CONTAINER = re.compile(r"Can only (append|extend|SETITEMS?)\b.* got <class '(.+)'>")
"""The restricted unpickler's message about an object that should be a list or dict and is of another
class."""


class DamagedError(InputError):
    """A file that is not what was once written, so that it can no longer be read."""


class StandIn:
    """Takes the place of an object that is not read: it accepts anything, holds nothing and does nothing."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Take any arguments."""
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


class _AsDict(StandIn):
    """Stand-in for a mapping class: a dict, which the file goes on to fill."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return OrderedDict()


class _AsList(StandIn):
    """Stand-in for a list class: a list, which the file goes on to fill."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return []


class _Getattr(StandIn):
    """Stand-in for ``getattr``, which pickles use for methods and nested classes."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return StandIn


class _NumpyDtype(StandIn):
    """Stand-in for ``numpy.dtype``, which keeps the code (``f8``) and the byte order."""

    KNOWN = re.compile(r"b1|[iu][1248]|f[248]|c(8|16)|[SU][0-9]{1,6}")

    def __init__(self, code: Any = None, *args: Any) -> None:
        self.code = code if isinstance(code, str) and self.KNOWN.fullmatch(code) else None
        self.order = "<"

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] == ">":
            self.order = ">"

    def read(self, data: Any) -> np.ndarray | None:
        """Return the numbers stored in some bytes; None if the type or the bytes do not allow that."""
        if self.code is None or not isinstance(data, bytes):
            return None
        kind = np.dtype(self.order + self.code)
        return np.frombuffer(data, kind) if kind.itemsize and len(data) % kind.itemsize == 0 else None


class _NumpyScalar(StandIn):
    """Stand-in for NumPy's function that makes a scalar: it becomes a Python number."""

    def __new__(cls, dtype: Any = None, data: Any = None, *args: Any) -> Any:
        values = dtype.read(data) if isinstance(dtype, _NumpyDtype) else None
        return values[0].item() if values is not None and len(values) == 1 else None


class _NumpyArray(StandIn):
    """Stand-in for NumPy's function that makes an array, which keeps the state that the file then sets."""

    def __init__(self, *args: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def tensor(self) -> Tensor | None:
        """Return the array as a tensor; None if it does not hold numbers."""
        try:
            _, shape, dtype, fortran, data = self.state
            values = dtype.read(data).reshape(shape, order="F" if fortran else "C")
            return torch.from_numpy(np.array(values, values.dtype.newbyteorder("="), order="C"))
        except (TypeError, ValueError, AttributeError):
            return None


STAND_INS: dict[str, type[StandIn]] = {
    "builtins.getattr": _Getattr,
    "collections.defaultdict": _AsDict,
    "collections.deque": _AsList,
    "numpy.dtype": _NumpyDtype,
    "numpy.core.multiarray.scalar": _NumpyScalar,
    "numpy._core.multiarray.scalar": _NumpyScalar,
    "numpy.core.multiarray._reconstruct": _NumpyArray,
    "numpy._core.multiarray._reconstruct": _NumpyArray,
}
"""Names that need a stand-in of their own to keep reading; all others get a plain one."""


def read_checkpoint(path: str | Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Read the tensors and plain values of a checkpoint without executing anything in it.

    Args:
        path: a file written by PyTorch.
        map_location: device that the tensors are loaded to, as in ``torch.load``; None is the CPU.

    Returns:
        The content of the file. Objects that are neither tensors nor plain values become None, NumPy's arrays
        of numbers become tensors, and its scalars become Python numbers.

    Raises:
        DamagedError: the file is truncated or was changed since it was written.
        InputError: the file does not exist, is not a checkpoint or would execute code on loading.
    """
    if address := address_of(path):
        raise InputError(f"{address}: this is an address; download the file and give its path")
    with _open(path) as file:
        content = _load(file, path, "cpu" if map_location is None else map_location)
    if not isinstance(content, dict):
        kind = type(content)
        network = isinstance(content, StandIn)
        name = f"{kind.__module__}.{kind.__qualname__}" if network else kind.__name__
        advice = "; save its state_dict() instead" if network else ""
        raise InputError(f"{path}: holds an object of class {one_line(name)}, not a checkpoint{advice}")
    try:
        return _settle(content, {})
    except RecursionError:
        raise InputError(f"{path}: its content is nested too deeply") from None


def address_of(location: str | Path) -> str | None:
    """Return a location as it was typed if it is an address, such as ``https://...``; None for a path.

    This undoes ``pathlib``'s change of ``https://`` to ``https:/``.
    """
    text = str(location)
    address = _ADDRESS.fullmatch(text)
    if address is None or Path(text).exists():
        return None
    return text if "://" in text else f"{address[1]}://{address[2]}"


def check_whole(path: str | Path) -> None:
    """Verify the checksums in a checkpoint without loading it.

    Raises:
        DamagedError: the file is truncated or was changed since it was written.
        InputError: the file does not exist or is not a checkpoint.
    """
    with _open(path) as file:
        _check_container(file, path)


@contextmanager
def _open(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a regular file; anything else could block the reader forever."""
    try:
        # Without O_NONBLOCK, opening a pipe waits until somebody writes to it.
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise InputError(f"{path}: no such checkpoint") from None
    except OSError as error:
        raise InputError(describe_os_error(error)) from None
    try:
        status = os.fstat(number)
        if stat.S_ISDIR(status.st_mode):
            raise InputError(f"{path}: a folder, not a checkpoint")
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path}: a pipe or a device, not a checkpoint")
        if status.st_size == 0:
            raise DamagedError(f"{path}: the checkpoint is empty (0 bytes)")
        file = os.fdopen(number, "rb", closefd=False)
        with file:
            yield file
    finally:
        os.close(number)


def _check_container(file: IO[bytes], path: str | Path) -> zipfile.ZipFile | None:
    """Verify the checksums of a zip archive and return it; None for the old format, which has none."""
    size = os.fstat(file.fileno()).st_size
    begin = file.read(len(OLD_FORMAT))
    if begin == OLD_FORMAT:
        return None
    if not begin.startswith(ZIP):
        safetensors = " (safetensors are not read)" if str(path).endswith(".safetensors") else ""
        raise DamagedError(f"{path}: not a checkpoint of PyTorch, or a damaged one{safetensors}")
    try:
        archive = zipfile.ZipFile(file)
        entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError, struct.error):
        raise DamagedError(f"{path}: truncated or damaged: its table of contents is missing") from None
    names = [entry.filename.casefold() for entry in entries]
    if any(name.endswith("/constants.pkl") for name in names):
        raise InputError(f"{path}: a TorchScript program; save the state_dict() of its network instead")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise InputError(f"{path}: refused: a compressed archive, which PyTorch never writes")
    if len(set(names)) < len(names) or len(names) > MOST_ENTRIES or sum(e.file_size for e in entries) > size:
        raise InputError(f"{path}: refused: its entries overlap, which PyTorch never writes")
    for entry in entries:
        try:
            with archive.open(entry) as content:
                while content.read(1 << 20):
                    pass
        except (zipfile.BadZipFile, ValueError, OSError, EOFError, RuntimeError, struct.error):
            raise DamagedError(
                f"{path}: damaged: the checksum of {one_line(entry.filename)} is wrong; "
                "take another copy, or an earlier checkpoint"
            ) from None
    return archive


def _load(file: IO[bytes], path: str | Path, map_location: Any) -> Any:
    archive = _check_container(file, path)
    names = _named_in(archive, file, path)
    kinds = {name: STAND_INS.get(name, StandIn) for name in names}
    while True:
        file.seek(0)
        try:
            with _answering(kinds), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return torch.load(file, map_location=map_location, weights_only=True)
        except MemoryError:
            raise InputError(f"{path}: not enough memory to read it") from None
        except Exception as error:  # a malformed file can make the unpickler raise anything
            message = str(error)
            found = _OTHER_CONTAINER.search(message)
            if found and kinds.get(found[2]) is StandIn:
                kinds[found[2]] = _AsDict if found[1].startswith("SET") else _AsList
                continue
            reason = message.rpartition("WeightsUnpickler error: ")[2].strip() or type(error).__name__
            reason = one_line(reason.splitlines()[0])
            if archive is not None:  # its checksums are right, so the file is as it was written
                raise InputError(
                    f"{path}: cannot be read without executing what is in it ({reason})"
                ) from None
            raise DamagedError(f"{path}: damaged, or not a checkpoint ({reason})") from None


@contextmanager
def _answering(kinds: dict[str, type[StandIn]]) -> Iterator[None]:
    """Let PyTorch's unpickler replace these names by stand-ins, and allow no names from elsewhere."""
    before = get_safe_globals()
    made: list[Any] = [StandIn]
    for full_name, kind in kinds.items():
        module, _, name = full_name.rpartition(".")
        made.append(type(name, (kind,), {"__module__": module, "__qualname__": name}))
    clear_safe_globals()
    add_safe_globals(made)
    try:
        yield
    finally:
        clear_safe_globals()
        add_safe_globals(before)


def _named_in(archive: zipfile.ZipFile | None, file: IO[bytes], path: str | Path) -> set[str]:
    """Return the full names of all classes and functions that a checkpoint names.

    Raises:
        InputError: one of these names is only used by attacks.
    """
    if archive is None:
        file.seek(0)
        stream = io.BytesIO(file.read(LARGEST_PICKLE))
        pickles = 4  # a magic number, a version, facts about the system, then the content
    else:
        root = archive.namelist()[0].partition("/")[0] if archive.namelist() else ""
        try:
            entry = archive.getinfo(f"{root}/data.pkl")
        except KeyError:
            raise InputError(f"{path}: a zip archive, but not a checkpoint of PyTorch") from None
        if entry.file_size > LARGEST_PICKLE:
            raise InputError(f"{path}: refused: its structure alone takes {entry.file_size / 2**20:.0f} MiB")
        stream, pickles = io.BytesIO(archive.read(entry)), 1
    names: set[str] = set()
    steps = 0
    try:
        for _ in range(pickles):
            for opcode, argument, _ in pickletools.genops(stream):
                steps += 1
                if steps > MOST_STEPS:
                    raise InputError(f"{path}: refused: its structure has more than {MOST_STEPS:,} parts")
                if opcode.name == "PROTO" and int(argument or 0) > 2:
                    raise InputError(
                        f"{path}: written with pickle protocol {argument}, of which only PyTorch's own, 2, "
                        "can be read without executing it: save it again with torch.save(content, path)"
                    )
                if opcode.name in ("GLOBAL", "INST"):
                    names |= _checked_names(argument, path)
    except (ValueError, EOFError, OverflowError, struct.error) as error:
        raise DamagedError(f"{path}: damaged, or not a checkpoint ({one_line(str(error))})") from None
    return names


def _checked_names(argument: Any, path: str | Path) -> set[str]:
    """Return the dotted names that "module name" in a checkpoint may mean, in Python 2 and in Python 3.

    Raises:
        InputError: it names something that only attacks use.
        ValueError: it has no module or no name.
    """
    module, _, name = str(argument).rpartition(" ")
    if not module or not name or "\0" in name:
        raise ValueError("a class without a name")
    new = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
    for package, what in ((module, name), new):
        if package.split(".")[0] in REFUSED_MODULES or (
            package in ("builtins", "__builtin__") and what in REFUSED_BUILTINS
        ):
            raise InputError(
                f"{path}: refused: loading it would execute code ({one_line(f'{module}.{name}')}); "
                "ask for a file that holds only tensors and plain values"
            )
    return {f"{module}.{name}", ".".join(new)}


def _settle(value: Any, done: dict[int, Any]) -> Any:
    """Return a value with stand-ins replaced and without containers that contain themselves."""
    if isinstance(value, _NumpyArray):
        return value.tensor()
    if isinstance(value, KEPT):
        return value
    if not isinstance(value, (dict, list, tuple, set)):
        return None
    if id(value) in done:
        return done[id(value)]
    done[id(value)] = None
    settled: Any
    if isinstance(value, dict):
        settled = OrderedDict() if isinstance(value, OrderedDict) else {}
        for key, item in value.items():
            if isinstance(key, KEYS):
                settled[key] = _settle(item, done)
        # Versions of the modules, which load_state_dict uses.
        if isinstance(versions := module_versions(value), dict):
            set_module_versions(settled, _settle(versions, done))
    elif isinstance(value, set):
        settled = {item for item in value if isinstance(item, KEYS)}
    else:
        settled = type(value)(_settle(item, done) for item in value)
    done[id(value)] = settled
    return settled
