"""The checkpoints that a training keeps, and those from which it can be continued."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import CheckpointHook
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper, PolyLR
from torch import nn

from lednet_mm.checkpoints.listing import checkpoints_of
from lednet_mm.checkpoints.reading import DamagedError, read_checkpoint
from lednet_mm.errors import InputError
from lednet_mm.training.checkpointing import SafeCheckpointHook, read_resumable


class Training:
    """A tiny training after one step."""

    def __init__(self, optimizer=torch.optim.AdamW, **settings) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
        self.optim_wrapper = OptimWrapper(optimizer(self.model.parameters(), lr=0.1, **settings))
        self.schedulers = [PolyLR(self.optim_wrapper, end=9, by_epoch=False)]
        self.optim_wrapper.update_params(self.model(torch.randn(5, 3)).square().sum())

    def checkpoint(self) -> dict:
        return {
            "meta": {"iter": 6, "epoch": 0, "seed": 1},
            "state_dict": self.model.state_dict(),
            "optimizer": self.optim_wrapper.state_dict(),
            "param_schedulers": [scheduler.state_dict() for scheduler in self.schedulers],
            "message_hub": {
                "log_scalars": {},
                "runtime_info": {"miou_curve": [[4, 9.0]]},
                "resumed_keys": {},
            },
        }

    def read(self, path) -> dict:
        return read_resumable(path, self.model, self.optim_wrapper, self.schedulers)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "iter_6.pth"


@pytest.mark.parametrize("optimizer", [torch.optim.AdamW, torch.optim.SGD, torch.optim.RMSprop])
def test_a_checkpoint_of_the_same_training_is_taken(optimizer, path):
    training = Training(optimizer)
    content = training.checkpoint()
    content["message_hub"]["runtime_info"].update(keep_ckpt_ids=["../../home"], last_ckpt="/etc/passwd")
    torch.save(content, path)
    read = training.read(path)
    assert read["message_hub"]["runtime_info"] == {"miou_curve": [[4, 9.0]]}


def damage(key, value):
    def change(content):
        *parents, last = key.split(".")
        for parent in parents:
            content = content[int(parent) if parent.isdigit() else parent]
        content[int(last) if last.isdigit() else last] = value

    return change


FAULTS = {
    "no meta": (damage("meta", None), "no number under 'iter'"),
    "meta a list": (damage("meta", [1]), "its meta is a list"),
    "iter a text": (damage("meta.iter", "6"), "no number under 'iter'"),
    "iter below 0": (damage("meta.iter", -6), "no number under 'iter'"),
    "no epoch": (damage("meta.epoch", None), "no number under 'epoch'"),
    "an odd seed": (damage("meta.seed", -7), "its meta.seed is -7"),
    "no weights": (damage("state_dict", {}), "no tensors"),
    "half precision": (
        lambda c: c.update(state_dict={k: v.half() for k, v in c["state_dict"].items()}),
        "another precision",
    ),
    "no optimiser": (lambda c: c.pop("optimizer"), "holds no optimiser state"),
    "optimizer a list": (damage("optimizer", [1]), "holds no optimiser state"),
    "no groups": (damage("optimizer.param_groups", []), "0 groups of parameters"),
    "other groups": (damage("optimizer.param_groups.0.params", [0]), "groups of parameters differ"),
    "a group a text": (damage("optimizer.param_groups.0", "x"), "groups of parameters differ"),
    "no moments": (damage("optimizer.state", {}), "no moments"),
    "moments of another shape": (damage("optimizer.state.0.exp_avg", torch.ones(2, 2)), "has the shape"),
    "moments NaN": (damage("optimizer.state.0.exp_avg", torch.full((4, 3), torch.nan)), "NaN"),
    "moments missing": (damage("optimizer.state.0.exp_avg", None), "is not a number"),
    "moments of others": (damage("optimizer.state.9", {}), "does not have"),
    "learning rate a text": (damage("optimizer.param_groups.0.lr", "x"), "has no lr"),
    "no schedules": (damage("param_schedulers", []), "some schedules"),
    "ranges of numbers": (
        damage("message_hub.runtime_info.ranges", [5]),
        "history of the training is invalid: ranges.0",
    ),
    "a range backwards": (
        damage("message_hub.runtime_info.ranges", [{"from": 4, "to": 2}]),
        "from iteration 4",
    ),
    "a range without end": (damage("message_hub.runtime_info.ranges", [{"from": 4}]), "to None"),
    "a range of no process": (
        damage("message_hub.runtime_info.ranges", [{"from": 0, "to": 6, "processes": 0}]),
        "of 0 processes",
    ),
    "mIoU of 500": (damage("message_hub.runtime_info.miou_curve", [[2, 500.0]]), "curve_miou_percent.0"),
    "other schedules": (damage("param_schedulers.0", {"last_step": 1}), "its schedules differ"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_checkpoint_of_no_use_is_refused_before_anything_is_loaded(name, path):
    training = Training()
    before = {key: tensor.clone() for key, tensor in training.model.state_dict().items()}
    change, message = FAULTS[name]
    content = torch.load(save(training.checkpoint(), path), weights_only=True)
    change(content)
    with pytest.raises(InputError, match=message) as raised:
        training.read(save(content, path))
    assert not isinstance(raised.value, DamagedError)
    assert str(raised.value).startswith(str(path))
    assert all(torch.equal(tensor, before[key]) for key, tensor in training.model.state_dict().items())


def save(content, path):
    torch.save(content, path)
    return path


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [(torch.optim.SGD, torch.optim.AdamW), (torch.optim.AdamW, torch.optim.SGD)],
)
def test_another_optimizer(theirs, ours, path):
    with pytest.raises(InputError, match=f"its optimiser is not {ours.__name__}"):
        Training(ours).read(save(Training(theirs).checkpoint(), path))


def test_another_network_and_weights_that_are_not_finite(path):
    training = Training()
    for name, tensor, message in (
        ("0.weight", torch.ones(2, 2), "1 tensors of another shape"),
        ("0.bias", torch.full((4,), torch.inf), "0.bias has 4 NaN or infinite values"),
    ):
        content = training.checkpoint()
        content["state_dict"] = {**content["state_dict"], name: tensor}
        with pytest.raises(InputError, match=message):
            training.read(save(content, path))


def runner_of(folder, hub: str, **state):
    """Return a runner of which only the checkpoints are real."""

    def write(out_dir, filename, *args, meta, **kwargs):
        runner.written.append((filename, meta["iter"]))
        torch.save({"state_dict": {"a": torch.ones(3)}}, folder / filename)

    runner = SimpleNamespace(
        work_dir=str(folder),
        message_hub=MessageHub.get_instance(f"{hub} {folder}"),
        save_checkpoint=write,
        logger=logging.getLogger(hub),
        train_loop=None,
        max_iters=100,
        epoch=0,
        iter=0,
        written=[],
        **state,
    )
    return runner


@pytest.fixture
def hook(tmp_path):
    """A function that ends a training iteration with a hook that keeps two checkpoints."""
    hook = SafeCheckpointHook(by_epoch=False, interval=1, max_keep_ckpts=2)
    runner = runner_of(tmp_path, "retention")
    hook.out_dir = str(tmp_path)

    def end_of(iteration: int) -> None:
        runner.iter = iteration - 1
        hook.after_train_iter(runner, runner.iter)

    return end_of


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != "last_checkpoint")


def test_what_cannot_be_read_takes_no_place_from_what_can(hook, tmp_path):
    for name in ("iter_10.pth", "iter_12.pth", "iter_1.pth"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 half a file")
    torch.save({}, tmp_path / "iter_11.pth")
    torch.save({}, tmp_path / "epoch_2.pth")
    (tmp_path / "iter_0.pth").mkdir()
    others = names(tmp_path)
    for step in range(2, 9):
        hook(step)
        assert f"iter_{step}.pth" in names(tmp_path)
    assert names(tmp_path) == sorted([*others, "iter_7.pth", "iter_8.pth"])


def test_a_checkpoint_that_is_damaged_later_no_longer_counts(hook, tmp_path):
    for step in (1, 2):
        hook(step)
    raw = bytearray((tmp_path / "iter_2.pth").read_bytes())
    raw[len(raw) // 2 :] = b""
    (tmp_path / "iter_2.pth").write_bytes(raw)
    hook(3)
    assert names(tmp_path) == ["iter_1.pth", "iter_2.pth", "iter_3.pth"]
    assert "a" in read_checkpoint(checkpoints_of(tmp_path)[0])["state_dict"]


def test_a_better_checkpoint_takes_the_place_of_the_best_after_it_is_whole(tmp_path):
    hook = SafeCheckpointHook(by_epoch=False, save_best="miou", rule="greater")
    hook.out_dir = str(tmp_path)
    elsewhere = tmp_path / "elsewhere" / "best_miou_iter_1.pth"
    elsewhere.parent.mkdir()
    for old in (elsewhere, tmp_path / elsewhere.name):
        old.touch()
    runner = runner_of(tmp_path, "better")
    save = runner.save_checkpoint

    def watched(*args, **kwargs):
        assert (tmp_path / elsewhere.name).exists(), "the old one is gone before the new one is whole"
        save(*args, **kwargs)

    runner.save_checkpoint = watched
    runner.message_hub.update_info("best_score", 40.0)
    runner.message_hub.update_info("best_ckpt", str(elsewhere))  # as a checkpoint of a copied folder says
    runner.iter = 2
    hook.after_val_epoch(runner, {"miou": 30.0})
    assert (runner.written, hook.best_ckpt_path) == ([], None)
    hook.after_val_epoch(runner, {"miou": 50.0})
    assert runner.written == [("best_miou_iter_2.pth", 2)]
    assert hook.best_ckpt_path == str(tmp_path / "best_miou_iter_2.pth")
    assert runner.message_hub.get_info("best_score") == 50.0
    assert elsewhere.exists()
    assert not (tmp_path / elsewhere.name).exists()


@pytest.mark.parametrize(("save_best", "rule"), [("auto", None), (["miou", "loss"], ["greater", "less"])])
def test_the_best_of_several_metrics_and_of_the_first_one(tmp_path, save_best, rule):
    hook = SafeCheckpointHook(
        by_epoch=False, interval=2, save_best=save_best, rule=rule, greater_keys=["miou"]
    )
    runner = runner_of(tmp_path, "several")
    hook.before_train(runner)
    for runner.iter, miou, loss in ((2, 10.0, 3.0), (4, 20.0, 4.0), (6, 15.0, 1.0)):
        hook.after_train_iter(SimpleNamespace(**{**vars(runner), "iter": runner.iter - 1}), 0)
        hook.after_val_epoch(runner, {"miou": miou, "loss": loss})
    best = {name for name in names(tmp_path) if name.startswith("best_")}
    several = {"best_miou_iter_4.pth", "best_loss_iter_6.pth"}
    assert best == ({"best_miou_iter_4.pth"} if save_best == "auto" else several)
    # A checkpoint is written again when it does not know of the best one yet.
    assert runner.written.count(("iter_4.pth", 4)) == 2
    assert runner.written.count(("iter_6.pth", 6)) == (1 if save_best == "auto" else 2)
    assert (tmp_path / "last_checkpoint").read_text() == str(tmp_path / "iter_6.pth")


@pytest.mark.parametrize("by_epoch", [False, True])
def test_files_are_those_of_mmengines_hook(tmp_path, by_epoch):
    settings = {"by_epoch": by_epoch, "interval": 2, "save_begin": 2, "save_best": "miou", "rule": "greater"}
    left = []
    for kind in (CheckpointHook, SafeCheckpointHook):
        folder = tmp_path / kind.__name__
        folder.mkdir()
        runner = runner_of(folder, "compared", max_epochs=5)
        runner.max_iters = 5
        hook = kind(**settings)
        hook.before_train(runner)
        for done in range(5):
            runner.iter = runner.epoch = done
            hook.after_train_iter(runner, done)
            if by_epoch:
                hook.after_train_epoch(runner)
            runner.iter = runner.epoch = done + 1
            hook.after_val_epoch(runner, {"miou": [1.0, 3.0, 2.0, 4.0, 5.0][done]})
        hook.after_train(runner)
        last = (folder / "last_checkpoint").read_text().replace(str(folder), "")
        left.append((runner.written, names(folder), last))
    assert left[0] == left[1]


@pytest.mark.parametrize("stopped", [3, 4, 5])
def test_a_run_that_stops_early_keeps_its_last_weights(tmp_path, stopped):
    hook = SafeCheckpointHook(by_epoch=False, interval=4)

    runner = runner_of(tmp_path, "stopped")
    written = runner.written
    hook.before_train(runner)
    for runner.iter in range(stopped):
        hook.after_train_iter(runner, runner.iter)
    runner.iter = stopped
    hook.after_train(runner)
    assert written == [(f"iter_{n}.pth", n) for n in sorted({4, stopped}) if n <= stopped]

    again = SafeCheckpointHook(by_epoch=False, interval=4)  # resumed, with nothing left to do
    again.before_train(runner)
    again.after_train(runner)
    assert written[-1:] == written[len(names(tmp_path)) - 1 :]
