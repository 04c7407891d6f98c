"""Every option of every command is run by a test of this file, and a new one without a test is named.

A test says by ``@exercises`` which options of a command it runs. That it passes them to the command is seen
to after it; what they do, it checks itself. The parsers are those that the commands make when they run.
"""

from __future__ import annotations

import argparse
import json
import os
import runpy
import subprocess
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import cv2
import numpy as np
import pytest
import torch
import yaml
from mmengine.config import Config
from mmseg.registry import MODELS

from lednet_mm.catalog import network_files, variants_of
from lednet_mm.checkpoints.authors import authors_model
from lednet_mm.checkpoints.parity import fill, read_vector
from lednet_mm.config import Choice, load_config
from lednet_mm.datasets.card import read_card
from lednet_mm.records import read_records, write_record
from lednet_mm.studies.plan import make_plan
from lednet_mm.training import mixed_precision
from tests.conftest import ROOT
from tests.datasets.small_sets import make_camvid, make_cityscapes, make_pairs, write_card
from tests.datasets.test_published_sets import make_voc
from tests.reports import made

TOOLS = sorted(path.stem for path in (ROOT / "tools").glob("*.py"))
EXERCISED: dict[str, set[str]] = {}


class Made(Exception):  # noqa: N818  (it is not an error)
    """An exception that carries the parser of a command."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser


def parser_of(name: str) -> argparse.ArgumentParser:
    """Return the parser of a command, which is stopped when it would parse its arguments."""

    def stop(parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        raise Made(parser)

    with mock.patch.object(argparse.ArgumentParser, "parse_args", stop), pytest.raises(Made) as caught:
        runpy.run_path(str(ROOT / "tools" / f"{name}.py"), run_name="__main__")
    return caught.value.parser


def options_of(command: str, parser: argparse.ArgumentParser) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield (command, the names of one option), also for subcommands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield from options_of(f"{command} {name}", inner)
        elif action.option_strings and not isinstance(action, argparse._HelpAction):
            yield command, tuple(action.option_strings)


def exercises(command: str, *options: str) -> Callable[[Callable], Callable]:
    """Declare which options of a command a test runs."""

    def mark(test: Callable) -> Callable:
        EXERCISED.setdefault(command, set()).update(options)
        test.exercises = (command, set(options))  # type: ignore[attr-defined]
        return test

    return mark


@pytest.fixture
def tool(tool, request):
    """Run a command like the fixture of this name, and check afterwards that the options were passed."""
    passed: dict[str, set[str]] = {}

    def run(name: str, *arguments: object):
        words = [str(argument) for argument in arguments]
        options = {word.split("=")[0] for word in words if word.startswith("--")}
        for command in (name, f"{name} {words[0] if words else ''}"):
            passed.setdefault(command, set()).update(options)
        return tool(name, *arguments)

    yield run
    if claimed := getattr(request.function, "exercises", None):
        command, options = claimed
        assert options <= passed.get(command, set()), "options that the test does not run"


@pytest.mark.parametrize("name", TOOLS)
def test_every_option_is_run_by_a_test(name):
    for command, names in options_of(name, parser_of(name)):
        known = EXERCISED.get(command, set()) | (set(REPLACED.get(command, ())) and {"--overwrite"})
        assert known & set(names), f"{command} {names[-1]}: no test in {Path(__file__).name} runs this option"


def test_every_option_that_is_run_exists():
    for command, options in EXERCISED.items():
        names = {name for _, some in options_of(command, _parser(command)) for name in some}
        assert options <= names


def _parser(command: str) -> argparse.ArgumentParser:
    name, *within = command.split()
    parser = parser_of(name)
    for word in within:
        (subparsers,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
        parser = subparsers.choices[word]
    return parser


@pytest.fixture
def weights(small_config, tmp_path) -> Path:
    """Untrained weights of the small config's network."""
    path = tmp_path / "weights.pth"
    torch.manual_seed(0)
    torch.save({"state_dict": MODELS.build(load_config(small_config()).model).state_dict()}, path)
    return path


@pytest.fixture
def weights_by_name(tmp_path) -> Path:
    """Untrained weights of the variant that ``COMBINED`` names."""
    path = tmp_path / "weights.pth"
    model = load_config(Choice("lednet", "streets", "common", "no_shuffle")).model
    torch.save({"state_dict": MODELS.build(model).state_dict()}, path)
    return path


def records_in(folder: Path, kind: str) -> list:
    records, problems = read_records([folder])
    assert not problems
    return [record for record in records if record.kind == kind]


# train

SHORT = ("train_cfg.max_iters=2", "train_cfg.val_interval=2")


@exercises("train", "--work-dir", "--seed", "--launcher", "--cfg-options")
def test_train(small_config, tool, tmp_path):
    run = tmp_path / "run"
    options = ["--seed", 5, "--launcher", "none", "--cfg-options", *SHORT]
    assert tool("train", small_config(), "--work-dir", run, *options).status == 0
    (record,) = records_in(run, "train")
    assert (record.run.seed, record.values["iterations"]) == (5, 2)
    assert (run / "iter_2.pth").is_file()


@pytest.mark.thorough
@exercises("train", "--resume")
def test_train_goes_on(small_config, tool, tmp_path):
    arguments = ["train", small_config(), "--work-dir", tmp_path / "run"]
    assert tool(*arguments, "--cfg-options", *SHORT).status == 0
    longer = ["train_cfg.max_iters=4", "train_cfg.val_interval=4"]
    assert tool(*arguments, "--resume", "--cfg-options", *longer).status == 0
    last = records_in(tmp_path / "run", "train")[-1]
    assert (last.values["iterations"], last.values["iterations_this_session"]) == (4, 2)


@pytest.mark.thorough
@exercises("train", "--pretrained")
def test_train_from_other_weights(small_config, weights, tool, tmp_path):
    run = tmp_path / "run"
    options = ["--pretrained", weights, "--cfg-options", *SHORT]
    assert tool("train", small_config(), "--work-dir", run, *options).status == 0
    (record,) = records_in(run, "train")
    assert record.details["began_from"]["file"] == weights.name


@exercises("train", "--amp")
def test_train_in_mixed_precision_where_nothing_computes_in_it(small_config, tool, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(mixed_precision, "cpu_computes_bf16", lambda: False)
    outcome = tool("train", small_config(), "--work-dir", tmp_path, "--amp", "--cfg-options", *SHORT)
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert "--amp needs a GPU that PyTorch can use, or a CPU with AVX512-BF16 or AMX" in outcome.err


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_train_in_mixed_precision_on_a_gpu(small_config, tool, tmp_path):
    outcome = tool("train", small_config(), "--work-dir", tmp_path, "--amp", "--cfg-options", *SHORT)
    (record,) = records_in(tmp_path, "train")
    assert (outcome.status, record.provenance.precision) == (0, "fp16")


@exercises("train", "--compile")
def test_train_compiled(small_config, tool, tmp_path, monkeypatch):
    compiled = []
    # Compiling takes minutes; tests/training/test_speed_options.py does it.
    monkeypatch.setattr(torch, "compile", lambda function, **_: compiled.append(function) or function)
    outcome = tool("train", small_config(), "--work-dir", tmp_path, "--compile", "--cfg-options", *SHORT)
    assert outcome.status == 0
    assert [function.__name__ for function in compiled] == ["loss"]


@pytest.mark.thorough
@exercises("train", "--tracker")
def test_train_with_a_tracker(small_config, tool, tmp_path):
    run = tmp_path / "run"
    options = ["--tracker", "tensorboard", "--cfg-options", *SHORT]
    outcome = tool("train", small_config(), "--work-dir", run, *options)
    if find_spec("tensorboard") is None:
        assert (outcome.status, outcome.err.count("\n")) == (2, 1)
        assert "tensorboard is not installed" in outcome.err
    else:
        assert outcome.status == 0, outcome.err
        assert len(list(run.glob("*/vis_data/events*"))) == 1


@pytest.mark.thorough
@exercises("pretrain", *("--work-dir", "--resume", "--seed", "--launcher", "--local_rank", "--cfg-options"))
def test_pretrain(tool, tmp_path, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "")
    monkeypatch.delenv("LOCAL_RANK")  # and it is forgotten when the test is over
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for name in ("cat", "dog"):
            folder = tmp_path / "pets" / split / name
            folder.mkdir(parents=True)
            for i in range(2):
                cv2.imwrite(str(folder / f"{i}.jpg"), rng.integers(0, 256, (40, 40, 3), np.uint8))
    settings = ["train_dataloader.batch_size=2", "train_cfg.max_epochs=1", "param_scheduler.0.begin=0"]
    settings += [f"{split}_dataloader.dataset.size=32" for split in ("train", "val")]
    arguments = ["pretrain", tmp_path / "pets", "--work-dir", tmp_path / "run"]
    more = ["--launcher", "none", "--seed", 5, "--local_rank=0", "--cfg-options", *settings]
    outcome = tool(*arguments, *more)
    assert outcome.status == 0, outcome.err
    (record,) = records_in(tmp_path / "run", "classification")
    assert (record.run.seed, record.run.dataset, record.values["top5_percent"]) == (5, "pets", 100)
    assert tool(*arguments, *more).status == 2  # it holds a run
    assert tool(*arguments, "--resume", *more).status == 0
    (_, last) = records_in(tmp_path / "run", "train")
    assert last.values["iterations_this_session"] == 0


@exercises("pretrain", "--amp", "--tracker")
def test_pretrain_where_something_is_missing(tool, tmp_path, monkeypatch):
    for name in ("cat", "dog"):
        (tmp_path / "train" / name).mkdir(parents=True)
    monkeypatch.setattr("lednet_mm.options.find_spec", lambda name: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(mixed_precision, "cpu_computes_bf16", lambda: False)
    for option, said in (
        (["--amp"], "--amp needs a GPU"),
        (["--tracker", "tensorboard"], "tensorboard is not installed"),
    ):
        outcome = tool("pretrain", tmp_path, "--work-dir", tmp_path / "run", *option)
        assert (outcome.status, outcome.err.count("\n")) == (2, 1)
        assert said in outcome.err


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "spelling"), [("train", "--local_rank"), ("test", "--local-rank")])
def test_the_rank_of_pytorchs_old_launcher(
    name, spelling, small_config, weights, tool, tmp_path, monkeypatch
):
    monkeypatch.setenv("LOCAL_RANK", "")
    monkeypatch.delenv("LOCAL_RANK")
    before = [weights] if name == "test" else []
    more = [] if name == "test" else ["--cfg-options", *SHORT]
    outcome = tool(name, small_config(), *before, "--work-dir", tmp_path / "w", f"{spelling}=0", *more)
    assert outcome.status == 0, outcome.err
    assert os.environ["LOCAL_RANK"] == "0"


for _name in ("train", "test"):
    EXERCISED.setdefault(_name, set()).update({"--local_rank", "--local-rank"})


# a network by its name: CONFIG of every command

COMBINED = ("lednet", "--dataset", "streets", "--recipe", "common", "--variant", "no_shuffle")
NAMING = ("--dataset", "--recipe", "--variant")
LISTED = ("networks", "datasets", "recipes", "variants")


@pytest.fixture
def on_small_streets(small_streets) -> list[str]:
    """Return settings that replace the default dataset by the small one."""
    return [f"{split}_dataloader.dataset.data_root={small_streets}" for split in ("train", "val", "test")]


@pytest.mark.thorough
@exercises("train", *NAMING)
def test_train_a_network_by_its_name(on_small_streets, tool, tmp_path):
    size = ("train_dataloader.batch_size=2", "train_dataloader.dataset.pipeline.5.crop_size=(64,128)")
    options = [*on_small_streets, *SHORT, *size, "model.data_preprocessor.size=(64,128)"]
    outcome = tool("train", *COMBINED, "--work-dir", tmp_path, "--cfg-options", *options)
    assert outcome.status == 0, outcome.err
    (record,) = records_in(tmp_path, "train")
    assert (record.run.network, record.run.dataset, record.run.variant) == ("lednet", "streets", "no_shuffle")
    assert "'shuffle': False" in record.config.text


@exercises("test", *NAMING)
def test_test_a_network_by_its_name(on_small_streets, weights_by_name, tool, tmp_path):
    options = ["--split", "val", "--work-dir", tmp_path / "w", "--cfg-options", *on_small_streets]
    assert tool("test", *COMBINED, weights_by_name, *options).status == 0
    (record,) = records_in(tmp_path / "w", "accuracy")
    assert record.run.variant == "no_shuffle"


@pytest.mark.thorough
@exercises("export", *NAMING)
def test_export_a_network_by_its_name(weights_by_name, tool, tmp_path):
    onnx = pytest.importorskip("onnx")
    assert tool("export", *COMBINED, weights_by_name, tmp_path / "a.onnx", "--shape", 32, 64).status == 0
    facts = {entry.key: entry.value for entry in onnx.load(str(tmp_path / "a.onnx")).metadata_props}
    assert (facts["network"], facts["variant"]) == ("lednet", "no_shuffle")


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["get_flops", "benchmark"])
def test_measure_networks_by_their_names(name, tool, tmp_path):
    more = {"get_flops": [], "benchmark": ["--samples", 2, "--seconds", 0.05, "--device", "cpu"]}[name]
    named = ["lednet", "lednet:no_apn", "enet", "--dataset", "streets", "--recipe", "common"]
    assert tool(name, *named, "--shape", 64, 128, "--work-dir", tmp_path / "a", *more).status == 0
    records, _ = read_records([tmp_path / "a"])
    assert sorted((r.run.network, r.run.variant) for r in records) == [
        ("enet", "default"),
        ("lednet", "default"),
        ("lednet", "no_apn"),
    ]
    every = ["lednet", "--dataset", "streets", "--variant", "no_apn", "--shape", 64, 128]
    assert tool(name, *every, "--work-dir", tmp_path / "b", *more).status == 0
    (record,) = read_records([tmp_path / "b"])[0]
    assert record.run.variant == "no_apn"


for _name in ("get_flops", "benchmark"):
    EXERCISED.setdefault(_name, set()).update(NAMING)


@exercises("predict", *NAMING, "--cfg-options")
def test_predict_by_a_network_of_a_name(small_streets, weights_by_name, tool, tmp_path):
    images = small_streets / "leftImg8bit" / "val"
    options = ["--out", tmp_path / "out", "--cfg-options", "model.test_cfg.mode=whole"]
    assert tool("predict", *COMBINED, weights_by_name, images, *options).status == 0
    assert len(list((tmp_path / "out").rglob("*.png"))) == 2


@exercises("check_dataset", *NAMING, "--cfg-options")
def test_check_a_dataset_by_its_name(on_small_streets, tool):
    outcome = tool("check_dataset", *COMBINED, "--split", "val", "--cfg-options", *on_small_streets)
    assert outcome.status == 0, outcome.err
    assert " 2 " in outcome.out


@exercises("print_config", *NAMING, "--cfg-options", "--out")
def test_print_config(tool, tmp_path):
    options = ["--out", tmp_path / "whole.py", "--cfg-options", "train_cfg.max_iters=7"]
    assert tool("print_config", *COMBINED, *options).status == 0
    written = Config.fromfile(str(tmp_path / "whole.py"))
    assert (written.train_cfg.max_iters, written.model.num_classes, written.variant) == (7, 19, "no_shuffle")
    assert tool("print_config", tmp_path / "whole.py").out == (tmp_path / "whole.py").read_text()


# Vectors whose networks have as many classes as the recorded sizes, and no heads that only training uses.
PROVEN = [
    vector
    for vector in (json.loads(path.read_text()) for path in (ROOT / "tests/data").glob("*.json"))
    if vector["num_classes"] == 19 and not vector.get("unused_parameters")
]


@pytest.mark.thorough
@exercises("list", "--json")
def test_list(tool):
    known = {kind: json.loads(tool("list", kind, "--json").out) for kind in LISTED}
    networks = {row["network"]: row for row in known["networks"]}
    assert networks.keys() == network_files().keys()
    said = {name: tuple(networks[name][key] for key in ("title", "paper", "proven")) for name in networks}
    whole = [
        v
        for v in PROVEN
        if v["network"] in networks and not authors_model(v["network"]).get("auxiliary_head")
    ]
    assert len(whole) > 10
    assert [v["network"] for v in whole if networks[v["network"]]["parameters"] != v["parameters"]] == []
    assert said["lednet"] == ("LEDNet", "arXiv:1905.02423", True)
    assert said["unet"] == ("UNet-S5-D16 (MMSegmentation's)", "arXiv:1505.04597", False)
    assert {row["dataset"]: row["classes"] for row in known["datasets"]}["camvid"] == 11
    assert {"common", "lednet_authors"} <= {row["recipe"] for row in known["recipes"]}
    named = {row["variant"]: row for row in known["variants"] if row["network"] == "lednet"}
    assert named["no_apn"]["question"] == variants_of("lednet")["no_apn"].question
    for kind, rows in known.items():
        shown = tool("list", kind).out
        assert all(row[kind.removesuffix("s")] in shown for row in rows)


# test


@exercises("test", "--images")
def test_test_some_training_images(small_config, weights, tool, tmp_path):
    options = ["--split", "train", "--images", 2, "--work-dir", tmp_path / "w"]
    assert tool("test", small_config(), weights, *options).status == 0
    (record,) = records_in(tmp_path / "w", "accuracy")
    assert (record.details["split"], record.details["images"]) == ("train", 2)


@exercises("test", "--split", "--tta", "--show-dir", "--work-dir", "--launcher", "--cfg-options")
def test_test(small_config, weights, tool, tmp_path):
    outcome = tool(
        *("test", small_config(), weights, "--split", "val", "--tta", "--show-dir", tmp_path / "show"),
        *("--work-dir", tmp_path / "w", "--launcher", "none"),
        *("--cfg-options", "variant=tried"),
    )
    assert outcome.status == 0, outcome.err
    (record,) = records_in(tmp_path / "w", "accuracy")
    assert (record.details["split"], record.details["tta"], record.run.variant) == ("val", True, "tried")
    assert len(list((tmp_path / "show").rglob("*.png"))) == 2


@exercises("test", "--tile", "--overlap")
def test_test_in_tiles(small_config, weights, tool, tmp_path):
    scores = {}
    for name, tile in (("whole", []), ("one", ["--tile", 64, 128]), ("some", ["--tile", 48, 64])):
        more = ["--overlap", 16] if name == "some" else []
        options = ["--split", "val", "--work-dir", tmp_path / name, *tile, *more]
        assert tool("test", small_config(), weights, *options).status == 0
        (record,) = records_in(tmp_path / name, "accuracy")
        scores[name] = record.values["miou_percent"]
    assert (record.details["tile"], record.details["tile_overlap"]) == ([48, 64], 16)
    assert "'mode': 'slide'" in record.config.text
    assert "differs" not in record.details
    assert scores["one"] == scores["whole"]
    large = tool("test", small_config(), weights, "--tile", 65, 128, "--work-dir", tmp_path / "large")
    assert (large.status, large.err.count("\n")) == (2, 1)
    assert "--tile 65 128: the first image of the test data is only 64x128" in large.err


@exercises("test", "--calibration", "--boundary", "--object-size", "--corruptions", "--severities")
def test_test_more_than_accuracy(small_config, weights, tool, tmp_path, monkeypatch):
    monkeypatch.setattr("lednet_mm.evaluation.corruptions.library", lambda: "none")
    monkeypatch.setattr("lednet_mm.evaluation.corruptions.corrupt", lambda image, *_: image // 2)
    outcome = tool(
        *("test", small_config(), weights, "--calibration", "--boundary", "--object-size"),
        *("--corruptions", "fog", "--severities", "2", "--work-dir", tmp_path / "w"),
    )
    assert outcome.status == 0, outcome.err
    (record,) = records_in(tmp_path / "w", "accuracy")
    assert {"ece_percent", "boundary_iou_percent", "iou_small_percent"} <= set(record.values)
    (record,) = records_in(tmp_path / "w", "corruption")
    assert (record.details["corruption"], record.details["severity"]) == ("fog", 2)


@exercises("compare", "--in", "--out", "--pictures", "--overwrite")
def test_compare(tool, tmp_path):
    for network, quality in (("lednet", 0.7), ("dabnet", 0.8)):
        write_record(made.accuracy(network, quality=quality), tmp_path / network)
    command = ("compare", "lednet", "dabnet", "--in", tmp_path, "--out", tmp_path / "out", "--pictures", "1")
    outcome = tool(*command)
    assert outcome.status == 0, outcome.err
    assert "no picture" in outcome.out
    assert (tmp_path / "out/two_groups.csv").is_file()
    assert tool(*command).status == 2
    assert tool(*command, "--overwrite").status == 0


# export, get_flops, benchmark


@pytest.mark.thorough
@exercises("export", "--shape", "--deployed", "--cfg-options")
def test_export(small_config, weights, tool, tmp_path):
    onnx = pytest.importorskip("onnx")
    options = ["--shape", 32, 64, "--deployed", "--cfg-options", "variant=plain one"]
    outcome = tool("export", small_config(), weights, tmp_path / "a.onnx", *options)
    assert outcome.status == 0, outcome.err
    assert "1x32x64" in outcome.out
    facts = {entry.key: entry.value for entry in onnx.load(str(tmp_path / "a.onnx")).metadata_props}
    assert (facts["deployed"], facts["variant"]) == ("true", "plain one")


INT8 = {"--int8": (), "--calibration": (2,), "--max-loss": (100,)}


@exercises("export", "--shape", *INT8)
def test_export_in_int8(small_config, weights, tool, tmp_path):
    onnx = pytest.importorskip("onnx")
    options = [word for option, values in INT8.items() for word in (option, *values)]
    out = tmp_path / "a.onnx"
    outcome = tool("export", small_config(), weights, out, "--shape", 64, 128, *options)
    assert outcome.status == 0, outcome.err
    facts = {entry.key: entry.value for entry in onnx.load(str(out)).metadata_props}
    assert (facts["precision"], json.loads(facts["calibration"])["images"]) == ("int8", 2)


@exercises("test", "--engine", "--precision", "--deployed", "--against", "--work-dir")
def test_test_of_a_deployed_form(small_config, weights, tool, tmp_path):
    form = ["--engine", "channels_last", "--precision", "bf16", "--deployed"]
    words = [small_config(), weights, *form, "--work-dir", tmp_path / "w", "--against", tmp_path]
    outcome = tool("test", *words)
    assert outcome.status == 0, outcome.err
    (record,) = records_in(tmp_path / "w", "accuracy")
    assert record.provenance.precision == "bf16"
    assert (record.details["engine"], record.details["deployed"]) == ("channels_last", True)
    assert f"no difference: {tmp_path} has no accuracy of its checkpoint" in outcome.out


@exercises("benchmark", "--accuracy", "--images", "--calibration", "--precision", "--work-dir")
def test_benchmark_with_accuracy(small_config, weights, tool, tmp_path):
    pytest.importorskip("onnxruntime")
    words = [
        "--checkpoint",
        weights,
        "--shape",
        64,
        128,
        "--samples",
        2,
        "--seconds",
        0.05,
        "--device",
        "cpu",
    ]
    words += ["--engine", "onnxruntime", "--precision", "int8", "--deployed", "--calibration", 2]
    words += ["--accuracy", "val", "--images", 1, "--work-dir", tmp_path / "w"]
    outcome = tool("benchmark", small_config(), *words)
    assert outcome.status == 0, outcome.err
    (timed,) = records_in(tmp_path / "w", "latency")
    tested = records_in(tmp_path / "w", "accuracy")
    assert {(r.details.get("engine"), r.details["images"]) for r in tested} == {(None, 1), ("onnxruntime", 1)}
    assert timed.details["calibration"]["images"] == 2


@pytest.mark.thorough
@exercises("get_flops", "--shape", "--json", "--work-dir", "--cfg-options")
def test_get_flops(small_config, tool, tmp_path):
    options = ["--shape", 32, 64, "--json", tmp_path / "a.json", "--cfg-options", "variant=plain"]
    assert tool("get_flops", small_config(), "--work-dir", tmp_path / "w", *options).status == 0
    (record,) = records_in(tmp_path / "w", "complexity")
    (row,) = json.loads((tmp_path / "a.json").read_text())
    assert record.details["shape"] == row["shape"] == [32, 64]
    assert record.run.variant == row["variant"] == "plain"


BENCHMARK = {
    **{
        "--shape": (64, 128),
        "--batch-size": (1, 2),
        "--engine": ("eager", "cudagraph"),
        "--deployed": ("both",),
    },
    **{"--precision": ("fp32", "tf32"), "--timed": ("prediction",), "--device": ("cpu",), "--samples": (4,)},
    **{"--seconds": (0.05,), "--cfg-options": ("variant=plain",), "--roofline": ()},
}


@pytest.mark.thorough
@exercises("benchmark", "--checkpoint", "--work-dir", *BENCHMARK)
def test_benchmark(small_config, weights, tool, tmp_path):
    options = [word for option, values in BENCHMARK.items() for word in (option, *values)]
    outcome = tool(
        "benchmark", small_config(), "--checkpoint", weights, "--work-dir", tmp_path / "w", *options
    )
    assert outcome.status == 0, outcome.err
    records = records_in(tmp_path / "w", "latency")
    assert sorted((r.details["batch_size"], r.details["deployed"]) for r in records) == [
        (1, False),
        (1, True),
        (2, False),
        (2, True),
    ]
    for record in records:
        assert record.details["shape"] == [64, 128]
        assert record.details["timed"].endswith("to class ids at input resolution")
        assert (record.run.variant, record.provenance.precision) == ("plain", "fp32")
        assert record.provenance.checkpoint_sha256 is not None
        assert record.values["roofline_ms"] > 0
        assert record.values["samples"] >= 1
    assert "left out: cudagraph fp32" in outcome.out
    assert "tf32 needs a GPU" in outcome.out


@pytest.mark.thorough
@exercises("export", "--end-to-end")
def test_export_from_end_to_end(small_config, weights, tool, tmp_path):
    onnx = pytest.importorskip("onnx")
    options = ["--shape", 32, 64, "--end-to-end"]
    outcome = tool("export", small_config(), weights, tmp_path / "a.onnx", *options)
    assert outcome.status == 0, outcome.err
    (taken,) = onnx.load(str(tmp_path / "a.onnx")).graph.input
    assert taken.type.tensor_type.elem_type == onnx.TensorProto.UINT8


# predict, publish_model, convert_checkpoint


@exercises("predict", "--out", "--as", "--legend", "--device")
def test_predict(small_config, small_streets, weights, tool, tmp_path):
    images = small_streets / "leftImg8bit" / "val"
    sizes = {}
    for legend in ([], ["--legend"]):
        out = tmp_path / f"out{len(legend)}"
        options = ["--out", out, "--as", "color", "--device", "cpu", *legend]
        assert tool("predict", small_config(), weights, images, *options).status == 0
        pictures = sorted(out.rglob("*.png"))
        assert len(pictures) == 2
        sizes[len(legend)] = cv2.imread(str(pictures[0])).shape
    assert sizes[0] == (64, 128, 3)
    assert sizes[1][0] > 64


@exercises("predict", "--tile", "--overlap", "--show-fps", "--fps")
def test_predict_a_video(small_config, small_streets, weights, tool, tmp_path):
    images = small_streets / "leftImg8bit" / "val"
    options = ["--out", tmp_path / "a.mp4", "--tile", 48, 96, "--overlap", 8, "--show-fps", "--fps", 3]
    assert tool("predict", small_config(), weights, images, *options).status == 0
    video = cv2.VideoCapture(str(tmp_path / "a.mp4"))
    assert (video.get(cv2.CAP_PROP_FRAME_COUNT), video.get(cv2.CAP_PROP_FPS)) == (2, 3)


@pytest.mark.thorough
@exercises("predict", "--engine")
def test_predict_with_an_exported_file(small_config, small_streets, weights, tool, tmp_path):
    pytest.importorskip("onnx")
    file, images = tmp_path / "a.onnx", small_streets / "leftImg8bit" / "val"
    assert tool("export", small_config(), weights, file, "--shape", 64, 128).status == 0
    options = ["--out", tmp_path / "out", "--engine", "onnxruntime", "--device", "cpu"]
    assert tool("predict", small_config(), file, images, *options).status == 0
    assert len(list((tmp_path / "out").rglob("*.png"))) == 2


@exercises("publish_model", "--full")
def test_publish(weights, tool, tmp_path):
    types = {}
    for full in ([], ["--full"]):
        target = tmp_path / f"{len(full)}.pth"
        assert tool("publish_model", weights, target, *full).status == 0
        state = torch.load(target, weights_only=True)["state_dict"]
        types[len(full)] = {t.dtype for name, t in state.items() if name.endswith("conv.weight")}
    assert types == {0: {torch.float16}, 1: {torch.float32}}


def authors_file(network: str, folder: Path) -> Path:
    vector = read_vector(ROOT / "tests" / "data" / f"{network}.json")
    state = {name: fill(name, shape, kind, "test").float() for name, shape, kind in vector["state"]}
    torch.save(state, folder / "authors.pth")
    return folder / "authors.pth"


@pytest.mark.thorough
@exercises("convert_checkpoint", "--num-classes", "--keep-auxiliary")
def test_convert(tool, tmp_path):
    source = authors_file("lednet_official", tmp_path)
    names = {}
    for keep in ([], ["--keep-auxiliary"]):
        target = tmp_path / f"{len(keep)}.pth"
        outcome = tool("convert_checkpoint", "lednet_official", source, target, *keep, "--num-classes", 20)
        assert outcome.status == 0, outcome.err
        names[len(keep)] = torch.load(target, weights_only=True)["state_dict"].keys()
    assert {name.split(".")[0] for name in names[1] - names[0]} == {"auxiliary_head"}
    wrong = tool("convert_checkpoint", "lednet_official", source, tmp_path / "x.pth", "--num-classes", 7)
    assert wrong.status == 2


# datasets


@exercises("check_dataset", "--split", "--json")
def test_check_dataset(small_config, tool, tmp_path):
    out = tmp_path / "found.json"
    assert tool("check_dataset", small_config(), "--split", "val", "--json", out).status == 0
    found = json.loads(out.read_text())
    assert found.keys() == {"val"}
    assert found["val"]["images"] == 2


@exercises("check_dataset", "--weights")
def test_check_dataset_of_a_yaml_file(tool, tmp_path):
    ids = make_pairs(tmp_path / "data")
    card = write_card(tmp_path)
    counts = np.array([[(label == 0).sum(), ((label == 1) | (label == 2)).sum()] for label in ids])
    median = np.median(counts.sum(0)) / counts.sum(0)
    for rule, expected in (("log", 1 / np.log(1.02 + counts.sum(0) / counts.sum())), ("median", median)):
        outcome = tool("check_dataset", card, "--weights", rule)
        assert outcome.status == 0, outcome.err
        (line,) = (line for line in outcome.out.splitlines() if line.startswith("class_weight: "))
        weights = yaml.safe_load(line)["class_weight"]
        np.testing.assert_allclose(weights, expected, rtol=1e-3)
        read_card(write_card(tmp_path, class_weight=weights))
    assert f"{counts.sum(0)[1] / counts.sum():.2%}" in outcome.out
    assert "6 sizes, 32 to 52 wide" in " ".join(outcome.out.replace("│", " ").split())
    assert "class_weight" not in tool("check_dataset", card, "--weights", "none").out


@exercises("prepare_dataset new", "--out", "--seed", "--overwrite")
def test_prepare_new(tool, tmp_path):
    make_pairs(tmp_path / "data", 20)
    folders = ("new", tmp_path / "data/images", tmp_path / "data/masks", "--out", tmp_path / "own.yaml")
    assert tool("prepare_dataset", *folders).status == 0
    assert [entry.ids for entry in read_card(tmp_path / "own.yaml").classes] == [[0], [1], [2]]
    before = {path: path.read_text() for path in tmp_path.glob("own*")}
    assert len(before) == 4
    (tmp_path / "own.yaml").unlink()
    refused = tool("prepare_dataset", *folders, "--seed", 1)
    assert (refused.status, "own_train.txt exists already: --overwrite" in refused.err) == (2, True)
    assert not (tmp_path / "own.yaml").exists()
    assert tool("prepare_dataset", *folders, "--seed", 1, "--overwrite").status == 0
    changed = [path.name for path, text in before.items() if path.read_text() != text]
    assert sorted(changed) == ["own_test.txt", "own_train.txt", "own_val.txt"]


@exercises("prepare_dataset streets", "--root", "--train", "--val", "--size", "--seed", "--workers")
def test_prepare_streets(tool, tmp_path):
    pictures = {}
    for seed, workers in ((1, 1), (1, 2), (2, 1)):
        root = tmp_path / f"{seed}{workers}"
        arguments = ["--root", root, "--train", 2, "--val", 1, "--size", 32, 64]
        outcome = tool("prepare_dataset", "streets", *arguments, "--seed", seed, "--workers", workers)
        assert outcome.status == 0, outcome.err
        images = sorted(root.rglob("*_leftImg8bit.png"))
        assert [path.parts[-3] for path in images] == ["train", "train", "val"]
        pictures[seed, workers] = np.stack([cv2.imread(str(path)) for path in images])
    assert pictures[1, 1].shape == (3, 32, 64, 3)
    assert np.array_equal(pictures[1, 1], pictures[1, 2])
    assert not np.array_equal(pictures[1, 1], pictures[2, 1])


@exercises("prepare_dataset camvid", "--target", "--copy")
def test_prepare_camvid(tool, tmp_path):
    source = make_camvid(tmp_path / "source")
    for copy in ([], ["--copy"]):
        target = tmp_path / f"camvid{len(copy)}"
        assert tool("prepare_dataset", "camvid", source, "--target", target, *copy).status == 0
        assert target.is_symlink() != bool(copy)
        assert len(list((target / "val").iterdir())) == 4


@exercises("prepare_dataset camvid", "--download")
def test_prepare_camvid_from_its_repository(tool, tmp_path, monkeypatch):
    monkeypatch.setattr("lednet_mm.datasets.camvid.download_camvid", make_camvid)
    outcome = tool("prepare_dataset", "camvid", "--download", "--target", tmp_path / "camvid")
    assert outcome.status == 0, outcome.err
    assert "camvid/test: 4 images, 0 problems" in outcome.out


@exercises("prepare_dataset voc2012_aug", "--sbd")
def test_prepare_voc_with_another_folder_than_sbd(tool, tmp_path):
    make_voc(tmp_path / "VOC2012")  # tests/datasets/test_published_sets.py joins it with one of SBD
    refused = tool("prepare_dataset", "voc2012_aug", tmp_path / "VOC2012", "--sbd", tmp_path)
    assert (refused.status, f"{tmp_path} is not SBD (benchmark_RELEASE/dataset)" in refused.err) == (2, True)


def test_prepare_cityscapes(tool, tmp_path):
    assert tool("prepare_dataset", "cityscapes", make_cityscapes(tmp_path / "cityscapes")).status == 0
    assert list(tmp_path.rglob("*_gtFine_labelTrainIds.png"))


# studies and reports


SLURM = {"--slurm-partition": "gpu", "--slurm-account": "lab", "--slurm-gpus": 0, "--slurm-cpus": 2}
SLURM |= {"--slurm-minutes": 10, "--slurm-option": "qos=high"}


@exercises("sweep", "--engine", *SLURM)
def test_slurm_where_there_is_none(tool, tmp_path, monkeypatch):
    study = tmp_path / "tried.py"
    study.write_text('title = "Tried"\nruns = [dict(networks=["lednet"], datasets=["camvid"])]\n')
    options = [word for pair in SLURM.items() for word in pair]
    monkeypatch.setenv("PATH", str(tmp_path))
    outcome = tool("sweep", study, "--work-dir", tmp_path / "w", "--engine", "slurm", *options)
    assert outcome.status == 2
    assert "run it on a machine that has srun and sbatch" in outcome.err
    assert "goes with --engine slurm" in tool("sweep", study, "--slurm-partition", "gpu").err


@exercises("sweep", "--power")
def test_the_power_of_a_study(tool, tmp_path):
    study, work_dir = tmp_path / "tried.py", tmp_path / "w"
    study.write_text('title = "Tried"\nruns = [dict(networks=["lednet"], datasets=["camvid"])]\n')
    for number, (variant, quality) in enumerate((("default", 0.8), ("no_apn", 0.7)) * 2):
        record = made.accuracy(variant=variant, quality=quality, seed=number // 2)
        write_record(record, work_dir / f"run{number}")
    outcome = tool("sweep", study, "--work-dir", work_dir, "--power", 50)
    assert outcome.status == 0, outcome.err
    assert "no_apn" in outcome.out
    assert "seeds for ± 50" in " ".join(outcome.out.split())


@pytest.mark.thorough
@exercises("sweep", "--work-dir", "--dry-run", "--engine", "--jobs", "--retry-failed")
def test_sweep(tool, tmp_path):
    study = tmp_path / "tried.py"
    options = {f"{s}_dataloader.dataset.data_root": str(tmp_path / "none") for s in ("train", "val", "test")}
    config = str(ROOT / "configs" / "lednet_streets.py")
    study.write_text(f'title = "Tried"\nruns = [dict(configs=[{config!r}])]\noptions = {options!r}\n')
    work_dir = tmp_path / "w"
    arguments = ["sweep", study, "--work-dir", work_dir, "--engine", "local", "--jobs", 1]
    planned = tool(*arguments, "--dry-run")
    assert planned.status == 0
    assert "lednet-default-streets-seed0" in planned.out
    assert not work_dir.exists()

    run = make_plan(study, work_dir).runs[0]
    run.prepare()
    run.record_failure("no luck", 1, [])
    assert tool(*arguments).status == 1
    assert [r.values["reason"] for r in records_in(run.folder, "failure")] == ["no luck"]
    assert tool(*arguments, "--retry-failed").status == 1
    first, second = (r.values["reason"] for r in records_in(run.folder, "failure"))
    assert (first, "prepare_dataset.py streets" in second) == ("no luck", True)


@pytest.mark.thorough
@exercises("report", "--out", "--title", "--baseline", "--pictures")
def test_report(small_config, tool, tmp_path):
    trained = ["--work-dir", tmp_path / "a", "--cfg-options", *SHORT]
    assert tool("train", small_config(), *trained).status == 0
    write_record(made.accuracy(), tmp_path / "a")
    write_record(made.accuracy("erfnet", quality=0.6), tmp_path / "a")
    out = tmp_path / "out"
    options = ["--out", out, "--title", "As tried", "--baseline", "erfnet", "--pictures", 1]
    outcome = tool("report", tmp_path / "a", *options)
    assert outcome.status == 0, outcome.err
    assert (out / "predictions_streets.png").is_file()
    assert "As tried" in (out / "index.html").read_text()
    assert "erfnet" in (out / "ablation.csv").read_text()


@exercises("document_results", "--check")
def test_document_results(tool, monkeypatch):
    # tests/documentation/test_results.py makes the reports again; here it is the pages that are compared.
    monkeypatch.setattr("lednet_mm.documentation.results.rewrite_report", lambda folder, out: None)
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    before = [page.read_text() for page in pages]
    assert tool("document_results", "--check").status == 0
    assert [page.read_text() for page in pages] == before


@exercises("document_networks", "--out")
def test_document_networks(tool, tmp_path, monkeypatch):
    monkeypatch.setattr("lednet_mm.documentation.networks.measure_networks", lambda *_: [])
    monkeypatch.setattr("lednet_mm.documentation.networks.render", lambda networks: "a page")
    assert tool("document_networks", "--out", tmp_path / "networks.md").status == 0
    assert (tmp_path / "networks.md").read_text() == "a page"


@exercises("demo", "--work-dir", "--iterations")
def test_demo(tool, tmp_path, monkeypatch):
    commands = []

    def run(command, **_):
        commands.append(command)
        (tmp_path / "demo" / "report").mkdir(parents=True, exist_ok=True)
        (tmp_path / "demo" / "report" / "summary.md").write_text("| a summary |")
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr("lednet_mm.datasets.streets.generate_streets", lambda root: True)
    monkeypatch.setattr(subprocess, "run", run)
    outcome = tool("demo", "--work-dir", tmp_path / "demo", "--iterations", 7)
    assert outcome.status == 0
    assert "a summary" in outcome.out
    trainings = [command for command in commands if command[1].endswith("train.py")]
    assert len(trainings) == 3
    for command in trainings:
        assert "train_cfg.max_iters=7" in command
        assert Path(command[command.index("--work-dir") + 1]).parent == tmp_path / "demo"


# Replacing files: every command that writes where the user says takes --overwrite, and refuses without it.

REPLACED: dict[str, tuple[str, ...]] = {
    "export": ("CONFIG", "WEIGHTS", "TARGET.onnx", "--shape", "32", "64"),
    "get_flops": ("CONFIG", "--shape", "32", "64", "--work-dir", "FOLDER", "--json", "TARGET.json"),
    "test": ("CONFIG", "WEIGHTS", "--work-dir", "FOLDER", "--show-dir", "PICTURES"),
    "predict": ("CONFIG", "WEIGHTS", "IMAGES", "--out", "PICTURES"),
    "publish_model": ("WEIGHTS", "TARGET.pth"),
    "convert_checkpoint": ("dabnet", "AUTHORS", "TARGET.pth"),
    "check_dataset": ("CONFIG", "--split", "val", "--json", "TARGET.json"),
    "report": ("RECORDS", "--out", "REPORT"),
    "print_config": ("CONFIG", "--out", "TARGET.py"),
    "document_networks": ("--out", "TARGET.md"),
}
"""Command -> its arguments; names in capitals are replaced by places of the test."""


@pytest.mark.thorough
@pytest.mark.parametrize("name", REPLACED)
def test_files_are_replaced_only_where_the_user_says_so(
    name, small_config, small_streets, weights, tool, tmp_path, monkeypatch
):
    if "--overwrite" not in {n for _, names in options_of(name, parser_of(name)) for n in names}:
        pytest.skip(f"{name} has no --overwrite")
    monkeypatch.setattr("lednet_mm.documentation.networks.measure_networks", lambda *_: [])
    monkeypatch.setattr("lednet_mm.documentation.networks.render", lambda networks: "a page")
    write_record(made.accuracy(), tmp_path / "records_of")
    images = small_streets / "leftImg8bit" / "val"
    inside = sorted(images.rglob("*.png"))[0].relative_to(images)
    places = {
        **{"CONFIG": small_config(), "WEIGHTS": weights, "IMAGES": images, "FOLDER": tmp_path / "w"},
        **{"PICTURES": tmp_path / "pictures", "REPORT": tmp_path / "report"},
        **{"AUTHORS": authors_file("dabnet", tmp_path), "RECORDS": tmp_path / "records_of"},
    }
    arguments = [places.get(word, word) for word in REPLACED[name]]
    target = {
        "test": tmp_path / "pictures" / inside.name,
        "predict": tmp_path / "pictures" / inside,
        "report": tmp_path / "report" / "summary.csv",
    }.get(name)
    for place, word in enumerate(REPLACED[name]):
        if word.startswith("TARGET."):
            target = arguments[place] = tmp_path / f"target{Path(word).suffix}"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(b"mine")
    refused = tool(name, *arguments)
    assert refused.status == 2
    assert "--overwrite" in refused.err
    assert target.read_bytes() == b"mine"
    outcome = tool(name, *arguments, "--overwrite")
    assert outcome.status == 0, outcome.err
    assert target.read_bytes() != b"mine"


@exercises(
    "record_vector",
    *("--classes", "--out", "--set", "--sizes", "--macs-size", "--source", "--salt", "--overwrite"),
)
def test_record_vector(tool, tmp_path):
    out = tmp_path / "dabnet.json"
    out.write_text("old")
    network = tmp_path / "toy.py"
    network.write_text(
        "from torch import nn\n\n\ndef build(num_classes, width):\n"
        "    return nn.Sequential(nn.Conv2d(3, width, 3), nn.Conv2d(width, num_classes, 1))\n"
    )
    arguments = ["--classes", 5, "--out", out, "--set", "width=4", "--sizes", "8x12", "--macs-size", "8x8"]
    recorded = tool(
        "record_vector", f"{network}:build", *arguments, "--source", "me", "--salt", "s", "--overwrite"
    )
    assert recorded.status == 0, recorded.err
    vector = json.loads(out.read_text())
    assert (vector["source"], vector["salt"], vector["num_classes"]) == ("me", "s", 5)
    assert vector["macs_8x8"] == 4 * 27 * 36 + 5 * 4 * 36
    assert [case["input_shape"] for case in vector["cases"]] == [[2, 3, 8, 12]] * 3


@exercises("verify_parity", "--network")
def test_verify_parity(tool, tmp_path):
    network = tmp_path / "mine.py"
    network.write_text(
        "from lednet_mm.cards import Card\n\n"
        "CARD = Card(name='mine', title='Mine', paper='none', repository='none')\n"
        "MODEL = dict(type='Segmentor')\n"
    )
    vector = Path(__file__).resolve().parents[1] / "data" / "dabnet.json"
    outcome = tool("verify_parity", vector, "--network", network)
    assert outcome.status == 1
    assert "names no vector" in outcome.out
