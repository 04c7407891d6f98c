"""Generate docs/networks.md, which has the size, proof, published numbers and deviations of each network."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.config import Config

from lednet_mm.cards import Card
from lednet_mm.catalog import CLASSES, SHAPE, network_files
from lednet_mm.checkpoints.authors import authors_model, name_table
from lednet_mm.checkpoints.parity import build_model, check_parity, read_vector
from lednet_mm.config import load_config
from lednet_mm.counting.complexity import count_complexity, trainable_parameters
from lednet_mm.deployment.inference import build_network
from lednet_mm.errors import InputError
from lednet_mm.record_format import Record
from lednet_mm.reports.published import published_rows

ODD_SHAPE = (107, 157)  # both are prime numbers

HEADER = f"""\
# The networks

`python tools/document_networks.py` writes this page. The published numbers come from
`lednet_mm/reports/published.csv`.

* **Parameters** (in millions) and **MACs** (multiply-adds in billions, counted by fvcore) are those
  of inference with {CLASSES} classes at {SHAPE[0]}x{SHAPE[1]}, with the final upsampling.
* **Parity** is checked by `tools/verify_parity.py` with the reference vector of that name in
  `tests/data/`. The error is the largest difference of an output (in training mode also of a
  gradient) from that of the code in the repository, in float64 and relative to the spread of that
  output. It is rounded up to a power of ten. A dash means that there is no vector, so that the
  network is not proven.
* **As MMSegmentation's?** says whether MMSegmentation has the same network: *equal* was proven with
  the reference vector, *differs* is explained [below](#what-mmsegmentation-has-otherwise), *its own*
  is MMSegmentation's network, which nothing proves, and a dash means that MMSegmentation does not
  have it.
* **Published** numbers are taken from their sources and were obtained with other recipes, input
  sizes and machines. This project has not measured them, and rows cannot be compared with each
  other.
* Every network can be exported to ONNX with free batch size, height and width, and then equals
  PyTorch (`tests/networks/`, `tests/deployment/test_export.py`).

## Authors' weights

`python tools/convert_checkpoint.py NETWORK SRC DST` converts an authors' checkpoint to one of this
project, for every name table below. No tensor may be missing or left over, and nothing in the file
is executed. Weights with an output for void need a config with that many outputs
(`model.num_classes`, and `num_outputs` of the metric). The configs `*_author.py` have these, and
also the authors' preprocessing. `tests/checkpoints/test_released_weights.py` compares the following
weights with the authors' own figures:

| weights | name table | config | compared on |
|---|---|---|---|
| `espnet_p_2_q_8_camvid.pth` | `espnet` | `configs/espnet_camvid_author.py` | CamVid test, class by class |
| `cgnet_m3n21_camvid.pth` | `cgnet` | `configs/cgnet_camvid_author.py` | CamVid test, class by class |
| `espnet_p_2_q_8.pth` | `espnet_q8` | `configs/espnet_cityscapes_author.py` | one image of Cityscapes val |

The name tables of `espnet_p_2_q_3.pth` and `espnet_p_2_q_5.pth` are `espnet_q3` and `espnet_q5`.
They need the last config with `--cfg-options model.backbone.blocks=2,3` or `2,5`.

LEDNet's ImageNet classifier (`lednet_imagenet`) has no config of its own. Its weights can start a
training of LEDNet: convert them, and pass the file to `tools/train.py` with `--pretrained`.
"""
"""The part of the page that no measurement changes."""


@dataclass(frozen=True)
class NetworkFacts:
    """The page's facts about one network.

    Attributes:
        card: card of the network, or of another version of it.
        vector: name of the reference vector; None if nothing is proven.
        note: docstring of the network's config; empty for another version, which has no config.
        params: number of trainable parameters in inference.
        params_train: number of trainable parameters with auxiliary heads.
        macs: multiply-adds at 512x1024; None for an image classifier.
        sizes: accepted input sizes, in words.
        cases: number of cases of the reference vector.
        error: largest relative error in evaluation mode; None without a vector.
        training_error: largest relative error in training mode, including gradients; None without a vector.
    """

    card: Card
    vector: str | None
    note: str
    params: int
    params_train: int
    macs: int | None
    sizes: str
    cases: int
    error: float | None
    training_error: float | None

    @property
    def name(self) -> str:
        """The name of the network; for another version of it, the name of its vector."""
        return self.card.name if self.vector == self.card.vector else str(self.vector)


def measure_networks(
    cards: Mapping[str, Card],
    vectors: str | Path,
    sizes: Mapping[str, Record],
    advance: Callable[[str], None] = lambda name: None,
) -> list[NetworkFacts]:
    """Measure all networks and the other versions of them that are proven.

    Args:
        cards: cards of the networks by name.
        vectors: folder with the reference vectors.
        sizes: complexity records by network, see :func:`lednet_mm.catalog.recorded_sizes`; networks without a
            record are counted.
        advance: function that is called with the name of each network or vector before it is measured.

    Returns:
        First the proven networks, then the others, each sorted by title.

    Raises:
        InputError: a network does not reproduce its vector, so the page would be wrong.
    """
    facts = []
    for card in cards.values():
        own = [] if card.vector else [None]
        for vector in [*own, *card.vectors]:
            advance(vector or card.name)
            facts.append(_measure(card, vector, Path(vectors), sizes.get(card.name)))
    return sorted(facts, key=lambda network: (network.vector is None, network.card.title.lower()))


def _measure(card: Card, vector: str | None, vectors: Path, recorded: Record | None) -> NetworkFacts:
    error = training_error = None
    cases = 0
    if vector and (path := vectors / f"{vector}.json").is_file():
        result = check_parity(read_vector(path))
        if result.misses:
            raise InputError(f"{vector} is not equal to its authors' code: {result.misses[0]}")
        cases = len(result.errors)
        error = max(error for case, error in result.errors.items() if case.startswith("eval"))
        training_error = max(error for case, error in result.errors.items() if not case.startswith("eval"))
    if vector == card.vector:
        path = network_files()[card.name]
        note, config = _docstring(path), load_config(path)
    else:
        note, config = "", Config({"model": authors_model(str(vector))})
    if config.model.type == "Segmentor":
        config.model.num_classes = CLASSES
        own = recorded if vector == card.vector else None
        counted = own.values if own else count_complexity(config, SHAPE).values()
        params, params_train, macs = (int(counted[key]) for key in ("params", "params_train", "macs"))
        sizes = _accepted_sizes(config)
    else:  # an image classifier
        params = params_train = trainable_parameters(build_model(config.model, 1000))
        macs, sizes = None, "any"
    return NetworkFacts(
        card=card.version(vector) if vector else card,
        vector=vector,
        note=note,
        params=params,
        params_train=params_train,
        macs=macs,
        sizes=sizes,
        cases=cases,
        error=error,
        training_error=training_error,
    )


@torch.inference_mode()
def _accepted_sizes(config: Config) -> str:
    try:
        build_network(config).logits(torch.zeros(1, 3, *ODD_SHAPE))
    except ValueError as error:
        multiple = re.search(r"multiples? of (\d+)", str(error))
        if not multiple:
            raise
        return f"multiples of {multiple[1]}"
    return "any"


def _docstring(path: Path) -> str:
    found = re.match(r'"""(.+?)"""', path.read_text(), re.DOTALL)
    return " ".join(found[1].split()) if found else ""


def render(networks: Sequence[NetworkFacts]) -> str:
    """Return the page as Markdown: the header, one table, and a section for each network."""
    lines = [HEADER, "## All networks", ""]
    lines += [
        "| network | name | parameters (M) | MACs (G) | parity error below | in training "
        "| as MMSegmentation's? |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    differing = {name for network in networks for name in network.card.authors_forms}
    for network in networks:
        macs = "–" if network.macs is None else f"{network.macs / 1e9:.2f}"
        anchor = f"[{network.card.title}](#{_anchor(_heading(network))})"
        size = f"{network.params / 1e6:.3f} | {macs}"
        parity = f"{_below(network.error)} | {_below(network.training_error)}"
        compared = _compared(network, differing)
        lines.append(f"| {anchor} | `{network.name}` | {size} | {parity} | {compared} |")
    lines += _differences(networks)
    for network in networks:
        lines += ["", f"## {_heading(network)}", "", *_section(network)]
    return "\n".join(lines) + "\n"


def _compared(network: NetworkFacts, differing: Container[str]) -> str:
    """Return how a network compares with MMSegmentation's of the same name, in a word or two."""
    if network.name != network.card.name:  # another version of the network
        return "–"
    if network.name in differing:
        return "differs"
    if not network.card.from_mmsegmentation:
        return "–"
    return "its own" if network.error is None else "equal"


def _differences(networks: Sequence[NetworkFacts]) -> list[str]:
    """Return the table of the networks that MMSegmentation has otherwise than their authors."""
    by_name = {network.name: network for network in networks}
    lines = [
        *("", "## What MMSegmentation has otherwise", ""),
        "The networks in the first column follow the authors' code and are proven; in the second is",
        "MMSegmentation's form. Sizes are those of the authors' form (the first one) and then of",
        "MMSegmentation's, in inference and, in brackets, in training.",
        "",
        "| authors' form | MMSegmentation's | MMSegmentation's differs | parameters (M) | MACs (G) |",
        "|---|---|---|---:|---:|",
    ]
    for form in networks:
        names = [name for name in form.card.authors_forms if name in by_name]
        if not names:
            continue
        first = by_name[names[0]]
        params = ", ".join(
            f"{network.params / 1e6:.4f} ({network.params_train / 1e6:.4f})" for network in (first, form)
        )
        macs = ", ".join(f"{(network.macs or 0) / 1e9:.3f}" for network in (first, form))
        cells = (", ".join(f"`{name}`" for name in names), f"`{form.name}`", " ".join(form.card.deviations))
        lines.append(f"| {' | '.join(cells)} | {params} | {macs} |")
    return lines


def _heading(network: NetworkFacts) -> str:
    return f"{network.card.title}: {network.name}"


def _anchor(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _below(error: float | None) -> str:
    """Round up to a power of ten, which is the same for the rounding errors of all machines."""
    if error is None:
        return "–"
    return f"1e{math.ceil(math.log10(error)):03d}" if error > 0 else "0"


def _section(network: NetworkFacts) -> list[str]:
    card = network.card
    lines = []
    if network.name == card.name:
        lines += [f"`configs/_base_/networks/{card.name}.py`: {network.note}", ""]
    table = f" Name table: `{network.vector}`." if network.vector else ""
    lines.append(f"* Paper: {card.paper}. Code: {card.repository}.{table}")
    size = f"{network.params / 1e6:.3f} M parameters"
    if network.params_train != network.params:
        size += f" ({network.params_train / 1e6:.3f} M in training)"
    macs = "" if network.macs is None else f", {network.macs / 1e9:.2f} G MACs"
    lines.append(f"* {size}{macs}; input sizes: {network.sizes}.")
    if network.error is not None:
        lines.append(
            f"* Equal to that code over {network.cases} cases: error below {_below(network.error)}, "
            f"in training mode {_below(network.training_error)}."
        )
    else:
        lines.append("* Not proven: it has no reference vector.")
    tolerance = name_table(network.vector).training_tolerance if network.vector else None
    if tolerance:
        lines.append(
            f"* In training mode, the tolerance is {tolerance:.0e}, because the network amplifies rounding "
            "errors."
        )
    lines += [f"* Deviation: {deviation}" for deviation in card.deviations]
    if network.name == card.name:
        lines += [f"* Published: {_published(row)}" for row in published_rows(card.name)]
    return lines


def _published(row: Mapping[str, str]) -> str:
    """Return the filled cells of a row of published numbers as one sentence, with the source."""

    def at(*columns: str) -> str:
        where = ", ".join(row[column] for column in columns if row[column])
        return f" ({where})" if where else ""

    cells = (
        ("params_m", f"{row['params_m']} M parameters"),
        ("flops_g", f"{row['flops_g']} GFLOPs or GMACs{at('flops_at')}"),
        ("fps", f"{row['fps']} FPS{at('fps_gpu', 'fps_at')}"),
        ("cityscapes_val_miou", f"Cityscapes val {row['cityscapes_val_miou']} % mIoU"),
        ("cityscapes_test_miou", f"Cityscapes test {row['cityscapes_test_miou']} % mIoU"),
        ("cityscapes_test_category_iou", f"{row['cityscapes_test_category_iou']} % category IoU"),
        ("camvid_test_miou", f"CamVid test {row['camvid_test_miou']} % mIoU"),
        ("extra_data", f"extra data: {row['extra_data']}"),
    )
    known = "; ".join(text for column, text in cells if row[column])
    return f"{row['network']}: {known}. Source: {row['source']}"
