"""The inputs and outputs of further tools: export, counting, timing, parity and testing."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

from tests.conftest import ROOT
from tests.faults.place import CAMVID, WEIGHTS, Fault, Place

SMALL = ("--shape", 64, 128)
QUICK = ("--samples", 3, "--seconds", 1)


def export(out, *options: object):
    """Return the command that exports the committed weights to ``out(place)``."""
    return lambda place: ("export", CAMVID, WEIGHTS, out(place), *SMALL, *options)


def onto_itself(place: Place):
    """Export a checkpoint onto itself."""
    return ("export", place.config(), place.weights(), place / "weights.pth", *SMALL)


def counted(*options, config=None):
    """Return the command that counts the small config's network; options may be functions of the place."""

    def words(place: Place):
        chosen = config(place) if config else [place.config()]
        return (
            "get_flops",
            *chosen,
            *SMALL,
            "--work-dir",
            place / "run",
            *[o(place) if callable(o) else o for o in options],
        )

    return words


def timed(work_dir, *options: object, config=None):
    """Return the command that times the small config's network."""

    def words(place: Place):
        chosen = config(place) if config else [place.config()]
        return ("benchmark", *chosen, *SMALL, *QUICK, "--work-dir", work_dir(place), *options)

    return words


def of_mmseg(place: Place) -> list[Path]:
    """Return one of MMSegmentation's own configs."""
    root = Path(importlib.util.find_spec("mmseg").origin).parent
    return [root / ".mim/configs/erfnet/erfnet_fcn_4xb4-160k_cityscapes-512x1024.py"]


def gray(place: Place) -> list[Path]:
    """Return a config of a network for images of one channel."""
    return [
        place.config(
            "model = dict(backbone=dict(in_channels=1), data_preprocessor=dict("
            "mean=[100.0], std=[50.0], bgr_to_rgb=False))"
        )
    ]


def good_and_bad(place: Place) -> list[Path]:
    """Return a config, and one whose network cannot be built."""
    return [place.config(), place.config("model = dict(backbone=dict(depth=18))", name="bad")]


def recorded(count: int):
    """Return a check of the number of records that were written."""

    def check(place: Place, outcome) -> None:
        assert len(place.records()) == count

    return check


def whole_table(place: Place, outcome) -> None:
    """Check that no cell of a table was cut."""
    assert "…" not in outcome.out
    assert "lednet" in outcome.out


def vector(change=None, name: str = "vector.json", raw: bytes | None = None):
    """Return the command that checks a changed reference vector."""

    def words(place: Place):
        if raw is not None:
            return ("verify_parity", place.file(name, raw))
        content = json.loads((ROOT / "tests/data/lednet_no_bn.json").read_text())
        return ("verify_parity", place.file(name, json.dumps(change(content)).encode()))

    return words


def evaluated(*options, config=Place.config):
    """Return the command that tests the trained checkpoint; options may be functions of the place."""

    def words(place: Place):
        chosen = [o(place) if callable(o) else o for o in options]
        return ("test", config(place), place.weights(), "--work-dir", place / "run", *chosen)

    return words


def compared(other):
    """Return the command that compares LEDNet with another network or run."""
    return lambda p: ("compare", "lednet", other, "--in", ROOT / "reports" / "camvid_half_cpu")


def of_val(place: Place, outcome) -> None:
    """Check that the record names the split whose images were tested."""
    (record,) = place.records()
    assert record["details"]["split"] == "val"


def void(place: Place):
    """Return a config whose validation labels have no labelled pixel."""
    import numpy as np
    from PIL import Image

    for path in place.labels("val"):
        Image.fromarray(np.full((64, 128), 255, np.uint8)).save(path)
    return place.config()


def one_of_two(place: Place):
    """Compare a damaged vector and a good one."""
    return ("verify_parity", place.file("bad.json", b"{}"), ROOT / "tests/data/zh320_mininetv2.json")


def without_pyramid(place: Place):
    """Return the config of LEDNet without its pyramid, which has other tensors."""
    return place.config("model = dict(decode_head=dict(attention_pyramid=False))")


FAULTS = [
    Fault(
        "timing on a GPU that is not there",
        "G",
        timed(lambda p: p / "run", "--device", "cuda:99"),
        says=("cuda:99", "GPUs"),
    ),
    Fault(
        "predicting on a GPU that is not there",
        "G",
        lambda p: ("predict", CAMVID, WEIGHTS, p.photo(), "--out", p / "out", "--device", "cuda:99"),
        says=("cuda:99",),
    ),
    Fault(
        "the weights of a network with other tensors",
        "A",
        evaluated(config=without_pyramid),
        says=("weights.pth", "decode_head"),
    ),
    Fault("an export onto the checkpoint itself", "B", onto_itself, says=("weights.pth",)),
    Fault(
        "an export onto the config",
        "B",
        lambda p: ("export", p.config(), p.weights(), p / "small.py", *SMALL),
        says=("small.py",),
    ),
    Fault(
        "an export over a user's file",
        "B",
        export(lambda p: p.file("notes.txt")),
        says=("notes.txt", "--overwrite"),
    ),
    Fault("an export to a folder", "G", export(lambda p: p.folder), says=("folder",)),
    Fault("an export to an empty name", "G", export(lambda p: ""), says=("name",)),
    Fault("an export below a file", "G", export(lambda p: p.file() / "x.onnx"), says=("file",)),
    Fault(
        "an export of a height of 0",
        "G",
        lambda p: ("export", CAMVID, WEIGHTS, p / "x.onnx", "--shape", 0, 64),
        says=("--shape",),
    ),
    Fault(
        "an export of weights that are not there",
        "G",
        lambda p: ("export", CAMVID, p / "no.pth", p / "x.onnx", *SMALL),
        says=("no.pth",),
    ),
    Fault("counting a config of MMSegmentation", "E", counted(config=of_mmseg), 0, also=(recorded(1),)),
    Fault("counting a network for grey images", "E", counted(config=gray), 0, also=(recorded(1),)),
    Fault(
        "counting with one config that fails",
        "G",
        counted(config=good_and_bad),
        2,
        says=("depth",),
        also=(recorded(1),),
    ),
    Fault(
        "counts that go below a file", "G", counted("--json", lambda p: p.file() / "x.json"), says=("file",)
    ),
    Fault(
        "counts that go over a user's file",
        "B",
        counted("--json", lambda p: p.file("notes.txt")),
        says=("notes.txt",),
    ),
    Fault(
        "counting a width of 0", "G", lambda p: ("get_flops", p.config(), "--shape", 64, 0), says=("--shape",)
    ),
    Fault("a table of counts in a log", "H", counted(), 0, also=(whole_table,)),
    Fault(
        "timing a config of MMSegmentation",
        "E",
        timed(lambda p: p / "run", config=of_mmseg),
        0,
        also=(recorded(1),),
    ),
    Fault(
        "timing a network for grey images",
        "E",
        timed(lambda p: p / "run", config=gray),
        0,
        also=(recorded(1),),
    ),
    Fault("a table of times in a log", "H", timed(lambda p: p / "run"), 0, also=(whole_table,)),
    Fault("times that go below a file", "G", timed(lambda p: p.file() / "x"), says=("file",)),
    Fault("times of no samples", "G", timed(lambda p: p / "run", "--samples", 0), says=("--samples",)),
    Fault(
        "weights for several configs",
        "G",
        lambda p: ("benchmark", CAMVID, p.config(), "--checkpoint", WEIGHTS, *SMALL, "--work-dir", p / "run"),
        says=("one config",),
    ),
    Fault("a vector that is not JSON", "G", vector(raw=b"{"), 1, says=("vector.json",)),
    Fault("a vector that is a list", "G", vector(raw=b"[1]"), 1, says=("vector.json",)),
    Fault(
        "a vector with text for shapes",
        "G",
        vector(lambda v: {**v, "state": [["a", "b", "c"]]}),
        1,
        says=("vector.json",),
    ),
    Fault(
        "a vector of a network that is not known",
        "G",
        vector(lambda v: {**v, "network": "lenet"}),
        1,
        says=("lenet",),
    ),
    Fault("a vector of another fill rule", "G", vector(lambda v: {**v, "fill": "v9"}), 1, says=("v9",)),
    Fault(
        "a vector that is not there", "G", lambda p: ("verify_parity", p / "no.json"), 1, says=("no.json",)
    ),
    Fault(
        "a vector in a folder whose name is markup",
        "H",
        vector(raw=b"{}", name="x [/red].json"),
        1,
        says=("x [/red].json",),
    ),
    Fault("one bad vector of two", "G", one_of_two, 1, says=("bad.json", "equal")),
    Fault("a test with test-time augmentation", "D", evaluated("--tta"), 0, also=(recorded(1),)),
    Fault("a corruption that is not known", "G", evaluated("--corruptions", "snwo"), says=("snwo", "snow")),
    Fault(
        "a severity of a corruption that is not known",
        "G",
        evaluated("--corruptions", "fog", "--severities", "6"),
        says=("6", "1 to 5"),
    ),
    Fault(
        "calibration of augmented predictions",
        "G",
        evaluated("--tta", "--calibration"),
        says=("calibration",),
    ),
    Fault(
        "measures of images without a labelled pixel",
        "H",
        evaluated("--split", "val", "--calibration", "--boundary", "--object-size", config=void),
        0,
        says=("nan",),
        also=(recorded(1),),
    ),
    Fault("a comparison with a folder that is not there", "G", compared("work/none"), says=("work/none",)),
    Fault("a comparison with a network that is not there", "G", compared("ledned"), says=("ledned",)),
    Fault("a test of a split that is the validation's", "A", evaluated(), 0, says=("val",), also=(of_val,)),
    Fault(
        "a test whose record goes below a file",
        "G",
        evaluated("--work-dir", lambda p: p.file() / "x"),
        says=("file",),
    ),
    Fault(
        "a test whose pictures go below a file",
        "G",
        evaluated("--show-dir", lambda p: p.file() / "x"),
        says=("file",),
    ),
    Fault(
        "a test without a labelled pixel",
        "H",
        evaluated("--split", "val", config=void),
        0,
        says=("pixel with a label",),
    ),
    Fault(
        "a test of data that are not there",
        "G",
        lambda p: (
            "test",
            p.config(f"test_dataloader = dict(dataset=dict(data_root={str(p / 'no')!r}))"),
            p.weights(),
            "--work-dir",
            p / "run",
        ),
        says=("prepare_dataset",),
    ),
]
