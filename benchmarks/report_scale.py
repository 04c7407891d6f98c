"""Time a report over many runs: 10,000 may take at most 60 s and 2 GiB, and the page must open in 3 s.

The script writes synthetic records that are as large as real ones: confusion matrices of CamVid's 233 test
and 101 validation images, a validation curve, and latencies of 100 samples. Each network has 10 variants with
10 seeds each. The script makes a report of half of these runs and then of all, each in a process of its own,
which shows whether the cost is linear. If Playwright and Chromium are installed, it also opens the page in
Chromium. It prints one line, and its exit status is 1 if a limit is exceeded.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from lednet_mm.datasets.camvid import CamVidDataset
from lednet_mm.errors import InputError, run_command
from lednet_mm.evaluation.confusion import pack, scores
from lednet_mm.statistics import class_iou

SEEDS, VARIANTS = 10, 10
LIMIT_SECONDS, LIMIT_MIB, LIMIT_PAGE_SECONDS = 60.0, 2048.0, 3.0
IMAGES = {"val": 101, "test": 233}
CLASSES = CamVidDataset.METAINFO["classes"]
POOL = 64
"""The number of different sets of matrices. Runs share them, as packing one for each would take too long."""
CONFIG = """\
network = {network!r}
dataset = 'synthetic'
variant = {variant!r}
optim_wrapper = {{'type': 'OptimWrapper', 'optimizer': {{'type': 'AdamW', 'lr': 0.002}}}}
param_scheduler = [{{'type': 'PolyLR', 'power': 0.9, 'by_epoch': False}}]
train_cfg = {{'type': 'IterBasedTrainLoop', 'max_iters': 1000, 'val_interval': 100}}
train_dataloader = {{'batch_size': 4, 'dataset': {{'type': 'CamVidDataset', 'pipeline': []}}}}
randomness = {{'seed': {seed}}}
"""
FILLER = "# what else a resolved config says\n" * 130


def make_pool(split: str) -> list[tuple[dict, dict]]:
    """Return the values and details of ``POOL`` different accuracies on a split."""
    rng = np.random.default_rng(0)
    pool = []
    for quality in np.linspace(0.6, 0.95, POOL):
        pixels = rng.multinomial(172_800, rng.dirichlet(np.ones(len(CLASSES))), size=IMAGES[split])
        hits = np.floor(pixels * np.clip(rng.normal(quality, 0.1, pixels.shape), 0, 1)).astype(int)
        matrices = np.apply_along_axis(np.diag, 1, hits)
        matrices[:, np.arange(len(CLASSES)), np.roll(np.arange(len(CLASSES)), 1)] += pixels - hits
        iou = 100 * class_iou(matrices.sum(0))
        details = {
            "split": split,
            "images": IMAGES[split],
            "class_iou_percent": dict(zip(CLASSES, iou.tolist(), strict=True)),
            "absent_classes": [],
            "per_image_names": [f"0001TP_{i:06}.png" for i in range(IMAGES[split])],
            "per_image_confusion": pack(matrices),
        }
        pool.append((scores(matrices.sum(0)), details))
    return pool


def write_runs(folder: Path, count: int) -> int:
    """Write the records of ``count`` runs, and return their total size in bytes."""
    rng = np.random.default_rng(1)
    pools = {split: make_pool(split) for split in IMAGES}
    total = 0
    for i in range(count):
        network, rest = divmod(i, SEEDS * VARIANTS)
        variant, seed = divmod(rest, SEEDS)
        run = {
            "network": f"network{network:03}",
            "dataset": "synthetic",
            "variant": f"variant{variant}" if variant else "default",
            "seed": seed,
            "study": None,
        }
        text = CONFIG.format(**run) + FILLER
        records = folder / f"{run['network']}-{run['variant']}-seed{seed}" / "records"
        records.mkdir(parents=True)
        curve = [[100 * k, 40 + 2.0 * k] for k in range(1, 11)]
        found = [("train", {"iterations": 1000}, {"validation_curve_miou_percent": curve})]
        for pool in pools.values():
            found.append(("accuracy", *pool[rng.integers(POOL)]))
        if seed == 0:
            values = {"params": 900_000 + 7 * i, "params_train": 900_000 + 7 * i, "macs": 10**10 + i * 10**6}
            found.append(("complexity", values, {"shape": [360, 480], "counters": {}, "missed": {}}))
            samples = rng.gamma(50, 1 + network / 50, 100)
            p50, p90, p99 = np.percentile(samples, [50, 90, 99])
            values = {"latency_ms_p50": p50, "latency_ms_p90": p90, "latency_ms_p99": p99}
            details = {
                "shape": [360, 480],
                "batch_size": 1,
                "engine": "eager",
                "samples_ms": samples.tolist(),
            }
            found.append(("latency", {**values, "fps_p50": 1000 / p50, "unstable": False}, details))
        for k, (kind, values, details) in enumerate(found):
            record = {
                "schema": 1,
                "kind": kind,
                "id": f"20260101T000000-{i:06x}{k}",
                "run": run,
                "config": {"text": text, "sha256": hashlib.sha256(text.encode()).hexdigest()},
                "values": values,
                "details": details,
                "provenance": {
                    "commit": "0" * 40,
                    "dirty": False,
                    "versions": {"torch": "2.13.0"},
                    "device": "synthetic",
                    "device_count": 1,
                    "threads": 1,
                    "precision": "fp32",
                    "date": "2026-01-01T00:00:00+00:00",
                    "command": f"python tools/train.py configs/{run['network']}.py --seed {seed}",
                    "host_os": "Linux",
                },
            }
            path = records / f"{kind}-{record['id']}.json"
            total += path.write_text(json.dumps(record, separators=(",", ":")))
    return total


def time_report(folder: Path, out: Path) -> tuple[float, float]:
    """Make a report in a process of its own, and return its time in seconds and its peak memory in MiB."""
    tool = Path(__file__).resolve().parents[1] / "tools" / "report.py"
    begin = time.monotonic()
    subprocess.run([sys.executable, str(tool), str(folder), "--out", str(out)], check=True, stdout=sys.stderr)
    seconds = time.monotonic() - begin
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def time_page(page: Path) -> float | None:
    """Return the seconds until the page's tables are ready in Chromium; None if Chromium is missing."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    if chromium is None:
        return None
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page()
        begin = time.monotonic()
        tab.goto(page.resolve().as_uri())
        tab.wait_for_selector("html[data-ready=yes]", state="attached")
        seconds = time.monotonic() - begin
        browser.close()
    return seconds


def main() -> int:
    """Write the records, make the reports and print the line; return 1 if a limit is exceeded."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example:\n  python benchmarks/report_scale.py --runs 10000",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--runs", type=int, default=10000, help="number of runs, a multiple of 200 (default 10000)"
    )
    parser.add_argument(
        "--keep", type=Path, help="folder in which records and report are kept (default: they are deleted)"
    )
    arguments = parser.parse_args()
    if arguments.runs < 200 or arguments.runs % 200:
        raise InputError("--runs must be a multiple of 200, so that half of the runs are whole networks too")
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        half, whole = folder / "half", folder / "whole"
        if not whole.is_dir():
            write_runs(half, arguments.runs // 2)
            write_runs(whole, arguments.runs)
        half_seconds, _ = time_report(half, folder / "half_report")
        seconds, mib = time_report(whole, folder / "report")
        page = folder / "report" / "index.html"
        opened = time_page(page)
        size = page.stat().st_size / 2**20
    shown = "page not opened: no Chromium" if opened is None else f"page opens in {opened:.1f} s"
    ok = seconds <= LIMIT_SECONDS and mib <= LIMIT_MIB and (opened or 0) <= LIMIT_PAGE_SECONDS
    print(
        f"{arguments.runs} runs: {seconds:.1f} s, {mib:.0f} MiB, half of them {half_seconds:.1f} s; "
        f"page {size:.1f} MiB, {shown}: {'within' if ok else 'beyond'} the limits"
    )
    return 0 if ok else 1


if __name__ == "__main__":
    run_command(main)
