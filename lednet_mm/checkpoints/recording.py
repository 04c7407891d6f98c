"""Record a reference vector: the figures of a network's own code, against which another one can be proven.

Any PyTorch network whose code can be run will do. Its tensors are filled by the rule that :mod:`parity
<lednet_mm.checkpoints.parity>` fills them by, it runs in float64 on the CPU, and the vector keeps outputs in
evaluation and in training mode, the loss, and the norm of every gradient. No weights are needed, and none
are kept.
"""

from __future__ import annotations

import importlib
import inspect
import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lednet_mm.checkpoints.filling import STATISTICS, fill
from lednet_mm.checkpoints.parity import dropout_of, silence_dropout
from lednet_mm.errors import InputError, describe_error
from lednet_mm.own_networks import import_file
from lednet_mm.upstream.pytorch import CONVOLUTIONS, NORMALISATIONS

CLASS_ARGUMENTS = ("num_classes", "classes", "n_classes", "nclass", "num_class", "class_num", "nb_classes")
"""The names that constructors of networks give to the number of classes."""

SAMPLES = 64
"""The number of values of each output that a vector keeps."""

DIGITS = 12
"""The number of significant digits of a figure."""

TRACED_DEPTH = 3
"""Down to which depth of the module tree the trace of a vector names modules."""


def find_builder(source: str) -> Callable[..., Any]:
    """Import the function or class that builds a network.

    Args:
        source: ``package.module:Name``, or ``folder/file.py:Name``. The module is imported as Python imports
            it, with its own folder on the path, so its code runs.

    Raises:
        InputError: there is no such module or name, or the module fails.
    """
    module_name, _, name = source.rpartition(":")
    if not module_name or not name:
        raise InputError(f"{source}: name the network as package.module:Name or file.py:Name")
    try:
        if module_name.endswith(".py"):
            path = Path(module_name).resolve(strict=True)
            sys.path.insert(0, str(path.parent))  # its imports from beside it
            module, _ = import_file(path)
        else:
            if "" not in sys.path:
                sys.path.insert(0, "")  # the current folder, as with python -m
            module = importlib.import_module(module_name)
        builder = getattr(module, name)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{module_name}: no such file") from None
    except AttributeError:
        raise InputError(f"{source}: {module_name} has no {name}") from None
    except (Exception, SystemExit) as error:  # it is the user's code: anything may come out of it
        raise InputError(f"{module_name} cannot be imported: {describe_error(error)}") from error
    if not callable(builder):
        raise InputError(f"{source}: {name} is no class or function that builds a network")
    return builder


def build_network(
    builder: Callable[..., Any], num_classes: int, arguments: Mapping[str, Any]
) -> tuple[nn.Module, str]:
    """Build a network in float64 and say how it was built.

    Args:
        builder: class or function that builds it.
        num_classes: number of classes, which goes to the argument of one of the usual names.
        arguments: further arguments by name.

    Returns:
        The network, and the call in words.

    Raises:
        InputError: no argument can be the number of classes, or the network cannot be built.
    """
    name = getattr(builder, "__name__", "network")
    known = inspect.signature(builder).parameters
    given = next((argument for argument in CLASS_ARGUMENTS if argument in known), None)
    if given is None:
        raise InputError(
            f"{name} has no argument that is called {', '.join(CLASS_ARGUMENTS[:-1])} or "
            f"{CLASS_ARGUMENTS[-1]}: write a function build(num_classes) that returns it, and name that"
        )
    call = {given: num_classes, **arguments}
    try:
        network = builder(**call)
    except Exception as error:
        raise InputError(f"{name} cannot be built: {describe_error(error)}") from error
    if not isinstance(network, nn.Module):
        raise InputError(f"{name} returns {type(network).__name__}, and a network is a torch.nn.Module")
    words = ", ".join(f"{key}={value!r}" for key, value in call.items())
    return network.double(), f"{name}({words})"


def list_state(network: nn.Module) -> tuple[list[tuple[str, list[int], str]], list[tuple[str, str]]]:
    """List the tensors that a vector fills, each with its kind by the type of its module.

    Statistics and counters of normalisations and all learned tensors are filled. Other buffers, and tensors
    of an unknown kind that do not learn, are constants of the code and are left as they are.

    Returns:
        (name, shape, kind) of each, in the order of the state dict, and (other name, name) of each tensor
        that has several names.
    """
    owners = {
        f"{prefix}.{name}" if prefix else name: (module, name)
        for prefix, module in network.named_modules(remove_duplicate=False)
        for name in (*module._parameters, *module._buffers)
    }
    state: list[tuple[str, list[int], str]] = []
    aliases: list[tuple[str, str]] = []
    first: dict[int, str] = {}
    values = network.state_dict(keep_vars=True)
    for name, tensor in values.items():
        if name not in owners or not isinstance(tensor, Tensor):
            continue
        kind = kind_of_tensor(*owners[name], learned=tensor.requires_grad)
        if kind is None:
            continue
        if id(tensor) in first:
            aliases.append((name, first[id(tensor)]))
        else:
            first[id(tensor)] = name
            state.append((name, list(tensor.shape), kind))
    return state, aliases


def kind_of_tensor(module: nn.Module, name: str, *, learned: bool) -> str | None:
    """Return a tensor's kind in the fill rule by its module's type; None for a constant of the code.

    Args:
        module: module that the tensor belongs to.
        name: name of the tensor in the module.
        learned: whether training changes it.
    """
    if isinstance(module, NORMALISATIONS):
        if name in STATISTICS:
            return name
        return {"weight": "norm_weight", "bias": "norm_bias"}.get(name, "free" if learned else None)
    if isinstance(module, (*CONVOLUTIONS, nn.Linear)) and name in ("weight", "bias"):
        return "bias" if name == "bias" else "linear" if isinstance(module, nn.Linear) else "conv"
    if isinstance(module, nn.PReLU) and name == "weight":
        return "prelu"
    return "free" if learned else None


class Recorder:
    """Makes the figures of a network.

    Args:
        network: the network in float64.
        num_classes: number of its classes, by which outputs are recognised as logits.
        salt: text that is hashed with every tensor's name; another salt gives other numbers.

    Raises:
        InputError: the network has no tensors that can be filled.
    """

    def __init__(self, network: nn.Module, num_classes: int, salt: str) -> None:
        self.network, self.num_classes, self.salt = network, num_classes, salt
        self.dropout = [found for found in map(dropout_of, network.modules()) if found]
        silence_dropout(network)
        self.state, self.aliases = list_state(network)
        if not self.state:
            raise InputError("the network has no parameters")
        self.unused: list[str] = []

    def parameters(self) -> int:
        """Count the values that training changes; a shared one counts once."""
        return sum(p.numel() for p in self.network.parameters() if p.requires_grad)

    def _run(self, shape: Sequence[int], training: bool) -> list[tuple[str, Tensor]]:
        """Fill the network, run it, and return its outputs by name.

        Raises:
            InputError: it refuses the input, or its outputs are not finite tensors.
        """
        tensors = dict(self.network.state_dict(keep_vars=True))
        with torch.no_grad():
            for name, size, kind in self.state:
                tensors[name].copy_(fill(name, size, kind, self.salt))
        self.network.train(training)
        image = fill("input", shape, "input", self.salt)
        where = f"{'training' if training else 'evaluation'} mode, input {'x'.join(map(str, shape))}"
        try:
            answer = self.network(image)
        except Exception as error:
            raise InputError(f"{where}: {describe_error(error)}") from error
        outputs = list(flatten(answer))
        if not outputs:
            raise InputError(f"{where}: the network returns {type(answer).__name__} and no tensor")
        for index, tensor in enumerate(outputs):
            if not tensor.isfinite().all():
                raise InputError(f"{where}: output {index} is not finite with the filled weights")
        names = [
            name_output(index, tensor, image, self.num_classes, len(outputs))
            for index, tensor in enumerate(outputs)
        ]
        return list(zip(names, outputs, strict=True))

    def forward(self, shape: Sequence[int], training: bool) -> dict[str, Any]:
        """Return the figures of a forward pass.

        Args:
            shape: shape (N, 3, H, W) of the input.
            training: whether normalisations use the batch's statistics.

        Raises:
            InputError: the network refuses the input, or two runs of it differ.
        """
        with torch.no_grad():
            outputs, again = self._run(shape, training), self._run(shape, training)
        for (name, one), (_, other) in zip(outputs, again, strict=True):
            if not torch.equal(one, other):
                raise InputError(
                    f"{name} differs between two runs with the same weights: the forward draws random "
                    "numbers, perhaps by functional dropout, and a vector needs one that repeats"
                )
        return {
            "input_shape": list(shape),
            "mode": "train_bn" if training else "eval",
            "outputs": [summarise(name, tensor) for name, tensor in outputs],
        }

    def gradients(self, shape: Sequence[int]) -> dict[str, Any]:
        """Return the loss on all outputs of training mode, and the norm of every parameter's gradient.

        Args:
            shape: shape (N, 3, H, W) of the input.

        Raises:
            InputError: the network refuses the input, or nothing that it returns can be differentiated.
        """
        self.network.zero_grad(set_to_none=True)
        outputs = [found for found in self._run(shape, training=True) if found[1].requires_grad]
        if not outputs:
            raise InputError("no output in training mode depends on a parameter")
        loss = torch.zeros((), dtype=torch.float64)
        for i, (_, output) in enumerate(outputs):
            weights = fill("r" if i == 0 else f"r{i}", output.shape, "input", self.salt)
            loss = loss + (output * weights).sum() / output.numel()
        loss.backward()
        learned = [(name, p.grad) for name, p in self.network.named_parameters() if p.requires_grad]
        self.unused = [name for name, gradient in learned if gradient is None]
        norms = [[name, _rounded(g.norm().item())] for name, g in learned if g is not None]
        return {
            "input_shape": list(shape),
            "mode": "grad",
            "loss_on": [name for name, _ in outputs],
            "loss": _rounded(loss.item()),
            "grad_norms": norms,
        }

    def trace(self, shape: Sequence[int]) -> list[list]:
        """Return name, output shape, mean and standard deviation of the upper modules in evaluation mode.

        They stand in the order in which they end, which helps to find where two networks begin to differ.
        """
        found: list[list] = []
        hooks = []
        for name, module in self.network.named_modules():
            if name and name.count(".") < TRACED_DEPTH:

                def note(_module: nn.Module, _inputs: Any, output: Any, name: str = name) -> None:
                    if isinstance(output, Tensor) and output.is_floating_point():
                        spread = output.std(correction=0).item()
                        found.append(
                            [name, list(output.shape), _rounded(output.mean().item()), _rounded(spread)]
                        )

                hooks.append(module.register_forward_hook(note))
        try:
            with torch.no_grad():
                self._run(shape, training=False)
        finally:
            for hook in hooks:
                hook.remove()
        return found


def flatten(answer: Any) -> Iterator[Tensor]:
    """Yield the tensors of what a network returns: a tensor, or lists, tuples and dicts of them."""
    if isinstance(answer, Tensor):
        yield answer
    elif isinstance(answer, Mapping):
        for part in answer.values():
            yield from flatten(part)
    elif isinstance(answer, (list, tuple)):
        for part in answer:
            yield from flatten(part)


def name_output(index: int, output: Tensor, image: Tensor, num_classes: int, count: int) -> str:
    """Name an output in the words that the parity check knows.

    The first output with one channel for each class is the main head's logits, and further ones are those of
    auxiliary heads. Anything else is only numbered, and the name table of whoever proves a network says what
    it is.
    """
    prefix = "" if count == 1 else f"output {index}: "
    if output.dim() != 4 or output.shape[1] != num_classes:
        return f"output {index}"
    whole = output.shape[2:] == image.shape[2:]
    if index == 0:
        return f"{prefix}{'full-resolution logits' if whole else 'logits'}"
    return f"{prefix}auxiliary logits{', full resolution' if whole else ''}"


def summarise(name: str, output: Tensor) -> dict[str, Any]:
    """Return what a vector keeps of an output: its shape, mean, spread, largest value, and 64 values."""
    flat = output.detach().flatten()
    indices = [k * (flat.numel() - 1) // (SAMPLES - 1) for k in range(SAMPLES)]
    return {
        "what": name,
        "shape": list(output.shape),
        "mean": _rounded(flat.mean().item()),
        "std": _rounded(flat.std(correction=0).item()),
        "absmax": _rounded(flat.abs().max().item()),
        "samples": [[index, _rounded(flat[index].item())] for index in indices],
    }


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def record_vector(
    network: nn.Module,
    *,
    name: str,
    source: str,
    constructor: str,
    num_classes: int,
    sizes: Sequence[tuple[int, int]],
    salt: str = "public",
    advance: Callable[[str], None] = lambda case: None,
) -> dict[str, Any]:
    """Return the reference vector of a network.

    Args:
        network: the network in float64.
        name: name of the vector.
        source: where the code comes from: repository, file and commit.
        constructor: how the network was built.
        num_classes: number of its classes.
        sizes: (height, width) of the inputs. The first is used with two images in all modes, the others with
            one image in evaluation mode; those that the network refuses are kept as ``rejected_inputs``.
        salt: text that is hashed with every tensor's name.
        advance: function that is called with the name of each case before it runs.

    Raises:
        InputError: the network cannot be recorded, for example because it refuses the first size.
    """
    recorder = Recorder(network, num_classes, salt)
    (height, width), *others = sizes
    shape = [2, 3, height, width]
    advance(f"evaluation {height}x{width}")
    cases = [recorder.forward(shape, training=False)]
    rejected = []
    for h, w in others:
        advance(f"evaluation {h}x{w}")
        try:
            cases.append(recorder.forward([1, 3, h, w], training=False))
        except InputError as error:
            rejected.append([[1, 3, h, w], str(error)])
    advance(f"training {height}x{width}")
    cases.append(recorder.forward(shape, training=True))
    advance(f"gradients {height}x{width}")
    cases.append(recorder.gradients(shape))
    return {
        "network": name,
        "source": source,
        "constructor": constructor,
        "num_classes": num_classes,
        "parameters": recorder.parameters(),
        "dropout": [list(layer) for layer in recorder.dropout],
        "state": [list(entry) for entry in recorder.state],
        "aliases": [list(entry) for entry in recorder.aliases],
        "fill": "v1",
        "salt": salt,
        "unused_parameters": recorder.unused,
        "rejected_inputs": rejected,
        "cases": cases,
        "trace": {"input_shape": shape, "mode": "eval", "modules": recorder.trace(shape)},
        "computed_with": f"torch {torch.__version__} on CPU, numpy {np.__version__}, float64, "
        f"Python {platform.python_version()}",
    }
