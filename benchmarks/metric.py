"""Measure the time to count one image's pixels, by this project and by MMSegmentation's IoUMetric.

python benchmarks/metric.py [--shape 1024 2048] [--seconds 10]

Predictions and labels are synthetic: squares of 19 classes, where a tenth of the pixels have no label. Both
implementations get them as 64-bit integers, as from the data pipeline, and they must give the same counts
before anything is timed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)

# isort: split
import numpy as np
import torch
from mmseg.evaluation import IoUMetric

from lednet_mm.environment import choose_threads
from lednet_mm.errors import run_command
from lednet_mm.evaluation.confusion import confusion_matrix
from lednet_mm.records import write_record
from lednet_mm.timing.comparing import compare_ways

CLASSES, IGNORE, BLOB = 19, 255, 16


def blobs(random: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return random class ids that are constant within squares: (height, width) int64."""
    squares = random.integers(0, CLASSES, (-(-height // BLOB), -(-width // BLOB)))
    return squares.repeat(BLOB, 0).repeat(BLOB, 1)[:height, :width].copy()


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare the counts, then time both, print the table and write the record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", nargs=2, type=int, default=[1024, 2048], metavar=("H", "W"))
    parser.add_argument("--seconds", type=float, default=10.0, help="seconds for each way (default 10)")
    parser.add_argument("--work-dir", default="work_dirs/benchmarks/metric", help="folder for the record")
    options = parser.parse_args(arguments)
    threads = choose_threads()
    random = np.random.default_rng(0)
    truth = blobs(random, *options.shape)
    prediction = np.where(random.random(truth.shape) < 0.8, truth, blobs(random, *options.shape))
    truth[random.random(truth.shape) < 0.1] = IGNORE
    tensors = torch.from_numpy(prediction), torch.from_numpy(truth)

    def theirs() -> tuple:
        return IoUMetric.intersect_and_union(*tensors, CLASSES, IGNORE)

    def ours() -> np.ndarray:
        return confusion_matrix(prediction, truth, CLASSES, IGNORE)

    matrix = ours()
    hits, _, predicted, labelled = (area.numpy().astype(np.int64) for area in theirs())
    np.testing.assert_array_equal(np.diagonal(matrix), hits)
    np.testing.assert_array_equal(matrix.sum(0), predicted)
    np.testing.assert_array_equal(matrix.sum(1), labelled)
    compared = compare_ways(
        "metric", {"IoUMetric": theirs, "confusion matrix": ours}, 1, "images", seconds=options.seconds
    )
    print(f"{options.shape[0]}x{options.shape[1]}, {threads.count} threads; the same integers")
    print(compared.table())
    write_record(compared.record(threads, {"shape": options.shape}), options.work_dir)


if __name__ == "__main__":
    run_command(main)
