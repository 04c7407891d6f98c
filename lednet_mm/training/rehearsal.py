"""The rehearsal: one training batch and one validation batch are tried before a run starts.

It takes about as long as one iteration and one validated image. Weights, statistics, optimiser and random
states are restored afterwards, so a run ends with the same bits with and without it. The rehearsal avoids
steps in which the processes of a distributed training would wait for each other (except in SyncBN).
"""

from __future__ import annotations

import copy
import logging
import math
import random
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from mmengine.runner.amp import autocast
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from lednet_mm.errors import InputError, describe_error, is_out_of_memory
from lednet_mm.training.agreement import check_agreement
from lednet_mm.upstream.mmengine import bare

POOL = 8
"""Number of samples, spread over the dataset, from which a batch is chosen; different sizes come first."""

PLAIN = (bool, int, float, str, type(None))


class RehearsalError(InputError):
    """A step of the training fails; its traceback is kept, because it may be a defect of this project."""


class DryOptimizer:
    """Takes the place of an optimiser wrapper for one training step and changes no weight.

    Args:
        wrapper: optimiser wrapper whose precision and gradient clipping are tried.
        mixed: whether the forward pass runs in the wrapper's precision, rather than in fp32.
    """

    def __init__(self, wrapper: Any, mixed: bool = True) -> None:
        self.wrapper = wrapper
        self.mixed = mixed
        self.loss = 0.0

    def optim_context(self, model: nn.Module) -> AbstractContextManager:
        """Return the context of a forward pass."""
        return self.wrapper.optim_context(model) if self.mixed else nullcontext()

    def update_params(self, loss: Tensor, *unused: Any, **unused_too: Any) -> None:
        """Compute gradients and clip them."""
        self.loss = float(loss.detach())
        loss.backward()
        if getattr(self.wrapper, "clip_grad_kwargs", None):
            groups = self.wrapper.optimizer.param_groups
            parameters = [p for group in groups for p in group["params"] if p.grad is not None]
            self.wrapper.clip_func(parameters, **self.wrapper.clip_grad_kwargs)


def rehearse(runner: Any) -> None:
    """Check that the built parts agree, then try one training batch and one validation batch.

    Args:
        runner: runner in which everything is built and loaded.

    Raises:
        InputError: settings contradict each other, or a step fails; the line says why.
    """
    check_agreement(runner)
    began = time.perf_counter()
    model = bare(runner.model)
    with as_it_was(model):
        images, size = _try_training(runner, model)
        if runner.val_loop is not None and hasattr(runner.val_loop, "evaluator"):
            _try_validation(runner, model)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    seconds = time.perf_counter() - began
    runner.logger.info(f"tried a batch of {images} images of {size} before the start ({seconds:.1f} s)")


@contextmanager
def as_it_was(model: nn.Module) -> Iterator[None]:
    """Restore a model's buffers, modes and gradients and all random states on exit."""
    buffers = [
        (module, name, buffer, buffer.detach().clone())
        for module in model.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    attributes = [
        (module, {key: value for key, value in vars(module).items() if type(value) in PLAIN})
        for module in model.modules()
    ]
    try:
        with random_states_kept():
            yield
    finally:
        with torch.no_grad():
            for module, name, buffer, content in buffers:
                buffer.copy_(content)
                setattr(module, name, buffer)
        for module, values in attributes:
            vars(module).update(values)
        for parameter in model.parameters():
            parameter.grad = None


@contextmanager
def random_states_kept() -> Iterator[None]:
    """Restore the random states of Python, NumPy and PyTorch on exit."""
    python, numpy = random.getstate(), np.random.get_state()
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def varied_samples(dataset: Any, count: int) -> list[Any]:
    """Return samples spread over a dataset; samples of different sizes come first."""
    chosen = np.linspace(0, len(dataset) - 1, max(POOL, count)).astype(int)
    samples = [dataset[int(i)] for i in (chosen if len(dataset) < count else np.unique(chosen))]
    seen: set[str] = set()
    different: list[Any] = []
    alike: list[Any] = []
    for sample in samples:
        size = _size(sample)
        (alike if size in seen else different).append(sample)
        seen.add(size)
    return [*different, *alike]


def batch_of(loader: Any) -> list[Any]:
    """Return the samples of one batch of a training loader; samples of different sizes come first."""
    count = loader.batch_size or getattr(loader.batch_sampler, "batch_size", 1)
    return varied_samples(loader.dataset, count)[:count]


def _size(sample: Any) -> str:
    image = sample.get("inputs") if isinstance(sample, Mapping) else None
    return f"{image.shape[-2]}x{image.shape[-1]}" if isinstance(image, Tensor) else "unknown size"


def _try_training(runner: Any, model: Any) -> tuple[int, str]:
    """Try a training batch, and a single image if a pass over the data ends with a batch of one.

    Returns:
        The number of images in the batch, and their size.
    """
    loader = runner.train_dataloader
    with _named("train_dataloader.dataset: a sample cannot be made"):
        samples = batch_of(loader)
    count = len(samples)
    sizes = ", ".join(dict.fromkeys(map(_size, samples)))
    ends_alone = not hasattr(loader.sampler, "skip") and not loader.drop_last
    alone = count > 1 and ends_alone and len(loader.sampler) % count == 1
    single = copy.deepcopy(samples[:1])  # preprocessing changes samples in place
    _train_step(runner, model, samples, sizes)
    if alone:
        _train_step(runner, model, single, sizes)
    return len(samples), sizes


def _train_step(runner: Any, model: Any, samples: list[Any], sizes: str) -> None:
    optimizer = DryOptimizer(runner.optim_wrapper)
    model.train()
    try:
        with torch.enable_grad():
            model.train_step(runner.train_dataloader.collate_fn(samples), optim_wrapper=optimizer)
    except InputError:
        raise
    except Exception as error:
        reason = _why_training_fails(runner, error, len(samples), sizes)
        raise RehearsalError(reason) from error
    finally:
        missing = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
        for parameter in model.parameters():
            parameter.grad = None
    if not math.isfinite(optimizer.loss):
        raise RehearsalError(
            f"the loss of the first batch is {optimizer.loss}: look at load_from, labels and losses"
        )
    parallel = runner.distributed and not runner.cfg.get("find_unused_parameters")
    if missing and parallel and not runner.cfg.get("model_wrapper_cfg"):
        raise RehearsalError(
            f"{len(missing)} parameters get no gradient ({missing[0]}, ...), which a training in several "
            "processes waits for: set find_unused_parameters = True"
        )


def _why_training_fails(runner: Any, error: Exception, count: int, sizes: str) -> str:
    whole = runner.train_dataloader.batch_size
    if is_out_of_memory(error):
        return (
            f"not enough memory for a training batch of {count} images of {sizes}: use a smaller "
            "train_dataloader.batch_size or smaller images"
        )
    if "Expected more than 1 value per channel" in str(error) and count == 1:
        if whole and whole > 1:
            return (
                "each pass over the images ends with a batch of one, and this network's batch normalisation "
                "over maps of 1x1 needs two or more: set train_dataloader.drop_last to True"
            )
        return (
            "train_dataloader.batch_size is 1, and this network has batch normalisation over maps of 1x1, "
            "which needs two or more images: use a batch size of 2 or more"
        )
    if ", " in sizes:
        return (
            f"train_dataloader: a batch has images of different sizes ({sizes}): bring them to one with "
            f"Resize, or RandomCrop and Pad, in its pipeline ({describe_error(error)})"
        )
    return f"a training step with {count} images of {sizes} fails: {describe_error(error)}"


def _try_validation(runner: Any, model: Any) -> None:
    """Try a validation batch and the metric; with batches of one, try the smallest and the largest image."""
    loop = runner.val_loop
    loader = loop.dataloader
    count = loader.batch_size or 1
    with _named("val_dataloader.dataset: a sample cannot be made"):
        samples = varied_samples(loader.dataset, min(count, len(loader.dataset)))
    batches = [samples[:count]]
    if count == 1:
        sizes = {_size(sample): sample for sample in reversed(samples)}
        ordered = sorted(sizes.values(), key=lambda sample: _pixels(sample))
        batches = [[sample] for sample in (ordered[:1] if len(ordered) == 1 else (ordered[0], ordered[-1]))]
    evaluator = copy.deepcopy(loop.evaluator)
    model.eval()
    for batch in batches:
        sizes_text = ", ".join(dict.fromkeys(map(_size, batch)))
        try:
            with torch.no_grad(), autocast(enabled=getattr(loop, "fp16", False)):
                data = loader.collate_fn(batch)
                predicted = model.val_step(data)
                if isinstance(predicted[-1], BaseDataElement) and list(predicted[-1].keys()) == ["loss"]:
                    predicted = predicted[:-1]  # as MMEngine's loop does
                evaluator.process(data_samples=predicted, data_batch=data)
        except InputError:
            raise
        except Exception as error:
            raise RehearsalError(_why_validation_fails(error, len(batch), sizes_text)) from error
    with _named("val_evaluator"), _in_silence(runner.logger):
        for metric in evaluator.metrics:
            metric.compute_metrics(metric.results)


def _why_validation_fails(error: Exception, count: int, sizes: str) -> str:
    if is_out_of_memory(error):
        return f"not enough memory to validate {count} images of {sizes}: use val_dataloader.batch_size=1"
    if ", " in sizes:
        return (
            f"val_dataloader.batch_size is {count}, and the images have different sizes ({sizes}): "
            "set it to 1"
        )
    return f"validating {count} images of {sizes} fails: {describe_error(error)}"


def _pixels(sample: Any) -> int:
    image = sample.get("inputs") if isinstance(sample, Mapping) else None
    return image.shape[-2] * image.shape[-1] if isinstance(image, Tensor) else 0


@contextmanager
def _named(what: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise RehearsalError(f"{what}: {describe_error(error)}") from error


@contextmanager
def _in_silence(logger: logging.Logger) -> Iterator[None]:
    """Keep a metric from logging and warning about samples that are only tried."""
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
