"""Engines equal eager mode or are left out with a reason, and records describe what was timed."""

import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lednet_mm.config import load_config
from lednet_mm.deployment.precisions import PRECISIONS
from lednet_mm.deployment.rounding import dtype_of, float32_products, output_error, tolerance_for
from lednet_mm.environment import Threads
from lednet_mm.errors import InputError
from lednet_mm.timing import engines, networks
from lednet_mm.timing.backends import ENGINES, Backend
from lednet_mm.timing.engines import prepare_engine
from lednet_mm.timing.networks import ClassIds, latency_records
from lednet_mm.timing.runtimes import UnavailableError

CPU = torch.device("cpu")
ONE = Threads(1, 1, "PASSIVE", "a test")


@pytest.fixture
def network():
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 5, 1)]
    return nn.Sequential(*layers).eval()


@pytest.fixture
def images():
    return torch.randn(2, 3, 24, 40, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", ["eager", "channels_last", "onnxruntime", "openvino"])
@pytest.mark.parametrize("form", ["logits", "ids"])
def test_an_engine_answers_as_eager(name, form, network, images):
    if (library := ENGINES[name].library) is not None:
        pytest.importorskip(library)
    expected = network(images).detach()
    call = prepare_engine(name, network if form == "logits" else ClassIds(network), images, "fp32", 1)
    assert output_error(call(), expected) < 1e-5
    assert output_error(call(), expected) < 1e-5  # the second call too


@pytest.mark.slow
def test_compiled_code_answers_as_eager(network, images):
    call = prepare_engine("compile", network, images, "fp32", 1)
    assert output_error(call(), network(images).detach()) < 1e-5


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
@pytest.mark.parametrize("name", ["cudagraph", "tensorrt"])
def test_engines_of_a_gpu_say_so(name, network, images):
    with pytest.raises(UnavailableError, match=r"needs? a GPU"):
        prepare_engine(name, network, images, "fp32", 1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", ["channels_last", "compile", "cudagraph"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_an_engine_on_a_gpu_keeps_what_it_needs(name, precision, network, images):
    network, images = network.cuda(), images.cuda()
    call = prepare_engine(name, network, images, precision, 1)
    expected = call().clone()
    taken = [torch.full((1 << 20,), float("nan"), device="cuda") for _ in range(64)]  # what was freed is used
    assert torch.equal(call(), expected)
    assert output_error(call(), network(images)) < 0.05
    del taken


@pytest.mark.parametrize("library", ["onnxruntime", "openvino"])
def test_an_engine_that_is_not_installed_says_so(library, network, images, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UnavailableError, match="not installed"):
        prepare_engine(library, network, images, "fp32", 1)


def test_the_network_stays_as_it_is(network, images):
    before = network(images)
    for precision in ("fp16", "bf16"):
        prepare_engine("channels_last", network, images, precision, 1)
    assert torch.equal(network(images), before)
    assert network[0].weight.dtype == torch.float32


@pytest.mark.parametrize("tf32", [False, True])
def test_the_choice_of_float32_products_can_be_read_by_all(tf32):
    """PyTorch's compiler reads the older settings, which raise an error if the newer ones differ."""

    def settings():
        backends = torch.backends
        return (
            torch.get_float32_matmul_precision(),
            backends.cuda.matmul.allow_tf32,
            backends.cudnn.allow_tf32,
        )

    before = settings()
    with float32_products(tf32):
        assert settings() == (("high", True, True) if tf32 else ("highest", False, False))
    assert settings() == before


def test_the_error_of_logits_and_of_class_ids():
    expected = torch.tensor([[1.0, 2.0], [3.0, 0.0]]).reshape(1, 2, 1, 2)  # spread 1.29
    spread = expected.std().item()
    assert output_error(expected + 0.1, expected) == pytest.approx(0.1 / spread, rel=1e-4)
    assert output_error(torch.tensor([[[1, 0]]]), expected) == 0
    # The first pixel's class has a logit that is 2 too low, the second's is right.
    assert output_error(torch.tensor([[[0, 0]]]), expected) == pytest.approx((2**2 / 2) ** 0.5 / spread)
    assert output_error(expected * float("nan"), expected) == float("inf")
    assert output_error(expected[..., :1], expected) == float("inf")


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_rounding_is_tolerated_and_a_fault_is_not(precision, network, images):
    expected = network(images).detach()
    tolerance = tolerance_for(precision, network, images, expected)
    rounded = network.to(dtype_of(precision))(images.to(dtype_of(precision)))
    assert 0 < output_error(rounded, expected) < tolerance
    shifted = torch.roll(expected, 1, dims=3)
    assert output_error(shifted, expected) > tolerance
    smaller = F.interpolate(F.interpolate(expected, scale_factor=0.5), scale_factor=2)
    assert output_error(smaller, expected) > tolerance


@pytest.fixture
def configs(small_config):
    return {"small": load_config(small_config())}


def timed(configs, **options):
    settings = {"shape": (64, 128), "device": CPU, "threads": ONE, "samples": 3, "seconds": 0.05}
    return latency_records(configs, **{**settings, **options})


@pytest.mark.thorough
def test_records_of_several_ways(configs):
    others = [
        Backend("onnxruntime"),
        Backend(deployed=True),
        Backend("cudagraph"),
        Backend(precision="tf32"),
    ]
    result = timed(configs, backends=[Backend(), *others], batch_size=2, with_roofline=True)
    assert {row.backend.engine: why for row, why in result.left_out.items()} == {
        "cudagraph": "CUDA graphs need a GPU",
        "eager": "tf32 needs a GPU",
    }
    plain, other, deployed = result.records.values()
    assert (plain.details["engine"], other.details["engine"]) == ("eager", "onnxruntime")
    assert [r.details["deployed"] for r in (plain, other, deployed)] == [False, False, True]
    assert "onnxruntime" in other.provenance.versions
    assert plain.values["peak_memory_bytes"] > deployed.values["peak_memory_bytes"] > 4 * 2 * 3 * 64 * 128
    assert "peak_memory_bytes" not in other.values
    for record in result.records.values():
        assert record.kind == "latency"
        assert record.details["error"] <= record.details["tolerance"]
        assert record.values["fps_p50"] == pytest.approx(2000 / record.values["latency_ms_p50"])
        assert len(record.details["samples_ms"]) == record.values["samples"] >= 1
        assert len(record.details["interleaved_with"]) == 2
        assert 0 < record.values["roofline_fraction"] < 1.5
        assert record.details["machine"]["blocks"] >= 1


def test_a_row_whose_output_is_wrong_is_named_and_not_timed(configs, monkeypatch):
    def shifted(network, images, precision, threads):
        call = engines.eager(network, images, precision, threads)
        return lambda: call().roll(3, dims=3)

    monkeypatch.setattr(engines, "channels_last", shifted)
    result = timed(configs, backends=[Backend(), Backend("channels_last")])
    assert [row.backend.engine for row in result.records] == ["eager"]
    ((row, reason),) = result.left_out.items()
    assert row.backend.engine == "channels_last"
    assert "output differs" in reason


@pytest.mark.parametrize("scale", [1.0, 1e24, 1e-24])
def test_the_error_of_an_output_does_not_depend_on_its_scale(scale):
    """DFANet's logits are about 1e24 with the weights of its vector; their squares are no float32."""
    expected = torch.randn(1, 5, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    wrong = expected + 0.01 * expected.std()
    error = output_error((scale * wrong).float(), (scale * expected).float())
    assert error == pytest.approx(0.01, rel=1e-3)


def test_class_ids_can_be_timed(configs):
    (record,) = timed(configs, timed="prediction").records.values()
    assert record.details["timed"] == "normalised images to class ids at input resolution"


@pytest.mark.thorough
def test_all_from_a_cameras_image_to_class_ids_can_be_timed(small_config):
    lines = (
        "pipe = [dict(type='LoadImage'), dict(type='Resize', scale=(64, 32), keep_ratio=False),"
        " dict(type='LoadLabels'), dict(type='PackSegInputs')]",
        "val_dataloader['dataset']['pipeline'] = pipe",
        "test_dataloader = val_dataloader",
    )
    backends = [Backend(), Backend("channels_last", deployed=True), Backend("onnxruntime")]
    configs = {"small": load_config(small_config(*lines))}
    result = timed(configs, timed="image", backends=backends, batch_size=2)
    assert (len(result.records), result.left_out) == (3, {})
    for record in result.records.values():
        assert record.details["timed"] == (
            "uint8 images to class ids, both at the size of the camera; the network sees 32x64"
        )
        assert (record.details["shape"], record.details["channels"]) == ([64, 128], 3)
        assert record.details["error"] <= record.details["tolerance"]


def test_a_pipeline_that_cannot_be_timed_is_named(small_config):
    lines = (
        "pipe = [dict(type='LoadImage'), dict(type='Pad', size_divisor=48), dict(type='PackSegInputs')]",
        "val_dataloader['dataset']['pipeline'] = pipe",
        "test_dataloader = val_dataloader",
    )
    result = timed({"small": load_config(small_config(*lines))}, timed="image")
    assert "step Pad of the test pipeline works only there" in result.faults["small"]


def test_a_checkpoint_belongs_to_one_config(configs, tmp_path):
    with pytest.raises(InputError, match="give one config"):
        timed({**configs, "other": configs["small"]}, checkpoint=tmp_path / "a.pth")


@pytest.mark.thorough
def test_the_table_of_the_command(small_config, tool, tmp_path):
    arguments = ["--shape", 64, 128, "--samples", 2, "--seconds", 0.05, "--work-dir", tmp_path]
    engines_and_forms = ["--engine", "eager", "cudagraph", "--deployed", "both", "--device", "cpu"]
    outcome = tool("benchmark", small_config(), *arguments, *engines_and_forms)
    assert outcome.status == 0
    assert "left out: cudagraph fp32: CUDA graphs need a GPU" in outcome.out
    assert outcome.out.count("CUDA graphs need a GPU") == 1
    assert len(list(tmp_path.rglob("latency-*.json"))) == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_rows_of_files_with_one_name_are_told_apart(small_config, tool, tmp_path):
    plans = [tmp_path / f"run{seed}" / "plan" / "config.py" for seed in (0, 1)]
    others = [tmp_path / place / "small.py" for place in ("one", "two")]
    for path in (*plans, *others):
        path.parent.mkdir(parents=True)
        path.write_text(small_config().read_text())
    outcome = tool("benchmark", *plans, *others, "--shape", 64, 128, "--engine", "tensorrt")
    for name in ("run0", "run1", "small", str(others[1])):
        assert f"{name}, tensorrt, fp32: " in outcome.err


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_nothing_that_can_be_timed(small_config, tool, tmp_path):
    outcome = tool("benchmark", small_config(), "--shape", 64, 128, "--engine", "tensorrt")
    assert outcome.status == 2
    assert "tensorrt, fp32: TensorRT needs a GPU" in outcome.err


def test_sizes_that_are_none(small_config, tool):
    outcome = tool("benchmark", small_config(), "--shape", 0, 128)
    assert outcome.status == 2
    assert "above 0" in outcome.err


QUICK = ("--shape", 64, 128, "--samples", 2, "--seconds", 0.05)


def test_a_config_at_fault_costs_the_others_nothing(small_config, tool, tmp_path):
    odd = tmp_path / "odd [" / "red].py"
    odd.parent.mkdir()
    odd.write_text(f"_base_ = {str(small_config())!r}\nmodel = dict(backbone=dict(in_channels='many'))\n")
    outcome = tool(
        "benchmark", odd, tmp_path / "none.py", small_config(), *QUICK, "--work-dir", tmp_path / "w"
    )
    assert outcome.status == 2
    assert "none.py: no such config" in outcome.err
    assert "odd [/red].py: the model cannot be built" in outcome.err
    assert outcome.err.count("\n") == 1
    assert len(list((tmp_path / "w").rglob("latency-*.json"))) == 1
    assert "p50 (ms)" in outcome.out


def test_a_place_that_cannot_be_written_is_found_before_anything_is_timed(small_config, tool, tmp_path):
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "file", tmp_path / "file" / "x"):
        outcome = tool("benchmark", small_config(), *QUICK, "--work-dir", place)
        assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)
        assert "a file stands where a folder is needed" in outcome.err


def test_what_is_timed_is_printed_where_it_cannot_be_kept(small_config, tool, tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("lednet_mm.records.write_atomically", full)
    outcome = tool("benchmark", small_config(), *QUICK, "--work-dir", tmp_path / "w")
    assert outcome.status == 2
    assert "p50 (ms)" in outcome.out
    assert "a record is lost: " in outcome.err


@pytest.mark.thorough
@pytest.mark.parametrize("terminal", [{}, {"FORCE_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_log_has_every_column_whole(terminal, small_config, tool, tmp_path, monkeypatch):
    for name, value in {"COLUMNS": "20", **terminal}.items():
        monkeypatch.setenv(name, value)
    for name, more in (("benchmark", QUICK[3:]), ("get_flops", ())):
        outcome = tool(name, small_config(), *QUICK[:3], *more, "--work-dir", tmp_path / "w")
        assert outcome.status == 0
        assert "…" not in outcome.out
        for column in ("p50 (ms)", "memory (MiB)") if more else ("ptflops_pytorch (G MACs)", "spread"):
            assert column in outcome.out


def test_why_a_row_is_not_stable_is_said_in_words(small_config, tool, tmp_path, monkeypatch):
    monkeypatch.setattr(
        networks, "instability_reasons", lambda seconds: ["the halves differ", "the median is unknown"]
    )
    outcome = tool("benchmark", small_config(), *QUICK, "--work-dir", tmp_path / "w")
    assert "not stable: small, eager, fp32: the halves differ; the median is unknown" in outcome.out
