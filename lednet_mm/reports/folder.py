"""The folder of a report: files of an earlier report are replaced or removed, and other files are kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from lednet_mm.files import check_outputs, file_sha256, read_regular, require_writable, write_atomically

ENDINGS = (".csv", ".md", ".tex", ".png", ".svg", ".html")
"""Endings of the files that a report writes."""


class Written(BaseModel):
    """The list that a report leaves in its folder: file name -> sha256 sums of the content written.

    While a report is being written, a file can have several sums.
    """

    model_config = ConfigDict(strict=True, extra="forbid")

    files: dict[str, Annotated[list[str], Field(max_length=100)]]


class ReportFolder:
    """A report's folder.

    Args:
        place: path of the folder, which need not exist yet.
        overwrite: whether files that no report wrote may be replaced.
        keep_list: whether the list of written files is kept; committed reports have none.

    Raises:
        InputError: the folder is not writable.
    """

    LIST = ".report.json"
    LARGEST = 1 << 20

    def __init__(self, place: str | Path, *, overwrite: bool = False, keep_list: bool = True) -> None:
        self.place = Path(place)
        self.overwrite = overwrite
        self.keep_list = keep_list
        # The folder is not created yet, because the next steps may fail.
        require_writable(next(p for p in (self.place, *self.place.absolute().parents) if p.exists()))
        self.list_is_foreign = False
        self.earlier = self._read_list()

    def _read_list(self) -> dict[str, list[str]]:
        try:
            data = read_regular(self.place / self.LIST, self.LARGEST)
            files = Written.model_validate_json(data).files
        except (OSError, ValueError) as error:  # without a valid list, no file counts as a report's
            self.list_is_foreign = not isinstance(error, FileNotFoundError)
            return {}
        # The list may have been edited: only remove files that a report could have written.
        return {name: sums for name, sums in files.items() if Path(name).name == name and _is_ours(name)}

    def _is_as_written(self, name: str) -> bool:
        path = self.place / name
        return (
            name in self.earlier
            and path.is_file()
            and not path.is_symlink()
            and file_sha256(path) in self.earlier[name]
        )

    def _holds(self, name: str, data: bytes) -> bool:
        path = self.place / name
        return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data

    def check(self, files: Mapping[str, bytes]) -> None:
        """Look for files of others in the way of new files; a file with the same content is not in the way.

        Raises:
            InputError: there is such a file, and it may not be replaced.
        """
        foreign = [self.place / self.LIST] if self.keep_list and self.list_is_foreign else []
        foreign += [
            self.place / name
            for name, data in files.items()
            if (self.place / name).exists() and not self._is_as_written(name) and not self._holds(name, data)
        ]
        check_outputs(foreign, overwrite=self.overwrite)

    def write(self, files: Mapping[str, bytes]) -> tuple[Path, ...]:
        """Write the report's files, and remove those of an earlier report that are no longer needed.

        Files that already have the right content are not written again.

        Returns:
            The files that are new or have changed.

        Raises:
            InputError: see :meth:`check`.
            OSError: a file cannot be written.
        """
        self.check(files)
        changed = {name: data for name, data in files.items() if not self._holds(name, data)}
        stale = [name for name in self.earlier if name not in files and self._is_as_written(name)]
        sums = {name: [hashlib.sha256(data).hexdigest()] for name, data in files.items()}
        if changed or stale:
            # First write the list with both contents, so that an interrupted report owns all its files.
            names = {*self.earlier, *sums}
            self._write_list({name: [*self.earlier.get(name, ()), *sums.get(name, ())] for name in names})
        for name, data in changed.items():
            write_atomically(self.place / name, data)
        for name in stale:
            (self.place / name).unlink()
        self._write_list(sums)
        return tuple(self.place / name for name in changed)

    def _write_list(self, sums: Mapping[str, list[str]]) -> None:
        data = json.dumps({"files": dict(sorted(sums.items()))}, indent=1).encode() + b"\n"
        if self.keep_list and not self._holds(self.LIST, data):
            write_atomically(self.place / self.LIST, data)


def _is_ours(name: str) -> bool:
    return name.endswith(ENDINGS) and not name.startswith(".")
