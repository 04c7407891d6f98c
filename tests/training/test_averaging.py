"""Optimisers and weights beside the trained ones, against their formulas, step by step."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import HOOKS, OPTIMIZERS
from torch import nn

import lednet_mm.register  # noqa: F401
from lednet_mm.checkpoints.reading import read_checkpoint
from lednet_mm.config import Choice, load_config
from lednet_mm.errors import InputError
from lednet_mm.training.averaging import AveragingHook, LookaheadHook
from lednet_mm.training.training import train

GRADIENTS = np.random.default_rng(0).standard_normal((12, 3))


def optimised(config: dict, after_step=lambda parameter, done: None) -> list[np.ndarray]:
    """Return the weights after each step with the gradients above."""
    parameter = nn.Parameter(torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64))
    optimizer = OPTIMIZERS.build({"params": [parameter], **config})
    found = []
    for done, gradient in enumerate(GRADIENTS, 1):
        parameter.grad = torch.tensor(gradient)
        optimizer.step()
        after_step(parameter, done)
        found.append(parameter.detach().numpy().copy())
    return found


def of_option(name: str) -> dict:
    config = load_config(Choice("lednet", "streets", f"lednet_authors+{name}"), imports=False)
    return dict(config.optim_wrapper.optimizer)


def adamw(lr: float, decay: float) -> list[np.ndarray]:
    """Loshchilov and Hutter, algorithm 2."""
    w, m, v, found = np.array([1.0, -2.0, 0.5]), 0, 0, []
    for t, g in enumerate(GRADIENTS, 1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w = w - lr * decay * w - lr * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        found.append(w)
    return found


def radam(lr: float, decay: float) -> list[np.ndarray]:
    """Liu et al., algorithm 2, with the decoupled weight decay of the authors' code."""
    w, m, v, found = np.array([1.0, -2.0, 0.5]), 0, 0, []
    longest = 2 / (1 - 0.999) - 1
    for t, g in enumerate(GRADIENTS, 1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w = w - lr * decay * w
        corrected = m / (1 - 0.9**t)
        length = longest - 2 * t * 0.999**t / (1 - 0.999**t)
        if length > 5:
            numerator = (length - 4) * (length - 2) * longest
            r = math.sqrt(numerator / ((longest - 4) * (longest - 2) * length))
            w = w - lr * corrected * r * math.sqrt(1 - 0.999**t) / (np.sqrt(v) + 1e-8)
        else:
            w = w - lr * corrected
        found.append(w)
    return found


@pytest.mark.parametrize(("name", "formula"), [("adamw", adamw), ("radam", radam)])
def test_optimiser(name, formula):
    config = of_option(name)
    assert (config["lr"], config["weight_decay"]) == (5e-4, 1e-4)  # those of the recipe
    found = optimised({**config, "lr": 0.05, "weight_decay": 0.1})
    np.testing.assert_allclose(found, formula(0.05, 0.1), rtol=1e-9)


def test_lookahead_against_the_paper():
    """Zhang et al., algorithm 1: k = 5, alpha = 0.5, around plain gradient descent."""
    runner = SimpleNamespace(model=nn.Module(), optim_wrapper=None)
    hook = LookaheadHook(steps=5, share=0.5)

    def after_step(parameter: nn.Parameter, done: int) -> None:
        runner.iter = done - 1
        hook.after_train_iter(runner, 0)

    runner.model.w = parameter = nn.Parameter(torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64))
    hook.before_train(runner)
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    slow = fast = np.array([1.0, -2.0, 0.5])
    for done, gradient in enumerate(GRADIENTS, 1):
        parameter.grad = torch.tensor(gradient)
        optimizer.step()
        after_step(parameter, done)
        fast = fast - 0.1 * gradient
        if done % 5 == 0:
            slow = slow + 0.5 * (fast - slow)
            fast = slow
        np.testing.assert_allclose(parameter.detach().numpy(), fast, rtol=1e-12)


def test_lookahead_counts_steps_of_the_optimiser_and_not_batches():
    parameter = nn.Parameter(torch.ones(1))
    wrapper = OptimWrapper(torch.optim.SGD([parameter], lr=0.1), accumulative_counts=3)
    runner = SimpleNamespace(model=nn.Module(), optim_wrapper=wrapper)
    runner.model.w = parameter
    hook = LookaheadHook(steps=2, share=0.5)
    hook.before_train(runner)
    moved = []
    for runner.iter in range(12):
        with torch.no_grad():
            parameter += 1
        before = float(parameter.detach())
        hook.after_train_iter(runner, 0)
        moved.append(float(parameter.detach()) != before)
    assert [number for number, was in enumerate(moved, 1) if was] == [6, 12]


class Weights(nn.Module):
    """A weight and a normalisation, whose statistics are no weights."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(2, dtype=torch.float64))
        self.norm = nn.BatchNorm1d(1, dtype=torch.float64)


def course(hook: AveragingHook, iterations: int, epoch: int = 3) -> tuple[list[np.ndarray], SimpleNamespace]:
    """Let a hook see weights that change at random; return them."""
    runner = SimpleNamespace(
        model=Weights(), max_iters=iterations, train_dataloader=range(epoch), logger=None, iter=0
    )
    hook.before_train(runner)
    seen = []
    rng = np.random.default_rng(1)
    for runner.iter in range(iterations):
        seen.append(rng.standard_normal(2))
        with torch.no_grad():
            runner.model.w.copy_(torch.tensor(seen[-1]))
            runner.model.norm.running_mean.fill_(runner.iter)
        hook.after_train_iter(runner, 0)
    return seen, runner


def test_swa_is_the_mean_of_the_weights_at_the_ends_of_epochs():
    hook = AveragingHook("swa", begin=0.5, epochs=1)
    seen, _ = course(hook, 20)
    ends = [seen[done - 1] for done in (12, 15, 18)]  # after iteration 10 of 20, every 3
    assert hook.number == 3
    np.testing.assert_allclose(hook.averaged.module.w.detach(), np.mean(ends, axis=0), rtol=1e-12)


def test_swa_of_lightnet_weighs_the_first_weights_twice():
    """``update_aggregated_weight_average`` of LightNet counts one set of weights too many: no mean."""
    seen = [1.0, 4.0, 7.0]
    theirs = None
    for number, weight in enumerate(seen, 1):
        before = weight if theirs is None else theirs  # its first "average" is the live model itself
        theirs = (before * number + weight) / (number + 1)
    assert theirs != pytest.approx(np.mean(seen))
    assert theirs == pytest.approx((2 * 1 + 4 + 7) / 4)


def test_ema_of_weights_and_statistics():
    hook = AveragingHook("ema", decay=0.9)
    seen, _ = course(hook, 10)
    expected, statistic = seen[0], 0.0
    for iteration, weight in enumerate(seen[1:], 1):
        expected = 0.9 * expected + 0.1 * weight
        statistic = 0.9 * statistic + 0.1 * iteration
    np.testing.assert_allclose(hook.averaged.module.w.detach(), expected, rtol=1e-12)
    assert float(hook.averaged.module.norm.running_mean) == pytest.approx(statistic)


@pytest.mark.parametrize("wrong", [{"average": "mean"}, {"begin": 1.0}, {"decay": 1.0}, {"epochs": 0}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match="AveragingHook"):
        HOOKS.build({"type": "AveragingHook", "average": "swa", **wrong})


class Images(list):
    """A dataset whose samples are tensors."""


class Loader(SimpleNamespace):
    """A loader with one batch in an epoch."""

    def __len__(self) -> int:
        return 1


class Normalised(nn.Module):
    """A model with the interface of a training, a weight and a normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(1))
        self.norm = nn.BatchNorm1d(1)
        self.dropout = nn.Dropout(0.5)

    def data_preprocessor(self, images, training):
        return {"inputs": torch.stack(images)}

    def forward(self, inputs, mode):
        assert mode == "loss"
        return self.dropout(self.norm(self.w * inputs))


def test_statistics_are_those_of_the_images_under_the_average():
    three = torch.randn(3, 1, generator=torch.Generator().manual_seed(0)).unbind(0)
    images = Images(three * 3)
    loader = Loader(dataset=images, batch_size=2, collate_fn=list)
    runner = SimpleNamespace(
        model=Normalised(), max_iters=2, train_dataloader=loader, iter=0, seed=3, logger=None
    )
    hook = AveragingHook("swa", begin=0, epochs=1, batches=3)
    hook.before_train(runner)
    for runner.iter, weight in enumerate((2.0, 4.0)):
        with torch.no_grad():
            runner.model.w.fill_(weight)
            runner.model.norm.running_mean.fill_(99.0)
        hook.after_train_iter(runner, 0)
    order = np.random.default_rng(3).permutation(9)
    before = torch.get_rng_state()
    hook.before_val(runner)
    assert torch.equal(torch.get_rng_state(), before)
    batches = [3.0 * torch.stack([images[i] for i in order[k : k + 2]]) for k in (0, 2, 4)]  # mean of 2 and 4
    mean, variance = np.mean([b.mean() for b in batches]), np.mean([b.var() for b in batches])
    assert float(runner.model.w.detach()) == 3
    assert float(runner.model.norm.running_mean) == pytest.approx(mean, rel=1e-5)
    assert float(runner.model.norm.running_var) == pytest.approx(variance, rel=1e-5)
    hook.after_val(runner)
    assert float(runner.model.w.detach()) == 4
    assert float(runner.model.norm.running_mean) == 99


AVERAGED = (
    "default_hooks['averaging'] = dict(type='AveragingHook', average='swa', begin=0, epochs=1)",
    "default_hooks['checkpoint'].update(interval=1, max_keep_ckpts=9)",
    "default_hooks['lookahead'] = dict(type='LookaheadHook', steps=2)",
)


@pytest.mark.thorough
def test_a_training_is_resumed_with_average_and_slow_weights(quick_config, tmp_path, monkeypatch):
    """Eight iterations with three batches in an epoch, so that the mean is of iterations 3 and 6."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    config = quick_config(*AVERAGED)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(config, work_dir=whole, seed=1)
    read = {n: read_checkpoint(whole / f"iter_{n}.pth") for n in (2, 3, 6, 8)}
    assert list(read[2]["beside_the_weights"]) == ["LookaheadHook"]
    trained = {n: read[n]["beside_the_weights"]["AveragingHook"]["trained"] for n in (3, 6, 8)}
    name = (
        "backbone.stem.conv.weight" if "backbone.stem.conv.weight" in trained[3] else next(iter(trained[3]))
    )
    mean = (trained[3][name].double() + trained[6][name].double()) / 2
    torch.testing.assert_close(read[8]["state_dict"][name].double(), mean, rtol=1e-6, atol=1e-7)
    assert torch.equal(read[3]["state_dict"][name], trained[3][name])
    assert not torch.equal(trained[8][name], trained[6][name])  # training went on from the trained weights
    cut.mkdir()
    (cut / "iter_5.pth").write_bytes((whole / "iter_5.pth").read_bytes())
    train(config, work_dir=cut, seed=1, resume=True)
    resumed = read_checkpoint(cut / "iter_8.pth")
    for part in (lambda c: c["state_dict"], lambda c: c["beside_the_weights"]["AveragingHook"]["trained"]):
        ours, theirs = part(resumed), part(read[8])
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


@pytest.mark.thorough
def test_a_checkpoint_without_them_cannot_be_continued(quick_config, tmp_path):
    config = quick_config(*AVERAGED)
    train(config, work_dir=tmp_path / "run", seed=1, options={"train_cfg.max_iters": 4})
    last = tmp_path / "run" / "iter_4.pth"
    whole = read_checkpoint(last)
    for hook, reason in (("LookaheadHook", "slow weights"), ("AveragingHook", "trained weights")):
        kept = {**whole["beside_the_weights"], hook: {}}
        torch.save({**whole, "beside_the_weights": kept}, last)
        with pytest.raises(InputError, match=f"cannot be continued: it lacks .*{reason}"):
            train(config, work_dir=tmp_path / "run", seed=1, resume=True)
