"""A contradictory config is refused before the first iteration, and doubtful settings give a warning."""

import shutil
from types import SimpleNamespace
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import CosineAnnealingLR, LinearLR, OptimWrapper, PolyLR
from mmseg.registry import MODELS
from torch.optim import SGD

from lednet_mm.datasets.streets import StreetsDataset
from lednet_mm.errors import InputError
from lednet_mm.training.agreement import check_agreement, check_settings
from lednet_mm.training.hooks import RecordHook, SeedHook
from lednet_mm.training.loops import EpochLoop
from lednet_mm.training.preflight import preflight

NAMES = tuple("abcde")


def dataset(classes=NAMES, size=8, **attributes):
    made = Mock(spec=["metainfo", "__len__", *attributes], metainfo={"classes": classes}, **attributes)
    made.__len__ = lambda self: size
    return made


def runner(model=None, *, train=None, val=None, val_evaluator=None, schedules=None, epochs=False):
    """Return a runner for the check; its networks are small, and its other parts are the real ones."""
    head = {"type": "FCNHead", "in_channels": 4, "channels": 4, "num_convs": 0, "concat_input": False}
    settings = {"num_classes": 5, "class_weight": None, **(model or {})}
    built = MODELS.build(
        {
            "type": "Segmentor",
            "backbone": {"type": "FastSCNN"},
            "decode_head": {**head, **settings.pop("decode_head", {})},
            "auxiliary_head": {**head, **settings.pop("auxiliary_head", {})},
            "data_preprocessor": {"type": "SegDataPreProcessor", **settings.pop("data_preprocessor", {})},
            **settings,
        }
    )
    train = dataset() if train is None else train
    loader = Mock(dataset=train, __len__=lambda self: 4, spec=["dataset", "__len__"])
    return SimpleNamespace(
        model=built,
        cfg=Config({"val_evaluator": val_evaluator or {"type": "ConfusionMatrixMetric"}}, "-", "my.py"),
        train_dataloader=loader,
        val_loop=SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset() if val is None else val)),
        train_loop=Mock(spec=EpochLoop) if epochs else None,
        param_schedulers=schedules,
        max_iters=10,
        hooks=[SeedHook(), RecordHook()],
        logger=Mock(),
    )


def test_a_config_that_agrees_passes_in_silence():
    fine = runner({"class_weight": [1.0, 2.0, 0.0, 1.0, 1.0]})
    check_agreement(fine)
    fine.logger.warning.assert_not_called()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"num_classes": 3}, "model.decode_head has 3 classes, the dataset 5: set model.num_classes to 5"),
        ({"num_classes": 7}, "model.decode_head has 7 classes, the dataset 5"),
        ({"auxiliary_head": {"num_classes": 4}}, "model.auxiliary_head has 4 classes"),
        ({"class_weight": [1.0, 2.0]}, "2 class weights"),
        ({"class_weight": [1.0, 2.0, -1.0, 1.0, 1.0]}, "negative"),
        ({"class_weight": [0.0] * 5}, "all class weights are 0"),
        (
            {"decode_head": {"loss_decode": {"type": "CrossEntropyLoss", "class_weight": [1.0] * 4}}},
            "4 class weights",
        ),
    ],
)
def test_classes_that_differ(settings, said):
    with pytest.raises(InputError, match=r"^my\.py: ") as error:
        check_agreement(runner(settings))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_all_contradictions_are_in_one_line():
    with pytest.raises(InputError) as error:
        check_agreement(runner({"num_classes": 3, "class_weight": [1.0] * 9}))
    assert str(error.value).count("9 class weights") == 2
    assert "model.auxiliary_head has 3 classes" in str(error.value)


def test_more_outputs_than_classes_are_fine_where_the_metric_is_told():
    told = {"type": "ConfusionMatrixMetric", "num_outputs": 7}
    check_agreement(runner({"num_classes": 7}, val_evaluator=told))
    with pytest.raises(InputError, match=r"num_outputs is 7, and model\.decode_head has 5"):
        check_agreement(runner(val_evaluator=told))


@pytest.mark.parametrize("name", ["decode_head", "auxiliary_head"])
def test_one_output_needs_a_sigmoid(name):
    both = {key: {"out_channels": 1} for key in ("decode_head", "auxiliary_head")}
    sigmoid = {"loss_decode": {"type": "CrossEntropyLoss", "use_sigmoid": True}}
    two = dataset(("road", "rest"))
    settings = {key: {**value, **sigmoid} for key, value in both.items()}
    check_agreement(runner({"num_classes": 2, **settings}, train=two, val=two))
    settings[name] = {"out_channels": 1}
    with pytest.raises(InputError, match=f"model.{name} has one output, over which WeightedCrossEntropy"):
        check_agreement(runner({"num_classes": 2, **settings}, train=two, val=two))


@pytest.mark.parametrize(
    ("train", "val", "said"),
    [
        ({}, {"classes": NAMES[:4]}, "the train dataset has 5 classes, the val dataset 4"),
        (
            {},
            {"classes": ("a", "c", "b", "d", "e")},
            "class 1 is b in the train dataset and c in the val dataset",
        ),
        ({"reduce_zero_label": True}, {"reduce_zero_label": False}, "reduce_zero_label"),
        ({"size": 0}, {}, "this dataset has no images"),
        ({}, {"size": 0}, "val_dataloader: this dataset has no images"),
    ],
)
def test_datasets_that_differ(train, val, said):
    with pytest.raises(InputError, match=said):
        check_agreement(runner(train=dataset(**train), val=dataset(**val)))


def test_labels_that_only_one_part_ignores_are_said():
    doubtful = runner(
        {"data_preprocessor": {"seg_pad_val": 0}},
        val_evaluator={"type": "ConfusionMatrixMetric", "ignore_index": 254},
    )
    check_agreement(doubtful)
    said = " ".join(call.args[0] for call in doubtful.logger.warning.call_args_list)
    assert "padding is labelled 0" in said
    assert "the metric 254" in said


def schedule(kind, **settings):
    optimizer = OptimWrapper(SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1))
    return kind(optimizer, **settings)


@pytest.mark.parametrize(
    ("made", "epochs", "refused"),
    [
        ((PolyLR, {"end": 6, "by_epoch": False}), False, True),
        ((CosineAnnealingLR, {"T_max": 6, "end": 6, "by_epoch": False}), False, True),
        ((PolyLR, {"end": 10, "by_epoch": False}), False, False),
        ((LinearLR, {"end": 6, "by_epoch": False}), False, False),  # a warm-up alone
        ((PolyLR, {"end": 2, "by_epoch": True}), True, True),  # 2 epochs of 4
        ((PolyLR, {"end": 3, "by_epoch": True}), True, False),
    ],
)
def test_a_schedule_that_ends_at_rate_0_before_the_run(made, epochs, refused):
    kind, settings = made
    tried = runner(schedules=[schedule(kind, **settings)], epochs=epochs)
    if refused:
        with pytest.raises(InputError, match="iterations before the run, at a learning rate of 0"):
            check_agreement(tried)
    else:
        check_agreement(tried)
        tried.logger.warning.assert_not_called()


def test_a_schedule_that_ends_early_at_another_rate_is_said():
    doubtful = runner(schedules=[schedule(PolyLR, end=6, eta_min=0.01, by_epoch=False)])
    check_agreement(doubtful)
    assert "ends 4 iterations before the run" in doubtful.logger.warning.call_args.args[0]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("train_cfg.max_iters", 0, "at least 1"),
        ("train_cfg.max_iters", 2.5, "whole number"),
        ("train_cfg.val_interval", "often", "whole number"),
        ("train_dataloader.batch_size", True, "whole number"),
        ("default_hooks.checkpoint.interval", 0, "-1 for never"),
        ("optim_wrapper.optimizer.lr", "high", "is not a number"),
        ("optim_wrapper.optimizer.lr", -1, "at least 0"),
        ("optim_wrapper.optimizer.weight_decay", float("nan"), "at least 0"),
        ("randomness.seed", 2**32, "at most 4294967295"),
        ("log_level", "verbose", "one of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
        ("default_hooks.checkpoint.out_dir", "elsewhere", "choose the folder with --work-dir"),
    ],
)
def test_numbers_that_cannot_be(key, value, said):
    config = Config({}, "-", "my.py")
    config.merge_from_dict({key: value})
    with pytest.raises(InputError, match=f"^my.py: {key} = ") as error:
        check_settings(config)
    assert said in str(error.value)


def test_never_is_an_interval():
    check_settings(Config({"default_hooks": {"checkpoint": {"interval": -1, "max_keep_ckpts": -1}}}))


@pytest.mark.parametrize(("key", "value"), [("interval", 6), ("save_begin", 2)])
def test_a_checkpoint_between_two_steps_of_the_optimizer_is_refused(key, value):
    config = Config({"optim_wrapper": {"accumulative_counts": 4}}, "-", "my.py")
    config.merge_from_dict({f"default_hooks.checkpoint.{key}": value})
    with pytest.raises(InputError, match=rf"checkpoint\.{key} = {value} is not a multiple of .* = 4:"):
        check_settings(config)
    config.merge_from_dict({f"default_hooks.checkpoint.{key}": 8})
    check_settings(config)


@pytest.mark.parametrize(("interval", "count"), [(1, 4), (1, 3), (3, 6)])  # epochs have 4 iterations
def test_checkpoints_after_epochs_lie_between_steps_too(interval, count):
    tried = runner(epochs=True)
    tried.cfg.merge_from_dict({"default_hooks.checkpoint": {"by_epoch": True, "interval": interval}})
    tried.cfg.merge_from_dict({"optim_wrapper.accumulative_counts": count})
    check_settings(tried.cfg)
    if interval * 4 % count:
        with pytest.raises(InputError, match="epochs of 4 iterations each is not a multiple"):
            check_agreement(tried)
    else:
        check_agreement(tried)


def test_hooks_that_a_config_leaves_out_are_missed():
    bare = runner()
    bare.hooks = []
    check_agreement(bare)
    said = [call.args[0] for call in bare.logger.warning.call_args_list]
    assert said == [
        "no SeedHook in custom_hooks: a resumed run will not be exact",
        "no RecordHook in custom_hooks: no records will be written",
    ]


@pytest.fixture
def labels(small_streets, tmp_path):
    """Write the same change of ids to all labels of a copy of the small set, and return its config."""

    def change(rule):
        root = tmp_path / "streets"
        shutil.copytree(small_streets, root)
        for path in root.rglob("*_labelTrainIds.png"):
            cv2.imwrite(str(path), rule(cv2.imread(str(path), cv2.IMREAD_UNCHANGED)))
        loader = {"dataset": {"type": StreetsDataset.__name__, "data_root": str(root), "split": "train"}}
        return Config({"train_dataloader": loader})

    return change


def test_a_mask_of_0_and_255_is_warned_of_with_figures(labels):
    config = labels(lambda ids: np.where(ids == 0, 255, 0).astype(np.uint8))
    (alone,) = preflight(config)["train"].warnings
    assert "'road' is the only one of 19 classes" in alone
    assert "masks of 0 and 255" in alone


def test_labels_that_are_mostly_ignored_are_warned_of(labels):
    def mostly(ids):
        ids[:, :100] = 255  # of 128 columns
        return ids

    (line,) = preflight(labels(mostly))["train"].warnings
    assert int(line.split("%")[0]) >= 78


def test_ordinary_labels_are_not_warned_of(labels):
    assert preflight(labels(lambda ids: ids))["train"].warnings == []


def test_labels_that_are_all_ignored_are_refused(labels):
    config = labels(lambda ids: np.full_like(ids, 255))
    with pytest.raises(InputError, match="train data: all pixels of all 6 labels are ignored"):
        preflight(config)
