"""Distillation: a network also learns what a trained one, its teacher, answers to the same images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional as F

from lednet_mm.catalog import network_files
from lednet_mm.checkpoints.files import load_model
from lednet_mm.checkpoints.locations import local_copy
from lednet_mm.config import Choice, load_config
from lednet_mm.errors import InputError
from lednet_mm.files import file_sha256
from lednet_mm.layers import resize_like
from lednet_mm.training.rehearsal import random_states_kept
from lednet_mm.upstream.mmengine import bare
from lednet_mm.upstream.mmseg import normalisation


def divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return the Kullback-Leibler divergence of softened class probabilities (arXiv:1503.02531).

    It is the mean over pixels, times the square of the temperature.

    Args:
        student: (N, classes, H, W) logits.
        teacher: (N, classes, h, w) logits, which are resized bilinearly to the student's size.
        temperature: number by which both are divided.
    """
    teacher = resize_like(teacher, student, align_corners=False)
    target, own = (F.log_softmax(logits / temperature, dim=1) for logits in (teacher, student))
    return temperature**2 * F.kl_div(own, target, reduction="none", log_target=True).sum(1).mean()


def attention_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Return the distance of two attention maps (Zagoruyko and Komodakis, arXiv:1612.03928).

    The attention map of an image is the mean over channels of its squared features, as a vector of length 1.
    Maps of any number of channels can be compared, and no layer is needed that would be trained for that.

    Args:
        student: (N, C, H, W) features.
        teacher: (N, D, h, w) features, whose attention map is resized bilinearly.

    Returns:
        The mean over images of the squared distance.
    """
    own, target = (maps.pow(2).mean(1, keepdim=True) for maps in (student, teacher))
    target = resize_like(target, own, align_corners=False)
    own, target = (F.normalize(one.flatten(1), dim=1) for one in (own, target))
    return (own - target).pow(2).sum(1).mean()


class Teacher:
    """A trained network whose answers another one learns; it is no part of the network that learns.

    Args:
        model: the trained segmentor, which is frozen.
        preprocessing: preprocessing of the network that learns, whose images are turned into the teacher's.
        logits: weight of the loss of the logits; 0 leaves it out.
        features: weight of the loss of the deepest maps; 0 leaves it out.
        temperature: temperature of the logits.
    """

    def __init__(
        self, model: Any, preprocessing: Any, *, logits: float, features: float, temperature: float
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        self.preprocessing = preprocessing
        self.logits = logits
        self.features = features
        self.temperature = temperature

    def __call__(self, images: Tensor, maps: Any, logits: Any) -> dict[str, Tensor]:
        """Return the losses by name.

        Args:
            images: (N, 3, H, W) images, normalised for the network that learns.
            maps: its backbone's maps.
            logits: (N, classes, h, w), its logits.
        """
        if next(self.model.parameters()).device != images.device:
            self.model.to(images.device)
        with torch.no_grad():
            theirs = self.model.extract_feat(self.as_teacher_sees(images))
            answer = self.model.decode_head.forward(theirs) if self.logits else None
        losses = {}
        if answer is not None:
            losses["loss_logits"] = self.logits * divergence(logits, answer, self.temperature)
        if self.features:
            losses["loss_features"] = self.features * attention_distance(maps[-1], theirs[-1])
        return losses

    def as_teacher_sees(self, images: Tensor) -> Tensor:
        """Return images in the teacher's normalisation; given are those of the network that learns."""
        reversed_here, mean, std = normalisation(self.preprocessing)
        reversed_there, their_mean, their_std = normalisation(self.model.data_preprocessor)
        images = images * std + mean
        if reversed_here != reversed_there:
            images = images.flip(1)
        return (images - their_mean) / their_std


@HOOKS.register_module()
class DistillationHook(Hook):
    """Let a training learn from a teacher, besides its labels.

    Nothing of the teacher is saved, and the trained network is like any other. Checkpoints keep the sha256 of
    the teacher's file, so that a run is continued with the same teacher only.

    Args:
        teacher: a config file, or the name of a network, which then has the dataset of the training.
        checkpoint: the teacher's weights.
        logits: weight of :func:`divergence`; 0 leaves it out.
        features: weight of :func:`attention_distance`; 0 leaves it out.
        temperature: temperature of the logits.
    """

    def __init__(
        self,
        teacher: str | None = None,
        checkpoint: str | None = None,
        logits: float = 1.0,
        features: float = 0.0,
        temperature: float = 4.0,
    ) -> None:
        if teacher is None or checkpoint is None:
            raise InputError(
                "distillation needs a teacher: --cfg-options default_hooks.distillation.teacher=CONFIG "
                "default_hooks.distillation.checkpoint=FILE"
            )
        self.teacher = teacher
        self.checkpoint = checkpoint
        self.weights = {"logits": logits, "features": features, "temperature": temperature}
        self.sha256 = ""

    def before_run(self, runner: Any) -> None:
        """Build the teacher.

        Raises:
            InputError: there is no such teacher, or the two networks do not fit.
        """
        model = bare(runner.model)
        named = self.teacher in network_files()
        config = load_config(Choice(self.teacher, runner.cfg.get("dataset") if named else None))
        path = local_copy(self.checkpoint)
        with random_states_kept():
            teacher = MODELS.build(config.model)
        load_model(teacher, path, config)
        self.sha256 = file_sha256(path)
        if self.weights["logits"] and teacher.out_channels != model.out_channels:
            raise InputError(
                f"distillation: {self.teacher} has {teacher.out_channels} outputs, and this network "
                f"{model.out_channels}: take a teacher with the same classes"
            )
        for name, one in ((self.teacher, teacher), ("this network", model)):
            if type(one.decode_head).loss is not BaseDecodeHead.loss:
                raise InputError(f"distillation: the head of {name} has no single map of logits")
        model.distillation = Teacher(teacher, model.data_preprocessor, **self.weights)
        runner.logger.info(f"learning from {self.teacher} with the weights of {Path(self.checkpoint).name}")

    def before_train(self, runner: Any) -> None:
        """Compare the teacher with the one that the run began with.

        Raises:
            InputError: it is another one.
        """
        before = runner.message_hub.runtime_info.get("teacher_sha256")
        if before not in (None, self.sha256):
            raise InputError(
                f"{self.checkpoint} has changed since this run began: give it the teacher's weights of then"
            )
        runner.message_hub.update_info("teacher_sha256", self.sha256)
