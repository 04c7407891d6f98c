"""Records for the tests of reports: small, with real confusion matrices."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from lednet_mm.evaluation.confusion import pack, scores
from lednet_mm.records import Provenance, Record, Run, new_record, sort_records
from lednet_mm.reports.content import Content
from lednet_mm.reports.reading import Evidence
from lednet_mm.reports.runs import record_name
from lednet_mm.statistics import class_iou

CLASSES = ("road", "sky", "car")
PROVENANCE = Provenance(
    commit="c0ffee",
    dirty=False,
    versions={"torch": "2.13.0"},
    device="CPU A",
    device_count=2,
    threads=2,
    precision="fp32",
    date="2026-11-21T10:00:00+00:00",
    command="python tools/test.py </script><b>",
    host_os="Linux",
)
CONFIG = """\
optim_wrapper = {'type': 'OptimWrapper', 'optimizer': {'type': 'AdamW', 'lr': 0.002}}
train_cfg = {'type': 'IterBasedTrainLoop', 'max_iters': 100, 'val_interval': 10}
train_dataloader = {'batch_size': 4, 'dataset': {'data_root': 'data', 'pipeline': []}}
"""


def at(minute: int, **changes) -> Provenance:
    return PROVENANCE.model_copy(update={"date": f"2026-11-21T10:{minute:02}:00+00:00", **changes})


def matrices(quality: float, seed: int = 0, images: int = 20) -> np.ndarray:
    """Return (images, 3, 3) matrices in which about ``quality`` of the pixels are right."""
    rng = np.random.default_rng(seed)
    pixels = rng.multinomial(1000, rng.dirichlet(np.full(3, 5.0)), size=images)
    noise = np.random.default_rng(
        [seed, int(1e6 * quality)]
    )  # networks make errors independently of each other
    hits = np.floor(pixels * np.clip(noise.normal(quality, 0.03, pixels.shape), 0, 1)).astype(int)
    found = np.apply_along_axis(np.diag, 1, hits)
    found[:, np.arange(3), [1, 2, 0]] += pixels - hits
    return found


def accuracy(
    network="lednet",
    variant="default",
    seed=0,
    split="test",
    quality=0.8,
    minute=0,
    study=None,
    dataset="camvid",
    text=CONFIG,
    names=None,
    classes=CLASSES,
    void=False,
    **details,
) -> Record:
    """Make an accuracy; with ``void`` no pixel has a label."""
    found = matrices(quality, seed) * (not void)
    iou = 100 * class_iou(found.sum(0))
    details = {
        "split": split,
        "class_iou_percent": dict(zip(classes, iou, strict=True)),
        "per_image_names": names or [f"{i}.png" for i in range(len(found))],
        "per_image_confusion": pack(found),
        **details,
    }
    run = Run(network=network, dataset=dataset, variant=variant, seed=seed, study=study)
    return new_record("accuracy", run, text, scores(found.sum(0)), details, at(minute))


def train(network="lednet", variant="default", seed=0, curve=(), minute=0, study=None) -> Record:
    run = Run(network=network, dataset="camvid", variant=variant, seed=seed, study=study)
    details = {"validation_curve_miou_percent": list(curve)}
    return new_record("train", run, CONFIG, {"iterations": 100}, details, at(minute))


def complexity(network="lednet", variant="default", params=920_000, shape=(360, 480)) -> Record:
    run = Run(network=network, dataset="camvid", variant=variant)
    details = {"shape": shape, "counters": {}, "missed": {}}
    values = {"params": params, "params_train": params, "macs": 10_000 * params}
    return new_record("complexity", run, "", values, details, PROVENANCE)


def latency(
    network="lednet", variant="default", fps=10.0, device="CPU A", spread=0.02, unstable=False, **details
) -> Record:
    samples = 1000 / fps * (1 + spread * np.random.default_rng(0).standard_normal(50))
    p50, p90, p99 = np.percentile(samples, [50, 90, 99])
    values = {"fps_p50": 1000 / p50, "latency_ms_p50": p50, "latency_ms_p90": p90, "latency_ms_p99": p99}
    details = {"shape": (360, 480), "batch_size": 1, "engine": "eager", "samples_ms": samples, **details}
    run = Run(network=network, dataset="camvid", variant=variant)
    values = {**values, "unstable": unstable}
    return new_record("latency", run, "", values, details, at(0, device=device))


def benchmark() -> Record:
    run = Run(network="none", dataset="none", variant="loader")
    values = {"files_ms_p50": 8.0, "files_ms_p50_low": 7.9, "files_ms_p50_high": 8.1}
    values |= {"files_ratio": 1.0, "files_unstable": False}
    details = {"ways": {"files": "files"}, "items": 4, "unit": "images", "samples_ms": {"files": [8.0]}}
    return new_record("benchmark", run, "", values, details, at(0))


def failure(variant="no_bn", seed=0, minute=0, study=None, log=("iter 6", "failed: nan")) -> Record:
    run = Run(network="lednet", dataset="camvid", variant=variant, seed=seed, study=study)
    values = {"reason": "the loss became nan at iteration 7", "exit_status": 1, "last_checkpoint": None}
    return new_record("failure", run, CONFIG, values, {"log_tail": list(log)}, at(minute))


def write_study(folder: Path, variants=("default", "no_apn"), seeds=(0, 1), **more) -> None:
    """Write the ``study.json`` of a study called ``parts``."""
    runs = [
        {
            **{"network": "lednet", "dataset": "camvid", "variant": variant, "seed": seed, "study": "parts"},
            "folder": f"lednet-{variant}-seed{seed}",
        }
        for variant in variants
        for seed in seeds
    ]
    content = {
        "name": "parts",
        "title": "The parts of LEDNet",
        "split": "test",
        "baseline": {"network": "lednet", "variant": "default"},
        "expectations": {"no_apn": "1 to 3 points worse"},
        "runs": runs,
        **more,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.json").write_text(json.dumps(content))


class Kept(Evidence):
    """Evidence with records that have no files."""

    def whole(self, name):
        (record,) = (record for record in self.records if record_name(record) == name)
        return record


def content_of(records) -> Content:
    """Return the content of a report of these records."""
    return Content(Kept(tuple(sort_records(records)), {}, {}, {}, "Title"))
