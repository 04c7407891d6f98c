"""The first lines of a training's progress come early, also after a resume; then the interval counts."""

import math
import re

import pytest

from lednet_mm.training.training import train

FIRST = {"train_cfg.max_iters": 11, "train_cfg.val_interval": 99}


def logged(capfd):
    """Return the iterations of the lines of progress on the terminal, which have a loss and the time left."""
    lines = [line for line in "".join(capfd.readouterr()).splitlines() if "Iter(train)" in line]
    for line in lines:
        assert math.isfinite(float(re.search(r" loss: (\S+)", line)[1]))
        assert " eta: " in line
    return [int(re.search(r"\[ *(\d+)/", line)[1]) for line in lines]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("interval", "expected"),
    # At 3 MMEngine logs that all images have been seen, where they are fewer than the interval.
    [(50, [1, 2, 3, 4, 8]), (5, [1, 2, 3, 4, 5, 10]), (1, list(range(1, 12)))],
)
def test_progress_is_shown_after_the_first_iteration(interval, expected, quick_config, tmp_path, capfd):
    options = {**FIRST, "default_hooks.logger.interval": interval}
    train(quick_config(), work_dir=tmp_path / "run", options=options)
    assert logged(capfd) == expected


@pytest.mark.thorough
def test_progress_is_shown_early_after_a_resume(quick_config, tmp_path, capfd):
    config, options = quick_config(), {**FIRST, "default_hooks.logger.interval": 50}
    train(config, work_dir=tmp_path / "run", options={**options, "train_cfg.max_iters": 4})
    logged(capfd)
    train(config, work_dir=tmp_path / "run", options=options, resume=True)
    assert logged(capfd) == [5, 6, 8]
