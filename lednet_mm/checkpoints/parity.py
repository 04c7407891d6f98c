"""Parity: check that a network here computes what its authors' code computes.

A reference vector is a JSON file with figures that the authors' code computed in float64 from weights filled
by a published rule. The check fills the same tensors by the same rule, renames them to ours, and compares
every figure: outputs in evaluation and training mode, the loss, the norm of every gradient, the number of
parameters and the dropout layers.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from mmseg.registry import MODELS
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    FiniteFloat,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    model_validator,
)
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.checkpoints.authors import find_counterpart
from lednet_mm.checkpoints.filling import STATISTICS, fill
from lednet_mm.checkpoints.names import NameTable, Output, convert_state
from lednet_mm.errors import InputError, describe_os_error
from lednet_mm.files import read_regular
from lednet_mm.own_networks import OwnNetwork
from lednet_mm.upstream.pytorch import DROPOUTS

TOLERANCE = 1e-8
"""Largest accepted error of a value, relative to the standard deviation of its tensor."""

LARGEST_FILE = 64 << 20
"""The largest vector file in bytes; those of this project have up to 0.2 MiB."""

LARGEST_STATE, LARGEST_INPUT = 1 << 28, 1 << 24
"""The largest numbers of values that a network and an image may have: 2 GiB and 128 MiB in float64."""


@dataclass
class ParityResult:
    """The result of a comparison with one reference vector.

    Attributes:
        network: name of the network in the vector.
        parameters: number of our model's parameters, plus those that the authors' code builds but does not
            use.
        training_tolerance: largest accepted error in training mode, if it is not ``TOLERANCE``.
        errors: largest relative error of each case.
        misses: one line for every figure that differs; empty if the network is proven equal.
    """

    network: str
    parameters: int = 0
    training_tolerance: float | None = None
    errors: dict[str, float] = field(default_factory=dict)
    misses: list[str] = field(default_factory=list)

    @property
    def worst(self) -> float:
        """Return the largest relative error over all cases; NaN if none ran."""
        return max(self.errors.values(), default=math.nan)


def common_outputs(names: Sequence[str]) -> list[Output | None]:
    """Return the functions that compute a case's outputs, by the words that the vectors name them with.

    An output is the main head's logits, or those of an auxiliary head (also called encoder, boundary or
    detail logits): the first one named is the first auxiliary head's, and so on. They are resized to the
    image where the name says "full resolution".

    Args:
        names: the names of all outputs of the case, in the vector's order.

    Returns:
        One function for each name; None for a name that follows no such rule.
    """
    functions: list[Output | None] = []
    auxiliary = 0
    for name in names:
        text = re.sub(r"^(training )?output \d+: ", "", name)
        is_auxiliary = bool(re.match(r"(encoder|auxiliary|boundary|detail) logits", text))
        if not (is_auxiliary or re.match(r"(full-resolution|main)? ?logits|whole forward", text)):
            functions.append(None)
            continue
        to_image = "whole forward" in text or bool(re.search(r"full.resolution", text))
        to_image &= "not upsampled" not in text
        functions.append(partial(_logits, auxiliary if is_auxiliary else None, to_image))
        auxiliary += is_auxiliary
    return functions


def _logits(
    auxiliary: int | None, to_image: bool, model: Any, maps: Sequence[Tensor], image: Tensor
) -> Tensor:
    """Return a head's logits: the main head's, or those of the auxiliary head of that number."""
    head = model.decode_head
    if auxiliary is not None:
        heads = model.auxiliary_head
        head = heads[auxiliary] if isinstance(heads, nn.ModuleList) else heads
    low = head(maps)
    # A head may end at full resolution itself, or above it for odd sizes.
    if not to_image or (low.shape[2] >= image.shape[2] and low.shape[3] >= image.shape[3]):
        return low
    return F.interpolate(low, image.shape[2:], mode="bilinear", align_corners=head.align_corners)


def _probability(module: nn.Module) -> str | None:
    """Return the name of the attribute with a dropout layer's probability; None for another layer.

    Every library has a class of its own for stochastic depth, always called ``DropPath``.
    """
    if type(module).__name__ == "DropPath" and hasattr(module, "drop_prob"):
        return "drop_prob"
    return "p" if isinstance(module, DROPOUTS) else None


def dropout_of(module: nn.Module) -> tuple[str, float] | None:
    """Return a dropout layer's kind and probability as the vectors state them; None for another layer."""
    attribute = _probability(module)
    if attribute is None:
        return None
    probability = float(getattr(module, attribute) or 0.0)
    return type(module).__name__, float(f"{probability:.6g}") if attribute == "drop_prob" else probability


def silence_dropout(network: nn.Module) -> None:
    """Set the probability of every dropout layer to 0, as the vectors do."""
    for module in network.modules():
        if attribute := _probability(module):
            setattr(module, attribute, 0.0)


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Output(_Part):
    """An output of the authors' code: its shape, its summary, and some values by their position."""

    what: str
    shape: list[PositiveInt]
    mean: FiniteFloat
    std: FiniteFloat
    absmax: FiniteFloat
    samples: list[tuple[NonNegativeInt, FiniteFloat]]

    @model_validator(mode="after")
    def _within(self) -> _Output:
        size = math.prod(self.shape)
        if any(index >= size for index, _ in self.samples):
            raise ValueError(f"the position of a value is beyond the {size} of its shape")
        return self


class _Case(_Part):
    input_shape: Annotated[list[PositiveInt], Field(min_length=4, max_length=4)]

    @model_validator(mode="after")
    def _bounded(self) -> _Case:
        if math.prod(self.input_shape) > LARGEST_INPUT:
            raise ValueError(f"an input of more than {LARGEST_INPUT:,} values")
        return self


class _Forward(_Case):
    mode: Literal["eval", "train_bn"]
    outputs: Annotated[list[_Output], Field(min_length=1)]


class _Gradient(_Case):
    mode: Literal["grad"]
    loss_on: Annotated[list[str], Field(min_length=1)]
    loss: FiniteFloat
    grad_norms: Annotated[list[tuple[str, FiniteFloat]], Field(min_length=1)]


class _Vector(_Part):
    """The required content of a reference vector; everything else in it is for readers."""

    network: str
    num_classes: Annotated[PositiveInt, Field(le=10_000)]
    parameters: NonNegativeInt
    state: Annotated[list[tuple[str, list[PositiveInt], str]], Field(min_length=1)]
    salt: str
    fill: str
    cases: Annotated[list[Annotated[_Forward | _Gradient, Discriminator("mode")]], Field(min_length=1)]
    dropout: list[tuple[str, FiniteFloat]] = []
    aliases: list[tuple[str, str]] = []
    unused_parameters: list[str] = []

    @model_validator(mode="after")
    def _bounded(self) -> _Vector:
        if sum(math.prod(shape) for _, shape, _ in self.state) > LARGEST_STATE:
            raise ValueError(f"tensors of more than {LARGEST_STATE:,} values")
        return self


def read_vector(path: str | Path) -> dict:
    """Read a reference vector.

    Raises:
        InputError: the file is missing, not JSON or not a reference vector; the message says what is wrong.
    """
    try:
        content = read_regular(path, LARGEST_FILE)
        _Vector.model_validate_json(content)
        vector = json.loads(content)
    except FileNotFoundError:
        raise InputError(f"{path}: no such reference vector") from None
    except OSError as error:
        raise InputError(describe_os_error(error)) from None
    except ValidationError as error:
        raise InputError(f"{path}: not a reference vector: {_first_fault(error)}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a reference vector: {error}") from None
    if vector["fill"] != "v1":
        raise InputError(f"{path}: fill rule {vector['fill']!r} is not known; this version knows v1")
    return vector


def _first_fault(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    missing = [
        str(fault["loc"][0]) for fault in faults if fault["type"] == "missing" and len(fault["loc"]) == 1
    ]
    if missing:
        return f"without {', '.join(sorted(missing))}"
    place = ".".join(map(str, faults[0]["loc"]))
    return f"{place}: {faults[0]['msg']}" if place else faults[0]["msg"]


def build_model(model: Mapping, num_classes: int) -> Any:
    """Build a model with PyTorch's initialisation, which takes images without preprocessing.

    Args:
        model: config of the model, as :func:`~lednet_mm.checkpoints.authors.authors_model` returns it.
        num_classes: number of the model's outputs.
    """
    config = {**model, "num_classes": num_classes}
    if config["type"] == "Segmentor":
        config.setdefault("data_preprocessor", {"type": "SegDataPreProcessor"})
    return MODELS.build(config)


class _Comparison:
    """Collects the misses of one vector."""

    def __init__(self, result: ParityResult) -> None:
        self.result = result
        self.tolerance = TOLERANCE

    def number(self, what: str, ours: float, theirs: float, scale: float) -> float:
        error = abs(ours - theirs) / scale if math.isfinite(ours) else math.inf
        if not error <= self.tolerance:
            self.result.misses.append(f"{what}: {ours:.12g}, the authors' {theirs:.12g} (error {error:.1e})")
        return error

    def equal(self, what: str, ours: object, theirs: object) -> None:
        if ours != theirs:
            self.result.misses.append(f"{what}: {ours}, the authors' {theirs}")

    def output(self, where: str, ours: Tensor, theirs: Mapping) -> float:
        what = f"{where}, {theirs['what']}"
        if list(ours.shape) != theirs["shape"]:
            self.equal(f"{what}, shape", list(ours.shape), theirs["shape"])
            return math.inf
        flat = ours.detach().flatten()
        spread = theirs["std"] or 1.0
        worst = 0.0
        summary = {"mean": flat.mean(), "std": flat.std(correction=0), "absmax": flat.abs().max()}
        for key, value in summary.items():
            worst = max(worst, self.number(f"{what}, {key}", value.item(), theirs[key], spread))
        for index, value in theirs["samples"]:
            worst = max(worst, self.number(f"{what}, value {index}", flat[index].item(), value, spread))
        return worst


def check_parity(
    vector: Mapping, advance: Callable[[str], None] = lambda case: None, own: OwnNetwork | None = None
) -> ParityResult:
    """Compare a network with its authors' code.

    Args:
        vector: as :func:`read_vector` returns it.
        advance: function that is called with the name of each case before it runs.
        own: a network of the user's own that is compared; None for the network of this project.

    Returns:
        The errors, and one line for every figure that differs.

    Raises:
        InputError: this project does not have the network, or the vector names an unknown output.
    """
    counterpart = find_counterpart(vector["network"], own)
    table = counterpart.table
    result = ParityResult(vector["network"], training_tolerance=table.training_tolerance)
    compare = _Comparison(result)
    model = build_model(counterpart.model, vector["num_classes"])
    trainable = {name for name, _ in model.named_parameters()}
    ours_count = sum(p.numel() for p in model.parameters() if p.requires_grad)
    model = model.double()

    state = {name: fill(name, shape, kind, vector["salt"]) for name, shape, kind in vector["state"]}
    shapes = {name: tuple(shape) for name, shape, _ in vector["state"]}
    unused = {n for n, _, kind in vector["state"] if kind not in STATISTICS and table.rename(n) is None}
    result.parameters = ours_count + sum(math.prod(shapes[name]) for name in unused)
    compare.equal("parameters", result.parameters, vector["parameters"])
    compare.equal(
        "tensors left out that the authors use", sorted(unused - set(vector.get("unused_parameters", []))), []
    )
    dropout = Counter(layer for layer in map(dropout_of, model.modules()) if layer and layer[1])
    theirs = Counter((kind, p) for kind, p in vector.get("dropout", []) if p)
    theirs -= Counter(table.unused_dropout)
    compare.equal("dropout layers", sorted(dropout.items()), sorted(theirs.items()))
    # A tensor of several names is stated under the first; ours may have any of them.
    lacking = model.state_dict().keys() - set(map(table.rename, state))
    for other, name in vector.get("aliases", []):
        if (ours := table.rename(other)) in lacking:
            state[other] = state[name]
            lacking.discard(ours)
    try:
        converted = convert_state(table, state, model.state_dict())
    except InputError as error:
        result.misses.append(str(error))
        return result

    for case in vector["cases"]:
        where = f"{case['mode']} {'x'.join(map(str, case['input_shape']))}"
        advance(where)
        in_training = case["mode"] != "eval"
        compare.tolerance = (table.training_tolerance if in_training else None) or TOLERANCE
        model.load_state_dict(converted)
        model.train(in_training)
        silence_dropout(model)
        image = fill("input", case["input_shape"], "input", vector["salt"])

        def run(names: Sequence[str], image: Tensor = image) -> list[Tensor]:
            maps = model.extract_feat(image)
            functions = [
                next((own for pattern, own in table.outputs.items() if re.search(pattern, name)), common)
                for name, common in zip(names, common_outputs(names), strict=True)
            ]
            if None in functions:
                raise InputError(f"{vector['network']}: output {names[functions.index(None)]!r} is not known")
            # A function that makes several outputs runs once and serves their names in turn.
            made: dict[Output, Iterator[Tensor]] = {}
            for function in filter(None, functions):
                if function not in made:
                    value = function(model, maps, image)
                    made[function] = repeat(value) if isinstance(value, Tensor) else iter(value)
            return [next(made[function]) for function in functions if function]

        if case["mode"] == "grad":
            result.errors[where] = _check_gradients(case, vector, table, model, trainable, run, compare)
            continue
        with torch.no_grad():
            values = run([output["what"] for output in case["outputs"]])
        errors = [
            compare.output(where, value, output)
            for value, output in zip(values, case["outputs"], strict=True)
        ]
        result.errors[where] = max(errors)
    return result


def _check_gradients(
    case: Mapping,
    vector: Mapping,
    table: NameTable,
    model: nn.Module,
    trainable: set[str],
    run: Callable[[Sequence[str]], list[Tensor]],
    compare: _Comparison,
) -> float:
    model.zero_grad(set_to_none=True)
    loss = torch.zeros((), dtype=torch.float64)
    for i, output in enumerate(run(case["loss_on"])):
        r = fill("r" if i == 0 else f"r{i}", output.shape, "input", vector["salt"])
        loss = loss + (output * r).sum() / output.numel()
    loss.backward()
    norms = case["grad_norms"]
    largest = max(norm for _, norm in norms)
    worst = compare.number("grad, loss", loss.item(), case["loss"], abs(case["loss"]) or 1.0)
    parameters = dict(model.named_parameters())
    named = set()
    for name, norm in norms:
        ours = table.rename(name)
        gradient = parameters[ours].grad if ours in trainable else None
        if ours is None or gradient is None:
            compare.equal(f"grad of {name}", "none", norm)
            continue
        named.add(ours)
        # Gradients that are zero in theory are rounding noise, so the scale is at least the file's largest.
        scale = max(norm, 0.1 * largest)
        worst = max(worst, compare.number(f"grad of {name}", gradient.norm().item(), norm, scale))
    without = {n for n in trainable if parameters[n].grad is None} | (trainable - named)
    expected = {table.rename(n) for n in vector.get("unused_parameters", [])} - {None}
    compare.equal("parameters without a gradient", sorted(without), sorted(n for n in expected if n))
    return worst
