"""The definition of a fault, and the folder in which it is tried, with data, a config and trained weights."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import runpy
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from tests.conftest import ROOT, SMALL_MODEL, Outcome

WEIGHTS = ROOT / "reports" / "lednet_camvid_cpu" / "lednet_camvid_cpu.pth"
CAMVID = ROOT / "configs" / "lednet_camvid_cpu.py"
NO_SHUFFLE = ('variant = "no_shuffle"', "model['backbone'].update(shuffle=False)")
"""The committed weights of LEDNet, and their config: a network that predicts sensibly."""

KINDS = {
    "A": "a number is recorded that is not what it says",
    "B": "a user's file is lost or left out",
    "C": "code of a file runs",
    "D": "an advertised option does not work",
    "E": "an honest input of the trade is refused",
    "F": "two readers of one image",
    "G": "a mistake ends in a traceback, or late",
    "H": "the answer cannot be read",
}


class Place:
    """A folder in which one fault is tried.

    Args:
        folder: empty folder.
        streets: a generated set of 6 training and 2 validation images of 64x128.
        trained: the folder of a short training on it, which must not be changed.
    """

    def __init__(self, folder: Path, streets: Path, trained: Path) -> None:
        self.folder, self.streets, self.trained = folder, streets, trained

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    @property
    def executed(self) -> Path:
        """The file that exists if something has run code of a file."""
        return self.folder / "EXECUTED"

    def config(self, *lines: str, name: str = "small", base: str = "configs/lednet_streets.py") -> Path:
        """Write a config that trains for 4 iterations on the small set, with further lines."""
        path = self.folder / f"{name}.py"
        path.write_text(small_config(self.data_root(), *lines, base=base))
        return path

    def data_root(self) -> Path:
        """Return the folder of the data that configs of this place read, a copy if :meth:`data` made one."""
        own = self.folder / "streets"
        return own if own.is_dir() else self.streets

    def data(self) -> Path:
        """Return a copy of the small set that may be damaged; configs written afterwards read it."""
        own = self.folder / "streets"
        if not own.is_dir():
            shutil.copytree(self.streets, own)
        return own

    def pair(self, split: str = "train", index: int = 0) -> tuple[Path, Path]:
        """Return image and label of the copied set."""
        image = sorted(self.data().rglob(f"leftImg8bit/{split}/**/*.png"))[index]
        label = (
            str(image)
            .replace("leftImg8bit/", "gtFine/", 1)
            .replace("_leftImg8bit.", "_gtFine_labelTrainIds.")
        )
        return image, Path(label)

    def labels(self, split: str = "**") -> list[Path]:
        """Return all label files of the copied set."""
        return sorted(self.data().rglob(f"gtFine/{split}/**/*_labelTrainIds.png"))

    def run(self, name: str = "run") -> Path:
        """Return a copy of the trained run's folder."""
        target = self.folder / name
        if not target.is_dir():
            shutil.copytree(self.trained, target)
        return target

    def weights(self, change: Callable[[dict], Any] | None = None, name: str = "weights.pth") -> Path:
        """Return a copy of the trained checkpoint, changed by ``change(content)`` -> new content."""
        path = self.folder / name
        content = torch.load(self.trained / "iter_4.pth", weights_only=True)
        if change is None:
            shutil.copy(self.trained / "iter_4.pth", path)
        else:
            changed = change(content)
            torch.save(content if changed is None else changed, path)
        return path

    def photo(self, name: str = "a.png", size: tuple[int, int] = (48, 64)) -> Path:
        """Write a picture of some structure, (height, width) pixels, and return its path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(0)
        ramp = np.linspace(0, 255, size[0])[:, None, None] + rng.integers(-9, 9, (*size, 3))
        path.write_bytes(cv2.imencode(path.suffix.lower(), ramp.clip(0, 255).astype(np.uint8))[1].tobytes())
        return path

    def file(self, name: str = "file", content: bytes | str = b"mine") -> Path:
        """Write a file, often at the place of a folder that is needed."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def records(self, name: str = "run") -> list[dict]:
        """Return the records in a run's folder as decoded JSON."""
        return [
            json.loads(path.read_text()) for path in sorted((self.folder / name / "records").glob("*.json"))
        ]


def small_config(data: Path, *lines: str, base: str = "configs/lednet_streets.py") -> str:
    """Return a config that trains for 4 iterations on a small set of streets."""
    splits = [
        f"{split}_dataloader = dict(dataset=dict(data_root={str(data)!r}))" for split in ("val", "test")
    ]
    pipeline = ["SeedAugmentation", "LoadImage", "LoadLabels", "RandomCrop", "PackSegInputs"]
    steps = [
        f"dict(type={name!r}{', crop_size=(64, 128)' if name == 'RandomCrop' else ''})" for name in pipeline
    ]
    return "\n".join(
        [
            f"_base_ = {str(ROOT / base)!r}",
            f"train_pipeline = [{', '.join(steps)}]",
            "train_dataloader = dict(batch_size=2, "
            f"dataset=dict(data_root={str(data)!r}, pipeline=train_pipeline))",
            *splits,
            SMALL_MODEL,
            "train_cfg = dict(max_iters=4, val_interval=4)",
            "default_hooks = dict(checkpoint=dict(interval=2, max_keep_ckpts=3), logger=dict(interval=1))",
            *lines,
            "",
        ]
    )


Words = Callable[[Place], Sequence[object]]
Check = Callable[[Place, Outcome], None]


@dataclass(frozen=True)
class Fault:
    """One fault: what is done, and how it must end.

    Attributes:
        what: description of what a user did or encountered.
        kind: key of ``KINDS``.
        words: prepares the place, and returns the command: a tool's name and its arguments.
        status: the exit status expected.
        says: parts that stand in the one line that names the fault; in the whole output where the status is
            0 or the fault does not end the command.
        changes: patterns (of ``Path.match``) of files that may change or go; all others must stay.
        also: further checks afterwards.
        drawn: whether a report draws its plots, which takes most of its time.
    """

    what: str
    kind: str
    words: Words
    status: int = 2
    says: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    also: Sequence[Check] = field(default_factory=tuple)
    drawn: bool = True


def run_tool(name: str, *arguments: object) -> Outcome:
    """Run a command of tools/ in this process."""
    out, err, argv = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = [str(ROOT / "tools" / f"{name}.py"), *map(str, arguments)]
    status: Any = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as ended:
        status = ended.code
    finally:
        sys.argv = argv
    if isinstance(status, str):
        return Outcome(1, out.getvalue(), err.getvalue() + status)
    return Outcome(int(status or 0), out.getvalue(), err.getvalue())


def snapshot(folder: Path) -> dict[str, str]:
    """Return the sha256 of each regular file below a folder, by its path within."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_fifo():
            found[os.fspath(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found
