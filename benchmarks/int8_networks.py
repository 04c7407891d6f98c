"""Quantise every network to INT8, and measure how far its logits are from those of fp32.

python -m benchmarks.int8_networks [NETWORK ...] [--dataset camvid] [--shape 128 192]

Weights and images are filled by the rule of the reference vectors. So this says whether a network quantises,
on which engines, and how much it amplifies the rounding to 8 bits. It says nothing about accuracy: for that,
a trained network is exported by tools/export.py --int8. Every network runs in a process of its own, because
an engine may crash, and leaves a record. Networks with a record are not measured again.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)

# isort: split
import torch
from torch import Tensor

from benchmarks.each_network import ENDED, measure_each, say
from lednet_mm.checkpoints.filling import fill
from lednet_mm.checkpoints.recording import list_state
from lednet_mm.config import Choice, load_config, run_of
from lednet_mm.deployment.deploy import deploy
from lednet_mm.deployment.export import export_onnx
from lednet_mm.deployment.inference import REFUSALS, Inference, build_network, input_channels
from lednet_mm.deployment.quantisation import quantisable, quantise
from lednet_mm.deployment.rounding import output_error
from lednet_mm.environment import choose_threads
from lednet_mm.errors import InputError, describe_error, run_command
from lednet_mm.records import collect_provenance, new_record, write_record
from lednet_mm.reports.sections.each_network import ENGINES, QuantisedNetworks
from lednet_mm.timing.engines import prepare_engine
from lednet_mm.timing.runtimes import UnavailableError

CALIBRATION = 4
"""The number of images for calibration; others are measured."""


def image(name: str, channels: int, shape: Sequence[int]) -> Tensor:
    """Return an image with standard normal values, which depend on its name."""
    return fill(name, (1, channels, *shape), "input", "int8").float()


def measure(network: str, dataset: str, shape: tuple[int, int]) -> None:
    """Quantise one network, and print a line of JSON with what is known after each step."""
    say(step="building")
    choose_threads(sample_seconds=0.1)
    model = build_network(load_config(Choice(network, dataset, None, None)))
    network_of = Inference(model)
    state, _ = list_state(network_of)
    tensors = network_of.state_dict(keep_vars=True)
    with torch.no_grad():
        for name, size, kind in state:
            tensors[name].copy_(fill(name, size, kind, "int8"))
    channels = input_channels(network_of)
    say(step="exporting")
    try:
        # In float64, so that networks which amplify rounding are not refused as wrongly folded.
        form = deploy(network_of.double()).float()
        network_of.float()
        exported = export_onnx(quantisable(form), shape=shape)
        say(fp32_bytes=len(exported.content), dynamic=exported.dynamic, step="quantising")
        content = quantise(
            exported.content, [image(f"calibration {i}", channels, shape) for i in range(CALIBRATION)]
        )
    except (InputError, *REFUSALS) as error:
        say(reason=describe_error(error), step=ENDED)
        return
    say(int8_bytes=len(content))
    tested = image("input", channels, shape)
    with torch.no_grad():
        expected = network_of(tested)
    for engine in ENGINES:
        say(step=engine)
        try:
            answer = prepare_engine(engine, content, tested, "int8", torch.get_num_threads())()
            say(**{f"{engine}_error": output_error(answer, expected)})
        except UnavailableError as error:
            say(**{f"{engine}_reason": str(error)})
    say(step=ENDED)


def explain(known: dict[str, Any], step: str, why: str) -> dict[str, Any]:
    """Return what is known of a network, with the reason if its process has not come to the end."""
    if step in ENGINES:  # the engines after it may still work, but are not tried
        return {**known, f"{step}_reason": why}
    return known if step == ENDED else {**known, "reason": f"{step} {why}"}


def keep(network: str, dataset: str, shape: Sequence[int], known: dict[str, Any], folder: str) -> None:
    """Write the record of one network."""
    run = run_of(load_config(Choice(network, dataset, None, None)))
    values = {
        "quantised": "int8_bytes" in known,
        "fp32_bytes": known.get("fp32_bytes"),
        "int8_bytes": known.get("int8_bytes"),
        **{f"{engine}_error": known.get(f"{engine}_error") for engine in ENGINES},
    }
    details = {
        "shape": list(shape),
        "calibration_images": CALIBRATION,
        "any_size": known.get("dynamic"),
        "reason": known.get("reason", ""),
        **{f"{engine}_reason": known.get(f"{engine}_reason", "") for engine in ENGINES},
    }
    run = run.model_copy(update={"variant": "int8"})
    write_record(new_record("benchmark", run, "", values, details, collect_provenance("cpu", "int8")), folder)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the networks that have no record yet, and print the table."""
    measure_each(
        arguments,
        sys.modules[__name__],
        QuantisedNetworks,
        dataset="camvid",
        shape=(128, 192),
        seconds=600.0,
        folder="work_dirs/benchmarks/int8_networks",
    )


if __name__ == "__main__":
    run_command(main)
