"""A faulty config gives one line with the fault, and keys that nothing reads are refused."""

import re
from pathlib import Path

import mmseg
import pytest
from mmengine.config import Config

from lednet_mm.config import Choice, config_text, files_of, load_config, run_of
from lednet_mm.errors import InputError


def test_an_option_that_nothing_reads_is_refused(small_config):
    for key, said in {
        "no_such_key": "nothing reads no_such_key",
        "optim_wraper.optimizer.lr": "did you mean optim_wrapper",
        "env_cfg.cudnn_benchmarks": "did you mean cudnn_benchmark",
        "data_root": "options apply: set train_dataloader.dataset.data_root, ",
        "crop_size": "train_dataloader.dataset.pipeline.5.crop_size",
        "num_classes": "model.num_classes",
    }.items():
        with pytest.raises(InputError, match=f"option {key}: ") as error:
            load_config(small_config(base="configs/lednet_camvid.py"), {key: 5})
        assert said in str(error.value)


def test_the_files_of_a_config_are_known_without_running_it(small_config, tmp_path):
    names = {path.name for path in files_of(small_config("raise SystemExit"))}
    assert names >= {"small.py", "lednet_streets.py", "streets.py", "common.py"}
    (tmp_path / "lazy.py").write_text("with read_base():\n    from .small import *\n")
    assert files_of(tmp_path / "lazy.py")[1] == tmp_path / "small.py"
    (tmp_path / "circle.py").write_text("_base_ = ('circle.py', 'gone.py')\n")
    assert {path.name for path in files_of(tmp_path / "circle.py")} == {"circle.py", "gone.py"}
    assert files_of(tmp_path / "gone.py") == [tmp_path / "gone.py"]


def test_an_option_may_add_what_is_read(small_config):
    options = {
        "train_dataloader.prefetch_factor": 4,
        "channels_last": True,
        "auto_scale_lr.base_batch_size": 8,
    }
    config = load_config(small_config(), options)
    assert config.train_dataloader.prefetch_factor == 4
    assert config.channels_last is True


def test_a_misspelled_key_of_a_config_is_refused(small_config):
    with pytest.raises(InputError, match="nothing reads train_dataloder: train_dataloader is meant"):
        load_config(small_config("train_dataloder = dict(batch_size=4)"))


def test_the_config_of_a_studys_run_is_named_after_its_folder(tmp_path, monkeypatch):
    run = tmp_path / "dabnet-default-camvid-seed0"
    assert Choice(f"{run}/plan/config.py").name == run.name
    assert Choice("configs/config.py").name == "config"
    run.mkdir()
    monkeypatch.chdir(run)
    assert Choice("plan/config.py").name == run.name


def test_variables_of_a_config_have_any_name(small_config):
    load_config(
        small_config("train_dataloader2 = 1", "my_cfg = dict(a=1)", "models = 3", "train_pipelines = []")
    )


def test_no_name_in_mmsegmentations_configs_is_taken_for_a_misspelled_one():
    root = Path(mmseg.__file__).parent / ".mim" / "configs"
    whole = [path for path in sorted(root.glob("*/*.py")) if path.parent.name != "_base_"]
    assert len(whole) > 500
    for path in whole[::40]:
        load_config(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ('raise ValueError("one\\ntwo\\nthree")', "ValueError: one"),
        ("model = 5", "model = 5 is no dict"),
        ("model = dict()\noptim_wrapper = 'AdamW'", "optim_wrapper = 'AdamW' is no dict"),
        ("model = dict()\ncustom_hooks = dict()", "custom_hooks = {} is no list"),
        ("a = 1", "no model in this config"),
    ],
)
def test_what_a_config_does_wrong_is_one_line(text, said, tmp_path):
    (tmp_path / "my.py").write_text(text)
    with pytest.raises(InputError) as error:
        load_config(tmp_path / "my.py")
    assert str(error.value).startswith(f"{tmp_path / 'my.py'}: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_config_in_yaml_is_not_read(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text(f"model: !!python/object/apply:os.system ['touch {tmp_path / 'executed'}']\n")
    with pytest.raises(InputError, match="a dataset's YAML file goes with a network"):
        load_config(path)
    assert not (tmp_path / "executed").exists()


def test_a_resolved_config_is_the_same_wherever_it_runs(small_config):
    config = load_config(small_config())
    before = config_text(config)
    config.work_dir, config.launcher, config.resume = "elsewhere", "pytorch", True
    assert config_text(config) == before


def test_options_that_change_the_network_make_a_variant(small_config):
    path = small_config()

    def variant(**options):
        return run_of(load_config(path, {k.replace("__", "."): v for k, v in options.items()})).variant

    assert (
        variant(optim_wrapper__optimizer__lr=0.1, model__decode_head__loss_decode__loss_weight=2.0)
        == "default"
    )
    assert variant(model__backbone__shuffle=False, variant="no_shuffle") == "no_shuffle"
    assert variant(model__backbone__shuffle=False) == "default+backbone.shuffle=False"
    assert variant(model__backbone__type="LEDNet") == "default"  # as it is anyway
    long = variant(model__backbone__init_cfg=None, model__backbone__act_cfg={"type": "x" * 90})
    assert re.fullmatch(r"default\+[0-9a-f]{8}", long)
    other = variant(model__backbone__act_cfg={"type": "y" * 90})
    assert re.fullmatch(r"default\+[0-9a-f]{8}", other)
    assert other != long


def test_a_config_is_written_without_formatting_it(small_config, tmp_path, monkeypatch):
    monkeypatch.setattr("yapf.yapflib.yapf_api.FormatCode", lambda *_, **__: 1 / 0)
    config = load_config(small_config(), {"randomness.seed": 3})
    config.work_dir = "elsewhere"
    config.dump(tmp_path / "whole.py")
    again = Config.fromfile(str(tmp_path / "whole.py"))
    assert again.to_dict() == config.to_dict()
    assert again.pretty_text == config.pretty_text == (tmp_path / "whole.py").read_text()
