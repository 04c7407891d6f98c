"""A record's config builds a network, and runs nothing else."""

import sys
from types import SimpleNamespace

import pytest

from lednet_mm.catalog import network_files
from lednet_mm.checkpoints.binding import compare_with_config
from lednet_mm.config import Choice, config_text, load_config
from lednet_mm.errors import InputError
from lednet_mm.reports.recorded_config import config_of_record
from tests.conftest import ROOT


def record(text):
    return SimpleNamespace(config=SimpleNamespace(text=text))


@pytest.fixture(scope="module")
def text():
    return config_text(load_config(ROOT / "configs" / "lednet_camvid.py"))


@pytest.mark.parametrize("network", list(network_files())[::7])
def test_the_parts_of_our_configs_are_known(network):
    config = config_of_record(record(config_text(load_config(Choice(network, "camvid")))), "test")
    assert set(config) == {"model", "test_dataloader"}


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t + "\nimport odd_module\n",
        lambda t: t + "\nx = __import__('odd_module')\n",
        lambda t: t.replace("'type': 'LEDNet'", "'type': 'odd_module'"),
        lambda t: t.replace("'type': 'LEDNet'", "'type': 'odd_module.Thing'"),
        lambda t: t.replace("'type': 'LEDNet'", "'type': 'odd_package.LEDNet'"),
        lambda t: t.replace("'type': 'LEDNet'", "'type': 'subprocess.Popen', 'args': 'true'"),
        lambda t: t.replace("'type': 'LEDNet'", "'type': ['LEDNet']"),
        lambda t: t.replace("'type': 'CamVidDataset'", "'type': 'odd_module'"),
        lambda t: "model = 5\n",
        lambda t: "",
    ],
)
def test_what_is_no_known_part_is_refused(change, text, tmp_path, monkeypatch):
    for name in ("odd_module", "odd_package"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert change(text) != text
    with pytest.raises(InputError, match="the config in its record"):
        config_of_record(record(change(text)), "test")
    assert not {"odd_module", "odd_package"} & set(sys.modules)


def test_what_would_load_something_is_left_out(text):
    pretrained = (
        "'type': 'LEDNet', 'init_cfg': {'type': 'Pretrained', 'checkpoint': 'x.pth'}, '_scope_': 'odd'"
    )
    changed = text.replace("'type': 'LEDNet'", pretrained)
    changed += "custom_imports = {'imports': ['odd_module']}\n_base_ = 'odd.py'\ndefault_scope = 'odd'\n"
    config = config_of_record(record(changed), "test")
    assert config.model.backbone == {"type": "LEDNet"}
    assert not {"custom_imports", "_base_", "default_scope"} & set(config)


def in_dataset(text, more):
    return text.replace("'type': 'CamVidDataset'", f"'type': 'CamVidDataset', {more}")


def test_no_list_is_read_and_no_cache_written_where_a_record_says(text):
    changed = in_dataset(text, "'ann_file': '/etc/passwd', 'cache_dir': '/tmp/cache'")
    assert changed != text
    dataset = config_of_record(record(changed), "test").test_dataloader.dataset
    assert not {"ann_file", "cache_dir"} & set(dataset)


@pytest.mark.parametrize(
    "more",
    [
        "'img_suffix': 'http://127.0.0.1:9/x'",
        "'data_prefix': {'img_path': 'http://127.0.0.1:9/x'}",
        "'data_prefix': {'img_path': '/etc'}",
        "'data_prefix': {'seg_map_path': 'a/../../b'}",
        "'data_prefix': {'img_path': ['a', '../b']}",
        "'metainfo': {'classes': '/etc/passwd'}",
    ],
)
def test_a_record_leads_to_no_other_place(more, text):
    with pytest.raises(InputError, match="only from files in the dataset's data_root"):
        config_of_record(record(in_dataset(text, more)), "test")


@pytest.mark.parametrize("more", ["'cache_dir': None", "'ann_file': '', 'cache_dir': 'cache'"])
def test_what_is_left_out_is_no_difference_to_the_config_of_the_weights(more, text):
    text = in_dataset(text, more)
    config = config_of_record(record(text), "test")
    assert compare_with_config({"meta": {"config": text}}, config, "x.pth") == []
