"""A config written by tools/print_config.py is complete: MMEngine's own runner trains it."""

from mmengine.config import Config
from mmengine.runner import Runner

from lednet_mm.records import read_records


def test_mmengines_runner_takes_what_print_config_writes(small_streets, tool, tmp_path, capsys):
    settings = [
        *(f"{split}_dataloader.dataset.data_root={small_streets}" for split in ("train", "val", "test")),
        *(f"{split}_dataloader.num_workers=0" for split in ("train", "val", "test")),
        *(f"{split}_dataloader.persistent_workers=False" for split in ("train", "val", "test")),
        *("train_cfg.max_iters=2", "train_cfg.val_interval=2", "train_dataloader.batch_size=2"),
        *("train_dataloader.dataset.pipeline.5.crop_size=(64,128)", "model.data_preprocessor.size=(64,128)"),
    ]
    path = tmp_path / "whole.py"
    written = tool("print_config", "enet", "--dataset", "streets", "--out", path, "--cfg-options", *settings)
    assert written.status == 0, written.err
    config = Config.fromfile(str(path))
    config.work_dir = str(tmp_path / "run")
    Runner.from_cfg(config).train()
    said = capsys.readouterr().out
    assert "the config needs runner_type" in said
    assert "mIoU" in said
    assert (tmp_path / "run" / "iter_2.pth").is_file()
    assert read_records([tmp_path / "run"]) == ([], {})
