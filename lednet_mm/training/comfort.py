"""Hooks that a recipe's options add: an early end of a training, and pictures of what it learns."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.dist import master_only
from mmengine.hooks import EarlyStoppingHook, Hook
from mmengine.registry import HOOKS
from mmseg.structures import SegDataSample

from lednet_mm.errors import InputError
from lednet_mm.evaluation.rendering import overlay
from lednet_mm.training.pictures import as_rgb
from lednet_mm.upstream.mmengine import bare

CURVES = {"mIoU": "miou_curve", "val_loss": "loss_curve"}
"""What can decide about an early end -> the name of its curve, which checkpoints keep."""


@HOOKS.register_module()
class StopHook(EarlyStoppingHook):
    """MMEngine's ``EarlyStoppingHook``, which also counts the validations before a run was interrupted.

    MMEngine's forgets them. Here they are read from the validation curve, which checkpoints keep, so that an
    interrupted run ends where an undisturbed one does.

    Args:
        monitor: ``mIoU`` or ``val_loss``.
        kwargs: further arguments of MMEngine's hook.

    Raises:
        InputError: nothing else can be monitored.
    """

    def __init__(self, monitor: str = "mIoU", **kwargs: Any) -> None:
        if monitor not in CURVES:
            raise InputError(f"StopHook.monitor: {monitor!r} is none of {', '.join(CURVES)}")
        super().__init__(monitor, strict=True, **kwargs)

    def before_train(self, runner: Any) -> None:
        """Go through the validations so far."""
        self.wait_count, self.best_score = 0, -math.inf if self.rule == "greater" else math.inf
        for _, value in runner.message_hub.runtime_info.get(CURVES[self.monitor], []):
            if value is not None:
                # A mIoU reaches the hook as it is logged, with four digits.
                self._judge(runner, round(value, 4) if self.monitor == "mIoU" else value)

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Judge a validation."""
        if self.monitor not in (metrics or {}):
            raise InputError(f"StopHook.monitor: validations give no {self.monitor} here")
        self._judge(runner, (metrics or {})[self.monitor])

    def _judge(self, runner: Any, value: float) -> None:
        stop, message = self._check_stop_condition(value)
        if stop:
            runner.train_loop.stop_training = True
            runner.logger.info(f"the training ends early: {message.strip()}")


@HOOKS.register_module()
class TrainingPictureHook(Hook):
    """Give every tracker a picture of a training image: input, truth and prediction side by side.

    The image is the first one of the batch, as it was augmented; the prediction is that of evaluation mode.
    MMEngine's local tracker writes the pictures to ``vis_data/vis_image`` beside the log. Weights, statistics
    and random states are not touched, so a run ends with the same bits with and without pictures.

    Args:
        interval: number of iterations between two pictures.
    """

    def __init__(self, interval: int = 500) -> None:
        self.interval = interval

    @master_only
    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Draw a picture if it is due."""
        if not self.every_n_train_iters(runner, self.interval):
            return
        image, sample = data_batch["inputs"][0], data_batch["data_samples"][0]
        size = tuple(image.shape[-2:])
        plain = SegDataSample(metainfo={"ori_shape": size, "img_shape": size, "pad_shape": size})
        model = bare(runner.model)
        model.eval()
        with torch.no_grad():
            (predicted,) = model.test_step({"inputs": [image], "data_samples": [plain]})
        model.train()
        palette = runner.train_dataloader.dataset.metainfo["palette"]
        pixels = as_rgb(image)
        maps = (sample.gt_sem_seg.data, predicted.pred_sem_seg.data)
        ids = [one.squeeze(0).cpu().numpy().astype(np.uint8) for one in maps]
        views = [pixels, *(overlay(pixels, one, palette) for one in ids)]
        picture = cv2.hconcat([np.ascontiguousarray(view) for view in views])
        runner.visualizer.add_image("training", picture, runner.iter + 1)
