"""Trainings in several stages, each of which begins from the weights of the one before.

A config with ``earlier_stage`` is such a training. Each stage is a training like any other, with checkpoints,
logs and records in a folder of its own: ``earlier_stage`` in the folder of the next stage. So whatever a
killed run had done, its folders show in which stage it was, and each stage resumes exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import barrier

from lednet_mm.checkpoints.listing import checkpoints_of
from lednet_mm.config import EARLIER
from lednet_mm.errors import InputError
from lednet_mm.literals import read_literals
from lednet_mm.records import read_records
from lednet_mm.training.on_demand import make_missing_streets
from lednet_mm.training.preflight import preflight
from lednet_mm.training.resuming import refuse_differences

LENGTHS = ("max_iters", "max_epochs")


def stages_of(config: Config, work_dir: Path) -> list[tuple[Config, Path]]:
    """Return the stages of a training, the earliest first: the config and the folder of each."""
    earlier = config.get(EARLIER)
    if not earlier:
        return [(config, work_dir)]
    name = f"{Path(config.filename or 'config').stem}_{EARLIER}.py"
    first = Config(
        earlier.to_dict(), cfg_text=f"# {EARLIER} of {config.filename}\n", filename=name
    )  # no file: it is part of the other config
    return [*stages_of(first, work_dir / EARLIER), (config, work_dir)]


def is_begun(work_dir: Path) -> bool:
    """Say whether a training, or one of its earlier stages, has left a checkpoint."""
    if checkpoints_of(work_dir):
        return True
    return (work_dir / EARLIER).is_dir() and is_begun(work_dir / EARLIER)


def train_stages(stages: Sequence[tuple[Config, Path]], run: Callable[[Config, Path], None]) -> None:
    """Train the stages that are not finished, in their order.

    Args:
        stages: config and folder of each, the earliest first.
        run: function that trains a config, or continues it, in a folder.

    Raises:
        InputError: the data of a stage are faulty, a finished stage was trained under another config, or a
            stage leaves no checkpoint.
    """
    begun = [bool(checkpoints_of(folder)) for _, folder in stages]
    if len(stages) > 1:
        make_missing_streets([config for config, _ in stages], print)
    for config, _ in stages[1:]:
        preflight(config)  # rather than after days of the stage before
    for number, (config, folder) in enumerate(stages):
        last = number == len(stages) - 1
        if number:  # else it would say that it starts from 0
            config.resume = config.resume and begun[number]
        weights = None if last else finished_weights(config, folder)
        if last or (weights is None and not any(begun[number + 1 :])):
            run(config, folder)
            barrier()  # the first process writes the record of the stage
            weights = None if last else finished_weights(config, folder)
            if weights is None and not last:
                raise InputError(f"{folder}: this stage left no checkpoint of its last weights to begin from")
        if not last:
            # A later stage that has begun does not read it, unless all its checkpoints are damaged.
            following = stages[number + 1][0]
            following.load_from = str(weights or folder / "the weights of this stage, which are gone")


def finished_weights(config: Config, folder: Path) -> Path | None:
    """Return the checkpoint with the last weights of a training that is finished; None if it is not.

    Args:
        config: config of the training.
        folder: folder of the training.

    Raises:
        InputError: it is finished, but was trained under another config.
    """
    trained = [record for record in read_records([folder / "records"])[0] if record.kind == "train"]
    if not trained:
        return None
    record = trained[-1]
    path = folder / Path(str(record.details.get("checkpoint"))).name
    then = read_literals(record.config.text)
    now = config.get("train_cfg") or {}
    if not path.is_file() or any((then.get("train_cfg") or {}).get(key) != now.get(key) for key in LENGTHS):
        return None
    refuse_differences(str(path), then, config)
    return path
