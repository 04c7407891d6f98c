"""In a real training, the encoder learns in the first stage, and encoder and decoder in the second."""

from types import SimpleNamespace

import pytest
import torch
from mmseg.registry import MODELS

from lednet_mm.checkpoints.files import model_state, read_checkpoint
from lednet_mm.config import Choice
from lednet_mm.errors import InputError
from lednet_mm.training.hooks import EncoderFirstHook
from lednet_mm.training.training import train


def learned(before: dict, after: dict) -> set[str]:
    """Return which parts' parameters differ."""
    return {key.split(".")[0] for key in before if not torch.equal(before[key], after[key])}


@pytest.mark.thorough
def test_each_stage_trains_its_own_head(small_config, tmp_path):
    config = Choice(str(small_config()), variant="encoder_first")
    options = {"train_cfg.max_iters": 4, "train_cfg.val_interval": 4, "default_hooks.checkpoint.interval": 1}
    train(
        config, work_dir=tmp_path / "run", options={**options, "default_hooks.checkpoint.max_keep_ckpts": 4}
    )
    states = [model_state(read_checkpoint(tmp_path / "run" / f"iter_{i}.pth", "cpu")) for i in range(1, 5)]
    assert learned(states[0], states[1]) == {"backbone", "auxiliary_head"}
    assert learned(states[2], states[3]) == {"backbone", "decode_head"}
    assert learned(states[1], states[2]) == {"backbone", "decode_head"}


def test_the_stage_follows_from_the_iteration():
    model = SimpleNamespace(learning="all")
    runner = SimpleNamespace(model=model, max_iters=10)
    hook = EncoderFirstHook(share=0.3)
    seen = []
    for runner.iter in range(10):
        hook.before_train_iter(runner, 0)
        seen.append(model.learning)
    assert seen == ["auxiliary"] * 3 + ["decode"] * 7


def test_a_model_without_auxiliary_head_is_refused():
    torch.manual_seed(0)
    model = MODELS.build(
        {
            "type": "Segmentor",
            "num_classes": 2,
            "backbone": {"type": "LEDNet"},
            "decode_head": {"type": "APNHead"},
        }
    )
    with pytest.raises(InputError, match="no auxiliary_head"):
        EncoderFirstHook().before_train(SimpleNamespace(model=model))
