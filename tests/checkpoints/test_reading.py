"""The reader of checkpoints reads any honest file, executes nothing and refuses damaged files."""

from __future__ import annotations

import argparse
import collections
import datetime
import enum
import functools
import os
import pathlib
import random
import zipfile

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from torch import nn

from lednet_mm.checkpoints.reading import DamagedError, check_whole, read_checkpoint
from lednet_mm.errors import InputError

STATE = {"a.weight": torch.arange(12.0).reshape(3, 4), "a.bias": torch.ones(3)}


class Mode(enum.Enum):
    """A class that a file names and that the reader does not know."""

    FAST = 1


class Settings(dict):
    """A mapping class like those of Lightning and yacs."""

    def __init__(self, *args):
        super().__init__(*args)
        self.frozen = True


class Names(list):
    """A subclass of list."""


class Outer:
    """A class that contains another one, which a pickle names through ``getattr``."""

    class Inner:
        """The nested class."""


class Runs:
    """Calls a function when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def message_hub() -> dict:
    hub = MessageHub.get_instance("a stock training")
    hub.update_scalar("train/loss", 1.0)
    hub.update_info("best", np.float64(0.5))
    return hub.state_dict()


BESIDE = {
    "HistoryBuffer": (HistoryBuffer([1.0], [1]), None),
    "Namespace": (argparse.Namespace(lr=1), None),
    "path": (pathlib.PurePosixPath("/x"), None),
    "enum": (Mode.FAST, None),
    "date": (datetime.datetime(2020, 1, 1), None),
    "partial": (functools.partial(len), None),
    "range": (range(3), None),
    "inner class": (Outer.Inner(), None),
    "class": (Outer, None),
    "module": (nn.Linear(1, 1), None),
    "object array": (np.array([None, 1], dtype=object), None),
    "np.float64": (np.float64(0.5), 0.5),
    "np.str_": (np.str_("miou"), "miou"),
    "big-endian": (np.array([1.5, 2.5], dtype=">f4"), torch.tensor([1.5, 2.5])),
    "column order": (np.asfortranarray([[1, 2], [3, 4]]), torch.tensor([[1, 2], [3, 4]])),
    "mapping": (Settings({"a": {"b": 1}}), {"a": {"b": 1}}),
    "defaultdict": (collections.defaultdict(list, {"a": [1]}), {"a": [1]}),
    "list": (Names([1, 2]), [1, 2]),
    "deque": (collections.deque([1, 2]), [1, 2]),
    "inside others": ([(Mode.FAST, 1), {"a": Mode.FAST, Mode.FAST: 2}], [(None, 1), {"a": None}]),
    "random state": (random.Random(1).getstate(), random.Random(1).getstate()),
    "bytes": (b"\xff\0", b"\xff\0"),
}


@pytest.mark.parametrize("name", BESIDE)
@pytest.mark.parametrize("old", [False, True], ids=["zip", "old format"])
def test_objects_beside_the_weights_do_not_matter(name, old, tmp_path):
    if old and name == "module":
        pytest.skip("the old format keeps the source of modules, and PyTorch refuses it")
    beside, expected = BESIDE[name]
    content = {"state_dict": STATE, "beside": beside, "after": [1, "x", None]}
    torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=not old)
    before = torch.serialization.get_safe_globals()
    read = read_checkpoint(tmp_path / "w.pth")
    assert read["after"] == [1, "x", None]
    assert all(torch.equal(read["state_dict"][key], STATE[key]) for key in STATE)
    if isinstance(expected, torch.Tensor):
        assert torch.equal(read["beside"], expected)
    else:
        assert read["beside"] == expected
    assert set(torch.serialization.get_safe_globals()) == set(before), "what is allowed elsewhere has changed"
    torch.save(read, tmp_path / "again.pth")
    torch.load(tmp_path / "again.pth", weights_only=True)  # nothing but tensors and plain values is left


def test_a_message_hub_of_mmengine(tmp_path):
    torch.save({"state_dict": STATE, "message_hub": message_hub()}, tmp_path / "w.pth")
    read = read_checkpoint(tmp_path / "w.pth")
    assert read["message_hub"]["runtime_info"]["best"] == 0.5
    assert read["message_hub"]["log_scalars"] == {"train/loss": None}


ATTACKS = {
    "os.system": lambda p: Runs(os.system, f"touch {p}"),
    "eval": lambda p: Runs(eval, f"open({str(p)!r}, 'w')"),
    "exec": lambda p: Runs(exec, f"open({str(p)!r}, 'w')"),
    "Path.touch": lambda p: Runs(functools.partial(pathlib.Path.touch, p)),
    "torch.save": lambda p: Runs(torch.save, 1, str(p)),
    "np.save": lambda p: Runs(np.save, str(p), 1),
    "open": lambda p: Runs(open, str(p), "w"),
}


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("old", [False, True], ids=["zip", "old format"])
def test_nothing_in_a_file_is_executed(name, old, tmp_path):
    mark = tmp_path / "executed.npy"
    content = {"state_dict": STATE, "x": ATTACKS[name](mark)}
    torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=not old)
    refused = None
    try:
        read = read_checkpoint(tmp_path / "w.pth")
    except InputError as error:
        refused = str(error)
    else:
        assert read["x"] is None
    assert refused is None or refused.startswith(str(tmp_path / "w.pth"))
    assert not mark.exists()
    assert not mark.with_suffix("").exists()


def test_one_flipped_byte_of_a_weight_is_found(tmp_path):
    path = tmp_path / "w.pth"
    torch.save({"state_dict": STATE}, path)
    raw = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        place = raw.find(archive.read("w/data/0"))
    raw[place + 7] ^= 1
    path.write_bytes(raw)
    torch.load(path, weights_only=True)  # PyTorch says nothing
    for reader in (read_checkpoint, check_whole):
        with pytest.raises(DamagedError, match=r"w\.pth: damaged: the checksum of w/data/0 is wrong"):
            reader(path)


@pytest.mark.parametrize("old", [False, True], ids=["zip", "old format"])
def test_a_damaged_file_ends_in_a_line(old, tmp_path):
    path = tmp_path / "w.pth"
    content = {"state_dict": STATE, "history": HistoryBuffer([1.0], [1]), "array": np.arange(3.0)}
    torch.save(content, path, _use_new_zipfile_serialization=not old)
    raw, rng = path.read_bytes(), random.Random(0)
    lines = []
    for _ in range(200):
        damaged = bytearray(raw)
        if rng.random() < 0.5:
            damaged[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        else:
            del damaged[rng.randrange(len(raw)) :]
        path.write_bytes(damaged)
        try:
            read = read_checkpoint(path)
        except InputError as error:
            lines.append(str(error))
        else:
            if not old:
                assert all(torch.equal(read["state_dict"][key], STATE[key]) for key in STATE)
    assert len(lines) > 100
    assert all(line.startswith(str(path)) and "\n" not in line for line in lines)


def bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w/data.pkl", b"0" * 10**6)


def no_pickle(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("w/notes.txt", b"0")


def twice(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("w/data.pkl", b"0")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("w/data.pkl", b"1")


ODD = {
    "a pipe": (os.mkfifo, "a pipe or a device"),
    "a folder": (os.mkdir, "a folder, not a checkpoint"),
    "empty": (lambda p: p.touch(), "empty"),
    "nothing": (lambda p: None, "no such checkpoint"),
    "text": (lambda p: p.write_text("hello"), "not a checkpoint of PyTorch"),
    "a compressed archive": (bomb, "compressed"),
    "another archive": (no_pickle, "not a checkpoint of PyTorch"),
    "entries of one name": (twice, "overlap"),
    "a network": (lambda p: torch.save(nn.Linear(1, 1), p), "class torch.nn.modules.linear.Linear"),
    "a list": (lambda p: torch.save([1], p), "an object of class list"),
    "a tensor": (lambda p: torch.save(torch.ones(1), p), "an object of class Tensor"),
    "protocol 4": (lambda p: torch.save({}, p, pickle_protocol=4), "pickle protocol 4"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_files_end_in_a_line(name, tmp_path):
    make, message = ODD[name]
    make(tmp_path / "w.pth")
    with pytest.raises(InputError, match=message) as raised:
        read_checkpoint(tmp_path / "w.pth")
    assert str(tmp_path / "w.pth") in str(raised.value)


def test_content_that_holds_itself_and_that_grows_without_end(tmp_path):
    circle: list = []
    circle.append(circle)
    doubling: list = [1]
    for _ in range(60):
        doubling = [doubling, doubling]
    torch.save({"circle": circle, "doubling": doubling, "state_dict": STATE}, tmp_path / "w.pth")
    read = read_checkpoint(tmp_path / "w.pth")
    assert read["circle"] == [None]


def test_an_address_is_no_file_and_stays_as_it_was_written():
    with pytest.raises(InputError, match=r"^https://example.org/w.pth: this is an address"):
        read_checkpoint("https://example.org/w.pth")
