"""A run killed at any moment and resumed ends with the weights of one that never stopped."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import ValLoop
from mmengine.runner import runner as mmengine_runner
from mmseg.registry import MODELS

from lednet_mm.checkpoints.files import (
    publish_checkpoint,
)
from lednet_mm.checkpoints.listing import checkpoints_of
from lednet_mm.checkpoints.reading import read_checkpoint
from lednet_mm.config import load_config
from lednet_mm.errors import InputError
from lednet_mm.files import FolderLock, file_sha256
from lednet_mm.literals import read_literals
from lednet_mm.records import read_records
from lednet_mm.training import hooks
from lednet_mm.training.training import train

ROOT = Path(__file__).resolve().parents[2]


def weights(work_dir, iteration):
    return read_checkpoint(work_dir / f"iter_{iteration}.pth")["state_dict"]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.thorough
def test_killed_and_resumed_is_bit_identical(small_config, tmp_path, one_thread):
    config = small_config()
    train(config, work_dir=tmp_path / "whole", seed=3)

    process = subprocess.Popen(
        [sys.executable, "tools/train.py", str(config), "--work-dir", str(tmp_path / "cut"), "--seed", "3"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    end = time.monotonic() + 120
    while not (tmp_path / "cut" / "iter_4.pth").exists():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < end
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "cut" / "iter_8.pth").exists()

    train(config, work_dir=tmp_path / "cut", seed=3, resume=True)
    assert same(weights(tmp_path / "whole", 8), weights(tmp_path / "cut", 8))
    for folder in ("whole", "cut"):
        records, problems = read_records([tmp_path / folder])
        assert problems == {}
        assert sorted(record.kind for record in records) == ["accuracy", "train"]
        curve = next(r for r in records if r.kind == "train").details["validation_curve_miou_percent"]
        assert [step for step, _ in curve] == [4, 8]


@pytest.mark.thorough
def test_another_seed_gives_other_weights(small_config, tmp_path, one_thread):
    config = small_config("train_cfg = dict(max_iters=2)")
    for seed in (0, 1):
        train(config, work_dir=tmp_path / str(seed), seed=seed)
    assert not same(weights(tmp_path / "0", 2), weights(tmp_path / "1", 2))


@pytest.mark.thorough
def test_checkpoints_of_no_use_are_named_and_the_one_before_is_used(
    small_config, tmp_path, one_thread, capfd
):
    run = tmp_path / "run"
    config = small_config("default_hooks = dict(checkpoint=dict(interval=2, max_keep_ckpts=4))")
    train(config, work_dir=run, seed=0)
    expected = weights(run, 8)
    newest, before, good, _ = checkpoints_of(run)
    publish_checkpoint(before, tmp_path / "public.pth")
    newest.write_bytes(newest.read_bytes()[:1000])
    before.write_bytes((tmp_path / "public.pth").read_bytes())
    (run / "iter_99.pth").mkdir()
    attack = read_checkpoint(good)
    attack["meta"]["config"] = f"open({str(tmp_path / 'executed')!r}, 'w')"
    torch.save(attack, good)
    train(config, work_dir=run, seed=0, resume=True)
    said = "".join(capfd.readouterr())
    assert f"{newest}: truncated" in said
    assert f"{before}: the weights have another precision" in said
    assert f"resuming from {good}" in said
    assert same(weights(run, 8), expected)
    assert not (tmp_path / "executed").exists()
    meta = read_checkpoint(run / "iter_8.pth")["meta"]
    assert meta["run"]["network"] == "lednet"
    assert read_literals(meta["config"])["train_cfg"]["max_iters"] == 8


def test_whole_checkpoints_that_cannot_be_continued_are_not_passed_over(small_config, tmp_path, tool):
    config, run = small_config(), tmp_path / "run"
    run.mkdir()
    state = MODELS.build(load_config(config).model).state_dict()
    torch.save({"state_dict": state, "meta": {"iter": 6, "epoch": 0}}, run / "iter_6.pth")
    kept = (run / "iter_6.pth").read_bytes()
    failed = tool("train", config, "--work-dir", run, "--resume")
    assert failed.status == 2
    assert f"error: no checkpoint in {run} can be continued: {run / 'iter_6.pth'}" in failed.err
    assert "holds no optimiser state" in failed.err
    assert (run / "iter_6.pth").read_bytes() == kept


@HOOKS.register_module()
class SpoilHook(Hook):
    """A hook that makes a weight NaN after the fourth iteration, when no loss depends on it any more."""

    priority = "VERY_HIGH"

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == 4:
            with torch.no_grad():
                next(runner.model.parameters()).fill_(torch.nan)


@pytest.mark.thorough
def test_weights_that_are_not_finite_are_not_saved(small_config, tmp_path, tool):
    config = small_config(f"custom_hooks = [dict(type='{SpoilHook.__name__}')]")
    failed = tool("train", config, "--work-dir", tmp_path / "run")
    assert failed.status == 2
    assert re.search(r"no longer finite at iteration 4: \S+ has \d+ NaN", failed.err)
    assert f"the last good checkpoint is {tmp_path / 'run' / 'iter_2.pth'};" in failed.err
    assert [path.name for path in checkpoints_of(tmp_path / "run")] == ["iter_2.pth"]


@pytest.mark.thorough
def test_a_full_disk_ends_in_a_line_and_leaves_the_earlier_checkpoints(
    small_config, tmp_path, tool, monkeypatch
):
    put = mmengine_runner.save_checkpoint

    def fill_the_disk(checkpoint, filename, **options):
        if "iter_4" in filename:
            Path(filename).write_bytes(b"half of it")
            raise OSError(errno.ENOSPC, "No space left on device")
        put(checkpoint, filename, **options)

    monkeypatch.setattr(mmengine_runner, "save_checkpoint", fill_the_disk)
    failed = tool("train", small_config(), "--work-dir", tmp_path / "run")
    assert failed.status == 2
    assert f"cannot be written: {tmp_path / 'run' / 'iter_4.pth'}: No space left" in failed.err
    assert "Traceback" not in failed.err
    assert [path.name for path in checkpoints_of(tmp_path / "run")] == ["iter_2.pth"]
    assert not list((tmp_path / "run").rglob("*.part"))


@pytest.mark.thorough
def test_only_the_newest_are_kept_and_nothing_half_written(small_config, tmp_path):
    config = small_config()
    train(config, work_dir=tmp_path / "run")
    assert [path.name for path in checkpoints_of(tmp_path / "run")] == [
        "iter_8.pth",
        "iter_6.pth",
        "iter_4.pth",
    ]
    assert not list((tmp_path / "run").rglob("*.part"))


def records_of(work_dir):
    records, problems = read_records([work_dir])
    assert problems == {}
    return {record.kind: record for record in records}  # the newest of each kind


@pytest.fixture(scope="module")
def four_iterations(tmp_path_factory) -> Path:
    """Return a folder for the run of ``begun``, which all tests share."""
    return tmp_path_factory.mktemp("begun") / "run"


@pytest.fixture
def begun(quick_config, tmp_path, one_thread, four_iterations):
    """Return a config, and a copy of its run after 4 iterations."""
    config = quick_config("train_cfg = dict(max_iters=4, val_interval=4)")
    if not four_iterations.exists():
        train(config, work_dir=four_iterations, seed=3)
    return config, Path(shutil.copytree(four_iterations, tmp_path / "run"))


@pytest.mark.thorough
def test_a_longer_run_has_the_schedule_of_its_length(begun, tmp_path, monkeypatch):
    config, run = begun
    rates: list[float] = []

    def note(part, iteration, rate):
        part["to"] = iteration
        rates.append(rate)

    monkeypatch.setattr(hooks, "extend_range", note)
    longer = {"train_cfg.max_iters": 8}
    train(config, work_dir=run, seed=3, resume=True, options=longer)
    train(config, work_dir=tmp_path / "whole", seed=3, options=longer)
    continued, whole = rates[:4], rates[4:]
    assert continued == whole[4:]  # to the last bit
    assert continued[0] == pytest.approx(2e-3 * (1 - 4 / 7) ** 0.9)


@pytest.mark.thorough
def test_the_record_tells_what_applied_to_which_iterations(begun, tmp_path):
    config, run = begun
    train(config, work_dir=run, seed=3, resume=True, options={"train_cfg.max_iters": 6})
    record = records_of(run)["train"]
    first, second = record.details["ranges"]
    assert (first["from"], first["to"], first["max_iters"], first["seed"]) == (0, 4, 4, 3)
    assert (second["from"], second["to"], second["max_iters"], second["seed"]) == (4, 6, 6, 3)
    assert (first["lr_first"], first["lr_last"]) == (2e-3, 0)
    assert second["lr_first"] > 0
    assert first["dataset_fingerprint"] == record.provenance.dataset_fingerprint
    assert first["dataset_fingerprint"] != records_of(run)["accuracy"].provenance.dataset_fingerprint
    assert record.values["epochs"] == 2  # 6 iterations of 2 of 6 images
    # Continued as it was: no new range.
    train(config, work_dir=run, seed=3, resume=True, options={"train_cfg.max_iters": 6})
    assert len(records_of(run)["train"].details["ranges"]) == 2


def test_what_is_no_part_of_a_training_may_change(begun, small_streets, tmp_path):
    config, run = begun
    moved = Path(shutil.copytree(small_streets, tmp_path / "moved"))
    options = {
        "train_cfg.val_interval": 2,
        "default_hooks.checkpoint.max_keep_ckpts": 5,
        "default_hooks.logger.interval": 1,
        "train_dataloader.dataset.data_root": str(moved),
        "train_dataloader.num_workers": 1,
        "train_dataloader.dataset.cache_dir": str(tmp_path / "cache"),
        "val_dataloader.dataset.data_root": str(moved),
        "env_cfg.cudnn_benchmark": False,
        "log_level": "DEBUG",
    }
    train(config, work_dir=run, seed=3, resume=True, options=options)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("seed", "options", "said"),
    [
        (5, {}, "randomness.seed = 3, now 5"),
        (3, {"optim_wrapper.optimizer.lr": 0.5}, "optim_wrapper.optimizer.lr = 0.002, now 0.5"),
        (3, {"variant": "no_shuffle"}, "variant = None, now 'no_shuffle'"),
        (3, {"train_dataloader.batch_size": 3}, "train_dataloader.batch_size = 2, now 3"),
        (3, {"train_cfg.max_iters": 2}, "has 4 iterations already, more than the 2 of train_cfg.max_iters"),
    ],
)
def test_a_run_under_another_config_is_not_continued(begun, seed, options, said):
    config, run = begun
    before = {path: path.read_bytes() for path in run.rglob("*") if path.suffix in (".pth", ".json")}
    with pytest.raises(InputError, match=r"iter_4\.pth") as error:
        train(config, work_dir=run, seed=seed, resume=True, options=options)
    assert said in str(error.value)
    assert all(path.read_bytes() == content for path, content in before.items())


def test_a_run_on_other_data_is_not_continued(begun, small_streets, tmp_path):
    config, run = begun
    other = Path(shutil.copytree(small_streets, tmp_path / "other"))
    sets = {f"{split}_dataloader.dataset.data_root": str(other) for split in ("train", "val")}
    image = min(other.rglob("train/**/*_leftImg8bit.png"))
    for path in list(other.rglob(f"{image.name.removesuffix('_leftImg8bit.png')}*")):
        path.unlink()
    with pytest.raises(InputError, match="was trained on other data"):
        train(config, work_dir=run, seed=3, resume=True, options=sets)


@pytest.mark.thorough
def test_a_run_validated_on_other_data_is_not_continued(begun, small_streets, tmp_path):
    config, run = begun
    other = Path(shutil.copytree(small_streets, tmp_path / "other"))
    image = min(other.rglob("val/**/*_leftImg8bit.png"))
    for path in list(other.rglob(f"{image.name.removesuffix('_leftImg8bit.png')}*")):
        path.unlink()
    options = {"val_dataloader.dataset.data_root": str(other)}
    with pytest.raises(InputError, match="was validated on other data"):
        train(config, work_dir=run, seed=3, resume=True, options=options)
    path = run / "iter_4.pth"
    checkpoint = read_checkpoint(path)
    for part in checkpoint["message_hub"]["runtime_info"]["ranges"]:
        del part["val_dataset_fingerprint"]  # as before it was kept
    torch.save(checkpoint, path)
    train(config, work_dir=run, seed=3, resume=True, options=options)


@pytest.mark.thorough
def test_a_record_names_the_file_of_its_weights_and_no_other(begun, quick_config, tmp_path):
    config, run = begun
    (run / "iter_99.pth").write_bytes(b"of another run")
    train(config, work_dir=run, seed=3, resume=True)
    record = records_of(run)["train"]
    assert record.details["checkpoint"] == "iter_4.pth"
    assert record.provenance.checkpoint_sha256 == file_sha256(run / "iter_4.pth")

    config = quick_config(
        "train_cfg = dict(max_iters=3, val_interval=3)",
        "default_hooks['checkpoint'].update(interval=2, save_last=False)",
    )
    train(config, work_dir=tmp_path / "unsaved", seed=3)
    assert checkpoints_of(tmp_path / "unsaved")[0].name == "iter_2.pth"
    record = records_of(tmp_path / "unsaved")["train"]
    assert (record.details["checkpoint"], record.provenance.checkpoint_sha256) == (None, None)


@pytest.mark.thorough
def test_files_of_a_user_in_a_work_folder_stay_as_they_are(quick_config, tmp_path, one_thread):
    config = quick_config("train_cfg = dict(max_iters=1, val_interval=1)")
    run, mine = tmp_path / "run", tmp_path / "mine.txt"
    run.mkdir()
    mine.write_text("mine")
    (run / config.name).write_text("mine")
    (run / "last_checkpoint").symlink_to(mine)
    train(config, work_dir=run)
    assert mine.read_text() == (run / config.name).read_text() == "mine"
    assert (run / "last_checkpoint").read_text() == str(run / "iter_1.pth")
    (written,) = run.glob(f"*/{config.name}")
    assert "max_iters" in written.read_text()


@pytest.mark.thorough
def test_a_checkpoint_without_a_config_is_compared_as_far_as_it_goes(begun):
    config, run = begun
    path = run / "iter_4.pth"
    checkpoint = read_checkpoint(path)
    checkpoint["meta"].pop("config", None)
    torch.save(checkpoint, path)
    with pytest.raises(InputError, match=r"randomness\.seed = 3, now 5"):  # mmengine's own text of the config
        train(config, work_dir=run, seed=5, resume=True)
    with pytest.raises(InputError, match=r"optim_wrapper.optimizer.lr = 0.002, now 0.5"):
        train(config, work_dir=run, seed=3, resume=True, options={"optim_wrapper.optimizer.lr": 0.5})
    del checkpoint["meta"]["cfg"]
    torch.save(checkpoint, path)
    with pytest.raises(InputError, match=r"randomness.seed = 3, now 5"):
        train(config, work_dir=run, seed=5, resume=True)


def test_the_config_in_a_checkpoint_is_never_executed(begun, tmp_path):
    config, run = begun
    checkpoint = read_checkpoint(run / "iter_4.pth")
    attack = f"import os\nos.system('touch {tmp_path / 'executed'}')\n"
    checkpoint["meta"].update(config=attack, cfg=attack)
    torch.save(checkpoint, run / "iter_4.pth")
    train(config, work_dir=run, seed=3, resume=True)
    assert not (tmp_path / "executed").exists()


def test_two_trainings_do_not_share_a_folder(small_config, tmp_path, tool):
    with FolderLock.take(tmp_path / "run"):
        outcome = tool("train", small_config(), "--work-dir", tmp_path / "run")
    assert outcome.status == 2
    assert f"process {os.getpid()} on" in outcome.err
    assert f"is training in {tmp_path / 'run'}" in outcome.err


def test_a_work_folder_that_is_a_file(small_config, tmp_path, tool):
    (tmp_path / "file").write_text("mine")
    outcome = tool("train", small_config(), "--work-dir", tmp_path / "file")
    assert outcome.status == 2
    assert "Traceback" not in outcome.err
    assert f"cannot write to {tmp_path / 'file'}" in outcome.err
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.thorough
def test_the_config_beside_the_run_stays_as_it_was_written(quick_config, tmp_path, one_thread):
    config = quick_config("train_cfg = dict(max_iters=1)", "# a remark of mine")
    train(config, work_dir=tmp_path)
    assert config.read_text().endswith("# a remark of mine")


def test_a_launcher_that_did_not_start_the_process(quick_config, tmp_path, tool, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    outcome = tool("train", quick_config(), "--work-dir", tmp_path / "run", "--launcher", "pytorch")
    assert outcome.status == 2
    assert "--launcher pytorch: this process was not started by torchrun (RANK" in outcome.err


@pytest.mark.thorough
def test_the_speed_counts_training_alone(quick_config, tmp_path, one_thread, monkeypatch):
    config = quick_config("train_cfg = dict(max_iters=4, val_interval=1)")

    def slowly(function):
        def call(*args, **kwargs):
            time.sleep(0.3)
            return function(*args, **kwargs)

        return call

    monkeypatch.setattr(torch, "save", slowly(torch.save))
    monkeypatch.setattr(ValLoop, "run_iter", slowly(ValLoop.run_iter))
    train(config, work_dir=tmp_path / "run")
    values = records_of(tmp_path / "run")["train"].values
    # Two checkpoints and 4 validations of 2 images are 10 times as long.
    assert values["seconds_this_session"] - values["training_seconds_this_session"] >= 3
    assert values["images_per_second"] == pytest.approx(8 / values["training_seconds_this_session"])
