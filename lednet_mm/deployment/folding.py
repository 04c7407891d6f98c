"""Fold batch normalisation into neighbouring convolutions, wherever the network's data flow allows it.

The network runs on small images while every operator is recorded with its input and output tensors. No
assumption is made about how a network is written: two layers are neighbours if a tensor passes from one to
the other and nowhere else, in every run. The network's Python code stays the same; only weights change and
layers become identities. So control flow that depends on sizes, ONNX export and compilation still work.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lednet_mm.layers.deployment import affine, replace_modules, scale_inputs, scale_outputs
from lednet_mm.upstream.pytorch import Operator, WatchOperators, tensors_in

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm)

# These operators pass on one factor and one summand per channel: the weights of a resizing sum to one.
PER_CHANNEL = {"upsample_bilinear2d", "upsample_nearest2d", "_upsample_nearest_exact2d", "slice", "clone"}


@dataclass
class _Event:
    """One operator that has run.

    Attributes:
        name: name of the operator.
        args: positional arguments.
        options: keyword arguments.
        makes: id of the tensor that it returned.
    """

    name: str
    args: tuple
    options: Mapping[str, Any]
    makes: int


class _Run(WatchOperators):
    """The operators of one run, with the operator that made each tensor and those that used it."""

    def __init__(self) -> None:
        super().__init__(self._note)
        self.events: list[_Event] = []
        self.made_by: dict[int, _Event] = {}
        self.uses: Counter[int] = Counter()
        self._alive: list[Operator] = []  # an id is unique only while its tensor exists

    def _note(self, operator: Operator) -> None:
        self._alive.append(operator)
        for tensor in tensors_in([operator.args, dict(operator.options)]):
            self.uses[id(tensor)] += 1
        for tensor in tensors_in(operator.result):
            event = _Event(operator.name, operator.args, operator.options, id(tensor))
            self.events.append(event)
            self.made_by[id(tensor)] = event
            if "batch_norm" in event.name:
                break  # the remaining results are its statistics


class _UnfoldableError(Exception):
    """The reason why a normalisation cannot be folded."""


@dataclass(frozen=True)
class _Fold:
    """A convolution whose output channels are the normalisation's channels from ``start`` on.

    Of several convolutions that are added up, only one takes the summand.
    """

    convolution: Any
    start: int
    adds: bool


class _Network:
    """A network's layers, found by the tensors that belong to them."""

    def __init__(self, network: nn.Module) -> None:
        self.names: dict[nn.Module, str] = {}
        self.convolutions: dict[int, Any] = {}
        self.norms: dict[int, Any] = {}
        for name, module in network.named_modules():
            self.names[module] = name
            if isinstance(module, CONVOLUTIONS):
                self.convolutions[id(module.weight)] = module
            elif type(module) in NORMS and module.running_mean is not None:
                self.norms[id(module.running_mean)] = module

    def convolution(self, event: _Event) -> Any:
        """Return the layer whose call the event records, or raise."""
        module = self.convolutions.get(id(event.args[1])) if event.name == "convolution" else None
        if module is None:
            raise _UnfoldableError(f"it follows {event.name}")
        bias = event.args[2]
        if bias is not module.bias:
            raise _UnfoldableError("the convolution before it adds another bias")
        return module

    def norm(self, event: _Event) -> Any:
        """Return the normalisation whose call the event records, or None."""
        if "batch_norm" not in event.name:
            return None
        return self.norms.get(id(event.args[3]))


def observe(network: nn.Module, images: Tensor) -> tuple[_Run, Any]:
    """Run a network and record its operators; return the record and the network's output."""
    run = _Run()
    with torch.no_grad(), run:
        output = network(images)
    for tensor in tensors_in(output):
        run.uses[id(tensor)] += 1
    return run, output


def _before(run: _Run, network: _Network, tensor: Tensor, start: int = 0, adds: bool = True) -> list[_Fold]:
    """Return the convolutions that made a tensor's channels, if nothing else uses their outputs, or raise."""
    event = run.made_by.get(id(tensor))
    if event is None:
        raise _UnfoldableError("it follows the input")
    if run.uses[id(tensor)] != 1:
        raise _UnfoldableError(f"the result of {event.name} before it is used elsewhere too")
    if event.name == "cat" and event.args[1:] in ((1,), (-3,)):
        folds = []
        for part in event.args[0]:
            folds += _before(run, network, part, start, adds)
            start += part.shape[1]
        return folds
    if event.name == "add" and not event.options:
        terms = event.args
        if all(isinstance(term, Tensor) and term.shape == tensor.shape for term in terms):
            return [
                fold
                for i, term in enumerate(terms)
                for fold in _before(run, network, term, start, adds and i == 0)
            ]
    if event.name in PER_CHANNEL and not (event.name == "slice" and event.args[1:2] not in ((2,), (3,))):
        return _before(run, network, event.args[0], start, adds)
    return [_Fold(network.convolution(event), start, adds)]


def _neighbours(run: _Run, network: _Network) -> tuple[dict[Any, set[_Fold]], dict[Any, str]]:
    """Return normalisation -> preceding convolutions that can take it, and normalisation -> why it stays."""
    folds: dict[Any, set[_Fold]] = defaultdict(set)
    reasons: dict[Any, str] = {}
    calls: Counter[Any] = Counter()
    taken: dict[Any, Counter[Any]] = defaultdict(Counter)
    for event in run.events:
        if event.name == "convolution" and id(event.args[1]) in network.convolutions:
            calls[network.convolutions[id(event.args[1])]] += 1
        norm = network.norm(event)
        if norm is None:
            continue
        try:
            found = _before(run, network, event.args[0])
        except _UnfoldableError as reason:
            reasons.setdefault(norm, str(reason))
            continue
        folds[norm] |= set(found)
        taken[norm].update(fold.convolution for fold in found)
    for norm in list(folds):
        if len({fold.convolution for fold in folds[norm]}) < len(folds[norm]) or any(
            calls[convolution] != times for convolution, times in taken[norm].items()
        ):
            reasons.setdefault(norm, "the convolution before it also runs elsewhere")
    return {norm: found for norm, found in folds.items() if norm not in reasons}, reasons


def _followers(run: _Run, network: _Network) -> dict[Any, set[Any]]:
    """Return normalisation -> convolutions without padding that are its only users, if it has such."""
    users: dict[int, list[_Event]] = defaultdict(list)
    for event in run.events:
        if event.name == "convolution":
            users[id(event.args[0])].append(event)
    calls = Counter(id(event.args[1]) for event in run.events if event.name == "convolution")
    found: dict[Any, set[Any]] = {}
    refused = set()
    for event in run.events:
        norm = network.norm(event)
        if norm is None:
            continue
        after = users[event.makes]
        try:
            modules = {network.convolution(user) for user in after}
        except _UnfoldableError:
            modules = set()
        plain = [
            not any(user.args[4]) and not user.args[6] and calls[id(user.args[1])] == 1 for user in after
        ]
        if not after or not all(plain) or run.uses[event.makes] != len(after) or norm in found:
            refused.add(norm)  # after a shift, padding with zeros would be wrong
        found[norm] = modules
    return {norm: modules for norm, modules in found.items() if norm not in refused and modules}


def fold_batch_norms(network: nn.Module, images: Sequence[Tensor]) -> dict[str, str]:
    """Fold batch normalisations in place into the convolutions before or after them.

    The result is exact except for rounding. Concatenations, sums, resizing and cropping may stand in between.
    A normalisation is folded into the convolution after it only if this one does not pad.

    Args:
        network: the network, in evaluation mode.
        images: images of several sizes, each for one recorded run; a fold must be possible in all runs.

    Returns:
        Name of each normalisation that ran and could not be folded -> reason.
    """
    while True:
        layers = _Network(network)
        runs = [observe(network, image)[0] for image in images]
        before = [_neighbours(run, layers) for run in runs]
        after = [_followers(run, layers) for run in runs]
        norms = [norm for norm in layers.norms.values() if any(norm in found for found in before[0])]
        busy: set[Any] = set()
        done: dict[nn.Module, nn.Module] = {}
        for norm in norms:
            takers = [folds.get(norm) for folds, _ in before]
            users = [found.get(norm) for found in after]
            if takers[0] and all(taker == takers[0] for taker in takers):
                modules: set[Any] = {fold.convolution for fold in takers[0]}
                if modules & busy:
                    continue  # it is folded in the next round
                factor, summand = affine(norm)
                for fold in takers[0]:
                    part = slice(fold.start, fold.start + fold.convolution.out_channels)
                    scale_outputs(fold.convolution, factor[part], summand[part] * fold.adds)
            elif users[0] and all(user == users[0] for user in users):
                modules = users[0]
                if modules & busy:
                    continue
                for module in modules:
                    scale_inputs(module, *affine(norm))
            else:
                continue
            busy |= modules
            done[norm] = nn.Identity()
        if not done:
            reasons = {norm: why for _, stays in before for norm, why in stays.items()}
            return {
                layers.names[n]: reasons.get(n, "its neighbours depend on the image's size") for n in norms
            }
        replace_modules(network, done)
