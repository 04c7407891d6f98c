"""Checkpoints of any origin and shape, given to the tools that take weights."""

from __future__ import annotations

import argparse
import os
import pathlib
from collections import OrderedDict

import numpy as np
import torch

from tests.faults.place import CAMVID, NO_SHUFFLE, WEIGHTS, Fault, Place


class Attack:
    """An object whose pickle runs a command."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_of(make, *options: object):
    """Return the command that tests a checkpoint made by ``make(place)``."""

    def words(place: Place):
        return (
            "test",
            place.config(),
            make(place),
            "--split",
            "val",
            "--work-dir",
            place / "tested",
            *options,
        )

    return words


def content(change):
    """Return a function that writes the trained checkpoint with changed content."""
    return lambda place: place.weights(change)


def state(change):
    """Return a function that writes a file made from the trained weights."""
    return lambda place: place.weights(lambda c: change(c["state_dict"]))


def raw(data: bytes):
    """Return a function that writes a file with these bytes."""
    return lambda place: place.file("weights.pth", data)


def prefixed(prefix: str):
    """Return a function that writes the weights under names with a prefix."""
    return state(lambda s: {"state_dict": {prefix + name: value for name, value in s.items()}})


def flipped(place: Place):
    """Write the checkpoint with one byte of its tensors changed."""
    path = place.weights()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x7F
    path.write_bytes(bytes(data))
    return path


def attacked(place: Place):
    """Write a checkpoint that runs a command when it is unpickled."""
    return place.weights(lambda c: {**c, "more": Attack(place.executed)})


def legacy(place: Place):
    """Write the checkpoint in the format that PyTorch used before 1.6."""
    path = place.file("weights.pth", b"")
    torch.save(
        torch.load(place.trained / "iter_4.pth", weights_only=True),
        path,
        _use_new_zipfile_serialization=False,
    )
    return path


def seven_classes(checkpoint: dict) -> dict:
    """Reduce the trained weights to 7 classes, as if they came from a training on another dataset."""
    weights = checkpoint["state_dict"]
    cut = {k: v[:7] if v.dim() and len(v) == 19 else v for k, v in weights.items()}
    return {"state_dict": cut}


def with_history(place: Place):
    """Write a checkpoint with everything that MMEngine's own runner keeps besides the weights."""
    from mmengine.logging import HistoryBuffer

    return place.weights(
        lambda c: {**c, "message_hub": {"log_scalars": {"train/loss": HistoryBuffer([1.0, 2.0], [1, 1])}}}
    )


def tested(place: Place, outcome) -> None:
    """Check that a record of the test was written."""
    kinds = [r["kind"] for r in place.records("tested")]
    assert kinds == ["accuracy"]


def read(what: str, make) -> Fault:
    """Return an honest checkpoint that must be read."""
    return Fault(what, "E", test_of(make), 0, also=(tested,))


def refused(what: str, make, *says: str, kind: str = "E") -> Fault:
    """Return a checkpoint that must be refused, by name."""
    return Fault(what, kind, test_of(make), says=("weights.pth", *says))


def starting(what: str, settings, *says: str, status: int = 2, kind: str = "E") -> Fault:
    """Return a training that starts from a checkpoint: ``settings(place)`` -> settings of the config."""

    def words(place: Place):
        return ("train", place.config(), "--work-dir", place / "run", "--cfg-options", *settings(place))

    return Fault(what, kind, words, status, says=says)


def beginning(what: str, make, *says: str, status: int = 2, kind: str = "E") -> Fault:
    """Return a training that begins from the weights in the file that ``make(place)`` returns."""

    def words(place: Place):
        return ("train", place.config(), "--work-dir", place / "run", "--pretrained", make(place))

    return Fault(what, kind, words, status, says=says)


def pretrained(checkpoint: object, *more: str) -> list[str]:
    """Return the settings with which MMSegmentation's users load an encoder."""
    begin = "model.backbone.init_cfg"
    return [f"{begin}.type=Pretrained", f"{begin}.checkpoint={checkpoint}", *more]


def other_variant(place: Place):
    """Test the weights of the unchanged network with the config of a variant that has the same tensors."""
    config = place.config(*NO_SHUFFLE)
    return ("test", config, place.weights(), "--split", "val", "--work-dir", place / "tested")


FAULTS = [
    # What is read.
    read("weights trained by several processes", prefixed("module.")),
    read("weights of a compiled network", prefixed("_orig_mod.")),
    read("weights of a compiled network trained by several processes", prefixed("module._orig_mod.")),
    read("weights of Lightning", prefixed("model.")),
    read("weights under model_state_dict", state(lambda s: {"model_state_dict": s})),
    read("weights under model", state(lambda s: {"model": s, "epoch": 3})),
    read("weights under net", state(lambda s: {"net": s})),
    read("weights under ema", state(lambda s: {"ema": s})),
    read("weights under model and state_dict", state(lambda s: {"model": {"state_dict": s}})),
    read("weights alone", state(lambda s: OrderedDict(s))),
    read("a number of NumPy beside the weights", content(lambda c: {**c, "best": np.float64(0.5)})),
    read("an array of NumPy beside the weights", content(lambda c: {**c, "curve": np.arange(3.0)})),
    read(
        "the options of a program beside the weights",
        content(lambda c: {**c, "args": argparse.Namespace(lr=1)}),
    ),
    read("a path beside the weights", content(lambda c: {**c, "path": pathlib.Path("/x")})),
    read(
        "a set and a type beside the weights",
        content(lambda c: {**c, "seen": {1, 2}, "dtype": torch.float16}),
    ),
    read("a checkpoint of MMEngine's own runner", with_history),
    read("a checkpoint in the format of before PyTorch 1.6", legacy),
    refused(
        "a checkpoint whose meta is a list",
        content(lambda c: {"state_dict": c["state_dict"], "meta": [1]}),
        "meta",
    ),
    refused(
        "a checkpoint whose seed is negative",
        content(lambda c: {"state_dict": c["state_dict"], "meta": {"seed": -7}}),
        "seed",
    ),
    refused(
        "a checkpoint whose seed is text",
        content(lambda c: {"state_dict": c["state_dict"], "meta": {"seed": "x"}}),
        "seed",
    ),
    # What is not.
    refused("an empty file as a checkpoint", raw(b"")),
    refused("text as a checkpoint", raw(b"these are no weights")),
    refused("the beginning of a zip file as a checkpoint", raw(b"PK\x03\x04 and no more")),
    refused("a checkpoint with a changed byte", flipped, "damaged", kind="A"),
    refused("a checkpoint that runs code", attacked, "system", kind="C"),
    refused("a list as a checkpoint", state(lambda s: [1, 2, 3])),
    refused("a tensor as a checkpoint", state(lambda s: torch.zeros(3))),
    refused("a checkpoint without tensors", state(lambda s: {"epoch": 3, "note": "none"}), "epoch"),
    refused("a checkpoint of tensors with numbers for names", state(lambda s: {1: torch.zeros(2)})),
    refused(
        "a checkpoint with a tensor missing",
        state(lambda s: {k: v for k, v in s.items() if "middle.conv.weight" not in k}),
        "missing",
    ),
    refused(
        "a checkpoint with a tensor too many",
        state(lambda s: {**s, "more.weight": torch.zeros(1)}),
        "more.weight",
    ),
    refused(
        "a checkpoint of another shape",
        state(lambda s: {k: v[:1] if v.dim() == 4 else v for k, v in s.items()}),
        "shape",
    ),
    refused(
        "a checkpoint of NaN",
        state(lambda s: {k: v * float("nan") if v.is_floating_point() else v for k, v in s.items()}),
        "nan",
        kind="A",
    ),
    refused(
        "a checkpoint with one infinite value",
        state(
            lambda s: {
                k: v.masked_fill(torch.arange(v.numel()).reshape(v.shape) == 0, float("inf"))
                if v.dim() == 4
                else v
                for k, v in s.items()
            }
        ),
        kind="A",
    ),
    Fault(
        "a checkpoint that does not exist", "G", test_of(lambda p: p / "no.pth"), says=("no.pth", "no such")
    ),
    Fault("a folder as a checkpoint", "G", test_of(lambda p: p.run()), says=("run",)),
    Fault("the weights of another variant", "A", other_variant, says=("shuffle",)),
    # Starting a training from weights.
    starting(
        "an encoder's file that runs code",
        lambda p: pretrained(attacked(p)),
        "weights.pth",
        kind="C",
    ),
    starting(
        "an encoder's file under the wrong prefix", lambda p: pretrained(p.weights()), "weights.pth", kind="A"
    ),
    starting("an encoder's file that does not exist", lambda p: pretrained(p / "no.pth"), "no.pth"),
    starting("an encoder's file that is text", lambda p: pretrained(p.file("weights.pth")), "weights.pth"),
    starting(
        "an encoder's file with the right prefix",
        lambda p: pretrained(p.weights(), "model.backbone.init_cfg.prefix=backbone."),
        status=0,
    ),
    beginning("weights to start from that run code", attacked, "weights.pth", kind="C"),
    beginning("weights to start from that do not exist", lambda p: p / "no.pth", "no.pth"),
    beginning("a folder as weights to start from", lambda p: p.run("other"), "other"),
    beginning("text as weights to start from", lambda p: p.file("weights.pth"), "weights.pth"),
    beginning(
        "weights of NaN to start from",
        state(lambda s: {k: v * float("nan") for k, v in s.items()}),
        "weights.pth",
        "nan",
    ),
    beginning(
        "weights to start from of which nothing fits",
        content(lambda c: {"x": torch.zeros(1)}),
        "weights.pth",
        "0 of its encoder's",
    ),
    beginning(
        "weights to start from of which the classifier alone fits",
        state(lambda s: {k: v for k, v in s.items() if not k.startswith("backbone.")}),
        "weights.pth",
        "0 of its encoder's",
    ),
    beginning(
        "weights to start from of another number of classes", content(seven_classes), "decode_head", status=0
    ),
    beginning(
        "an encoder alone to start from",
        state(lambda s: {k[9:]: v for k, v in s.items() if k.startswith("backbone.")}),
        "not in the file (decode_head",
        status=0,
    ),
    starting(
        "weights to start from that a config names",
        lambda p: [f"load_from={p.weights()}"],
        "left: none",
        status=0,
    ),
    # Publishing and converting.
    Fault(
        "publishing over the checkpoint itself",
        "B",
        lambda p: ("publish_model", p.weights(), p / "weights.pth"),
        says=("weights.pth",),
    ),
    Fault(
        "publishing over a user's file",
        "B",
        lambda p: ("publish_model", p.weights(), p.file("notes.txt")),
        says=("notes.txt", "--overwrite"),
    ),
    Fault(
        "publishing weights of NaN",
        "A",
        lambda p: (
            "publish_model",
            state(lambda s: {k: v * float("nan") for k, v in s.items()})(p),
            p / "out.pth",
        ),
        says=("weights.pth", "nan"),
    ),
    Fault(
        "publishing a file that runs code",
        "C",
        lambda p: ("publish_model", attacked(p), p / "out.pth"),
        says=("weights.pth",),
    ),
    Fault(
        "publishing a checkpoint of MMEngine's own runner",
        "E",
        lambda p: ("publish_model", with_history(p), p / "out.pth"),
        0,
    ),
    Fault(
        "publishing below a file",
        "G",
        lambda p: ("publish_model", p.weights(), p.file() / "out.pth"),
        says=("file",),
    ),
    Fault(
        "converting for a network that is not known",
        "G",
        lambda p: ("convert_checkpoint", "lenet", p.weights(), p / "out.pth"),
        says=("lenet",),
    ),
    Fault(
        "converting the weights of another network",
        "G",
        lambda p: ("convert_checkpoint", "enet", p.weights(), p / "out.pth"),
        says=("weights.pth",),
    ),
    Fault(
        "converting tensors with numbers for names",
        "E",
        lambda p: ("convert_checkpoint", "espnet_q8", state(lambda s: {1: torch.zeros(2)})(p), p / "out.pth"),
        says=("weights.pth",),
    ),
    Fault(
        "converting a checkpoint onto itself",
        "B",
        lambda p: ("convert_checkpoint", "lednet_official", p.weights(), p / "weights.pth"),
        says=("weights.pth",),
    ),
    Fault(
        "testing a published file",
        "E",
        lambda p: ("predict", CAMVID, WEIGHTS, p.photo(), "--out", p / "out"),
        0,
    ),
]
