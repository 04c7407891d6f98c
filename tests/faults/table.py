"""The form of the catalogue of faults: what is done, how it must end, and that no file of a user is lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lednet_mm.files import file_sha256
from tests.conftest import ROOT, Outcome


@dataclass(frozen=True)
class Bench:
    """Where a fault is arranged.

    Attributes:
        place: an empty folder.
        config: writes a config that trains on a small set in seconds: ``config(*more lines)``.
        streets: that set, which is shared: a fault damages a copy.
    """

    place: Path
    config: Callable[..., Path]
    streets: Path

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file below the bench's folder."""
        path = self.place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path


@dataclass(frozen=True)
class Fault:
    """One row of the catalogue.

    Attributes:
        what: is done, in words.
        arrange: makes the input, and returns the command: a tool's name and its arguments.
        says: what the one line on stderr must contain.
        status: the exit status.
        prefix: how that line begins.
    """

    what: str
    arrange: Callable[[Bench], Sequence[object]]
    says: tuple[str, ...]
    status: int = 2
    prefix: str = "error: "

    def __str__(self) -> str:
        return self.what


def files_of(folder: Path) -> dict[Path, str]:
    """Return the sha256 of every file below a folder, hidden ones too."""
    return {path: file_sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def check(fault: Fault, bench: Bench, tool: Callable[..., Outcome]) -> None:
    """Commit a fault, and look at how the command ends and at every file that was there before."""
    name, *arguments = fault.arrange(bench)
    before = files_of(bench.place)
    outcome = tool(str(name), *arguments)
    lines = [line for line in outcome.err.splitlines() if line.startswith(fault.prefix)]
    assert "Traceback" not in outcome.out + outcome.err
    assert outcome.status == fault.status, outcome.err
    assert len(lines) == 1, outcome.err
    for part in fault.says:
        assert part.format(place=bench.place, root=ROOT) in lines[0]
    after = files_of(bench.place)
    assert {path: after.get(path) for path in before} == before, "a file of the user's was changed or is gone"
    assert not [path for path in after if path.name.endswith(".part")]
