"""The precision in a record is that of the flags and the device."""

import pytest
import torch

from lednet_mm.deployment.rounding import float32_products
from lednet_mm.records import read_records
from lednet_mm.training import precision
from lednet_mm.training.precision import choose_tf32, describe_precision, precision_now
from lednet_mm.training.training import train


@pytest.fixture(autouse=True)
def flags():
    """Leave PyTorch's flags as they were."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    yield
    torch.set_float32_matmul_precision(before[0])
    torch.backends.cudnn.allow_tf32 = before[1]


@pytest.mark.parametrize(
    ("capability", "convolutions", "products", "mixed", "expected"),
    [
        (None, True, "highest", None, "fp32"),
        ((7, 5), True, "high", None, "fp32"),
        ((8, 0), True, "highest", None, "fp32, convolutions tf32"),
        ((9, 0), True, "high", None, "tf32"),
        ((9, 0), False, "highest", None, "fp32"),
        ((9, 0), False, "high", None, "tf32, convolutions fp32"),
        ((9, 0), True, "medium", None, "bf16, convolutions tf32"),
        ((9, 0), True, "high", "fp16", "fp16"),
        (None, False, "highest", "bf16", "bf16"),
    ],
)
def test_precision_follows_from_device_and_flags(capability, convolutions, products, mixed, expected):
    assert describe_precision(capability, convolutions, products, mixed) == expected


@pytest.fixture
def ampere(monkeypatch):
    """Return a device that reports the capability of such a GPU."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 6))
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    return torch.device("cuda:0")


def test_a_gpu_by_pytorchs_default_and_by_choice(ampere):
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = True
    choose_tf32(None)
    assert precision_now(ampere) == "fp32, convolutions tf32"
    choose_tf32(False)
    assert precision_now(ampere) == "fp32"
    choose_tf32(True)
    assert precision_now(ampere) == "tf32"
    with float32_products(False):
        assert precision_now(ampere) == "fp32"
    assert precision_now(torch.device("cpu")) == "fp32"


def test_mixed_precision_has_the_type_that_autocast_takes(ampere):
    assert precision_now(ampere, autocast=True) == "fp16"
    assert precision_now(ampere, True, torch.bfloat16) == "bf16"
    assert precision_now(torch.device("cpu"), autocast=True) == "bf16"


def test_amd_gpus_have_no_tf32(ampere, monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", None)
    choose_tf32(True)
    assert precision_now(ampere) == "fp32"


@pytest.mark.parametrize(("line", "expected"), [("tf32 = True", "tf32"), ("tf32 = False", "fp32")])
def test_a_config_chooses_and_records_say_so(quick_config, tmp_path, monkeypatch, line, expected):
    """The CPU pretends to be a GPU when the records ask for its capability."""
    said = describe_precision
    monkeypatch.setattr(precision, "describe_precision", lambda _, *flags: said((9, 0), *flags))
    train(quick_config(line, "train_cfg = dict(max_iters=2, val_interval=2)"), work_dir=tmp_path / "w")
    records = read_records([tmp_path / "w"])[0]
    assert {record.kind for record in records} == {"train", "accuracy"}
    assert {record.provenance.precision for record in records} == {expected}
    (training,) = (record for record in records if record.kind == "train")
    assert training.details["ranges"][0]["precision"] == expected
    assert line in training.config.text
