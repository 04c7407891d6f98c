"""The private parts of MMEngine's runner and loops that are used still do what is needed."""

from pathlib import Path

import pytest
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from mmengine.runner import runner as mmengine_runner
from torch import nn
from torch.utils.data import DataLoader

from lednet_mm.errors import InputError
from lednet_mm.upstream.mmengine import OpenRunner, set_progress


class Model(nn.Module):
    """A model without steps of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Linear(1, 1)

    def val_step(self, data):
        return []


def runner(tmp_path, **settings) -> OpenRunner:
    return OpenRunner(Model(), str(tmp_path), default_scope="mmseg", **settings)


def test_what_a_runner_was_told(tmp_path):
    plain = runner(tmp_path)
    assert (plain.first_weights, plain.is_resumed, plain.has_loaded, plain.is_training) == (
        None,
        False,
        False,
        False,
    )
    told = runner(tmp_path, load_from="some.pth", resume=True)
    assert (told.first_weights, told.is_resumed) == ("some.pth", True)


def test_runners_of_one_second_have_logs_of_their_own(tmp_path, monkeypatch):
    """Two short trainings of one process, as in a test or a study's stages, may begin in the same second."""
    monkeypatch.setattr(mmengine_runner.time, "strftime", lambda *_: "20261126_224537")
    first, second, third = (runner(tmp_path / name) for name in ("a", "b", "a"))
    assert len({one.experiment_name for one in (first, second, third)}) == 3
    for one in (first, second, third):
        one.logger.info(f"a line of {one.timestamp}")
        (log,) = Path(one.log_dir).glob("*.log")
        assert log.read_text().count("a line of") == 1


def test_weights_that_are_loaded_are_not_loaded_again(tmp_path):
    told = runner(tmp_path, load_from=str(tmp_path / "missing.pth"))
    told.has_loaded = True
    told.load_or_resume()
    told.has_loaded = False
    with pytest.raises(InputError, match=r"missing\.pth"):
        told.load_or_resume()


LOADER = DataLoader([1, 2, 3, 4], batch_size=2)


def training(tmp_path, seen: list) -> OpenRunner:
    class Watched(OpenRunner):
        def before_loop(self, step):
            seen.append((step, self.is_training, self.train_loop.iter))
            raise KeyboardInterrupt

    from mmengine.optim import OptimWrapper
    from torch.optim import SGD

    model = Model()
    model.train_step = lambda data, optim_wrapper: {}
    optimizer = OptimWrapper(SGD(model.parameters(), 0.1))
    schedule = {"by_epoch": True, "max_epochs": 2}
    parts = {"train_dataloader": LOADER, "train_cfg": schedule, "optim_wrapper": optimizer}
    return Watched(model, str(tmp_path), default_scope="mmseg", **parts)


def test_right_before_a_loop_begins(tmp_path):
    seen: list = []
    with pytest.raises(KeyboardInterrupt):
        training(tmp_path, seen).train()
    assert seen == [("train_step", True, 0)]


@pytest.mark.parametrize(
    "make",
    [lambda r: EpochBasedTrainLoop(r, LOADER, max_epochs=5), lambda r: IterBasedTrainLoop(r, LOADER, 9)],
)
def test_where_a_loop_stands(make, tmp_path):
    loop = make(runner(tmp_path))
    set_progress(loop, 6, 3)
    assert (loop.iter, loop.epoch) == (6, 3)
