"""Export every network with both of PyTorch's exporters.

python -m benchmarks.export_networks [NETWORK ...] [--dataset cityscapes] [--shape 64 96]

The tracing exporter is the one that tools/export.py uses; the newer one captures the network with
torch.export, and needs onnxscript. Both get the network with its initial weights, with the replacements of
lednet_mm.deployment.exportable. The file of each is checked as tools/export.py checks it: against PyTorch,
at the given size and with two images of another size. Every network runs in a process of its own with one
thread, and leaves a record with the CPU seconds of each export. Networks with a record are not exported
again.
"""

from __future__ import annotations

import io
import sys
import time
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)

# isort: split
import onnx
import torch
from torch import Tensor, nn

from benchmarks.each_network import ENDED, measure_each, say
from lednet_mm.config import Choice, load_config, run_of
from lednet_mm.deployment.export import Exporter, export_onnx, trace_to_onnx
from lednet_mm.deployment.exportable import any_size
from lednet_mm.deployment.inference import Inference, build_network
from lednet_mm.errors import InputError, run_command
from lednet_mm.records import collect_provenance, new_record, write_record
from lednet_mm.reports.sections.each_network import Exporters


def capture_to_onnx(network: nn.Module, images: Tensor, /, *, dynamic: bool) -> bytes:
    """Return a network as the content of an ONNX file, made by the exporter based on ``torch.export``."""
    free = torch.export.Dim.DYNAMIC
    with warnings.catch_warnings(), torch.no_grad(), any_size(network):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (images,),
            dynamo=True,
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=({0: free, 2: free, 3: free},) if dynamic else None,
            verbose=False,
        )
    content = io.BytesIO()
    assert program is not None
    program.save(content)
    return content.getvalue()


EXPORTERS: dict[str, Exporter] = {"tracing": trace_to_onnx, "newer": capture_to_onnx}
FACTS = ("seconds", "nodes", "any_size")


def measure(network: str, dataset: str, shape: tuple[int, int]) -> None:
    """Export one network, and say what is known after each exporter."""
    say(step="building")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = Inference(build_network(load_config(Choice(network, dataset, None, None))))
    for name, exporter in EXPORTERS.items():
        say(step=name)
        seconds = 0.0

        def timed(*arguments: Any, exporter: Exporter = exporter, **options: Any) -> bytes:
            nonlocal seconds
            begin = time.process_time()
            try:
                return exporter(*arguments, **options)
            finally:
                seconds += time.process_time() - begin

        try:
            exported = export_onnx(model, shape=shape, exporter=timed)
        except InputError as error:
            say(**{f"{name}_seconds": seconds, f"{name}_reason": str(error)})
            continue
        nodes = len(onnx.load_from_string(exported.content).graph.node)
        facts = dict(zip(FACTS, (seconds, nodes, exported.dynamic), strict=True))
        say(**{f"{name}_{fact}": value for fact, value in facts.items()})
        say(**{f"{name}_reason": exported.obstacle or ""})
    say(step=ENDED)


def keep(network: str, dataset: str, shape: Sequence[int], known: dict[str, Any], folder: str) -> None:
    """Write the record of one network."""
    run = run_of(load_config(Choice(network, dataset, None, None)))
    run = run.model_copy(update={"variant": "exporters"})
    values = {f"{name}_{fact}": known.get(f"{name}_{fact}") for name in EXPORTERS for fact in FACTS}
    reasons = {f"{name}_reason": known.get(f"{name}_reason", "") for name in EXPORTERS}
    details = {"shape": list(shape), "onnxscript": version("onnxscript"), **reasons}
    write_record(new_record("benchmark", run, "", values, details, collect_provenance("cpu")), folder)


def require_onnxscript() -> None:
    """Check that the package of the newer exporter is installed.

    Raises:
        InputError: it is not.
    """
    if find_spec("onnxscript") is None:
        raise InputError("the newer exporter needs onnxscript: pip install -e '.[exporters]'")


def explain(known: dict[str, Any], step: str, why: str) -> dict[str, Any]:
    """Return what is known of a network, with the reason if its process has not come to the end."""
    if step == ENDED:
        return known
    return {**known, f"{step if step in EXPORTERS else 'tracing'}_reason": f"{step} {why}"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the networks that have no record yet, and print the table."""
    measure_each(
        arguments,
        sys.modules[__name__],
        Exporters,
        dataset="cityscapes",
        shape=(64, 96),
        seconds=900.0,
        folder="work_dirs/benchmarks/exporters",
        check=require_onnxscript,
    )


if __name__ == "__main__":
    run_command(main)
