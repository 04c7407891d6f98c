"""The format of records: the fields of each kind of measurement and the ranges of their values.

A record is checked against this definition when it is written and again when it is read, because its file may
have been damaged or edited by hand in between. Keys of ``values`` include their unit, ``details`` hold the
data that the values are computed from, ``None`` stands for something that could not be measured, and keys
that are ``NotRequired`` may be missing. Other keys are refused, except in the details of a benchmark.
"""

from __future__ import annotations

import datetime
import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    FiniteFloat,
    TypeAdapter,
    model_validator,
    with_config,
)
from typing_extensions import NotRequired, TypedDict

from lednet_mm import literals
from lednet_mm.text import DEFAULT, NAME_LENGTH, NAME_RULE, is_name, variant_name

SCHEMA: Literal[1] = 1
Kind = Literal[
    "train",
    "accuracy",
    "classification",
    "corruption",
    "complexity",
    "latency",
    "benchmark",
    "failure",
    "tuning",
]

INT64 = (1 << 63) - 1
STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)
OPEN = ConfigDict(extra="allow", strict=True)


def _check_name(text: str) -> str:
    if not is_name(text):
        raise ValueError(f"{NAME_RULE}, unlike {text[:NAME_LENGTH]!r}")
    return text


def _check_file_name(text: str) -> str:
    if not 0 < len(text) <= 255 or text in (".", "..") or set(text) & set("/\\\0"):
        raise ValueError(f"the name of a file in the run's folder, not a path as {text[:255]!r}")
    return text


def _check_date(text: str) -> str:
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?\+00:00", text):
        raise ValueError("not a time in UTC as 2026-11-21T08:00:00+00:00")
    datetime.datetime.fromisoformat(text)  # raises a ValueError for the 30th of February
    return text


Name = Annotated[str, AfterValidator(_check_name)]
"""A name that becomes part of the names of folders and files."""
FileName = Annotated[str, AfterValidator(_check_file_name)]
Word = Annotated[str, Field(min_length=1, max_length=300)]
Text = Annotated[str, Field(max_length=1_000_000)]
Date = Annotated[str, AfterValidator(_check_date)]

Count = Annotated[int, Field(ge=0, le=INT64)]
Size = Annotated[int, Field(ge=1, le=1 << 31)]
Shape = Annotated[list[Size], Field(min_length=2, max_length=2)]
"""Height and width in pixels."""
Seed = Annotated[int, Field(ge=0, lt=1 << 32)]

Value = bool | int | FiniteFloat | Text | None
Percent = Annotated[FiniteFloat, Field(ge=0, le=100)]
Positive = Annotated[FiniteFloat, Field(gt=0)]
NotNegative = Annotated[FiniteFloat, Field(ge=0)]
Samples = Annotated[list[Positive], FailFast(), Field(min_length=1, max_length=10_000_000)]
Words = Annotated[list[Word], FailFast()]
Frame = Annotated[tuple[Text, Count], Field(strict=False)]
LossPoint = Annotated[tuple[Count, NotNegative], Field(strict=False)]
Point = Annotated[tuple[Count, Percent | None], Field(strict=False)]  # a list in JSON


Variant = Annotated[Name, BeforeValidator(variant_name)]


class Part(BaseModel):
    """A part of a record, which is immutable and refuses unknown keys."""

    model_config = STRICT


def one_or_several(value: Any) -> Any:
    """Return a value as a list if it is not one, for fields that take one or several values."""
    return value if isinstance(value, (list, tuple)) else [value]


class Run(Part):
    """The run to which a measurement belongs.

    ``variant`` is ``default`` if the network is unchanged. ``trial`` is the name of the tuning trial to which
    the run belongs; a reported run has none.
    """

    network: Name
    dataset: Name
    variant: Variant = DEFAULT
    seed: Seed | None = None
    study: Name | None = None
    trial: Name | None = None


class ConfigText(Part):
    """The resolved config as Python literals, which are never executed, and its sha256."""

    text: Annotated[str, Field(max_length=literals.LARGEST)]
    sha256: str

    @model_validator(mode="after")
    def _is_as_it_was(self) -> ConfigText:
        if hashlib.sha256(self.text.encode()).hexdigest() != self.sha256:
            raise ValueError("altered: the sha256 beside it is not that of the text")
        return self


class Provenance(Part):
    """Where a number comes from."""

    commit: Word | None
    dirty: bool | None
    versions: Annotated[dict[Word, Word | None], Field(max_length=100)]
    device: Word
    device_count: Count
    threads: Size | None
    wait_policy: Text | None = None
    precision: Word
    date: Date
    command: Text
    host_os: Word
    dataset_fingerprint: Word | None = None
    checkpoint_sha256: Word | None = None


# ---- a training ----


@with_config(STRICT)
class TrainValues(TypedDict):
    """Figures of a training; "this session" means since it was last resumed."""

    iterations: Count
    epochs: NotRequired[NotNegative]
    loss: NotRequired[FiniteFloat | None]
    val_loss: NotRequired[FiniteFloat | None]
    seconds_this_session: NotRequired[NotNegative]
    training_seconds_this_session: NotRequired[NotNegative]
    iterations_this_session: NotRequired[Count]
    images_per_second: NotRequired[NotNegative | None]
    peak_memory_bytes: NotRequired[Count | None]
    processes: NotRequired[Size]


@with_config(STRICT)
class InitialWeights(TypedDict):
    """A file of weights from which a training started.

    Tensors have the network's names; for those of the file that the network does not have, only their number
    is kept. Counters of batch normalisation are not included.
    """

    file: Word
    sha256: Word
    tensors_loaded: Count
    of_another_shape: Words
    not_in_the_file: Words
    not_in_the_network: Count


@with_config(STRICT)
class TrainDetails(TypedDict):
    """The course of a training; ``validation_curve_miou_percent`` has points [iteration, mIoU].

    ``validation_curve_loss`` has points [iteration, loss], ``validation_curve_top1_percent`` those of a
    classifier. ``best_checkpoint`` is the file of the weights that were best on val, if they are kept; all
    records are of the last weights.

    ``ranges`` lists the settings of each range of iterations, ``from`` to ``to``, of a run that was resumed.
    ``began_from`` is None if the initial weights were random or came from the config's ``init_cfg``.
    """

    validation_curve_miou_percent: NotRequired[Annotated[list[Point], FailFast()]]
    validation_curve_loss: NotRequired[Annotated[list[LossPoint], FailFast()]]
    validation_curve_top1_percent: NotRequired[Annotated[list[Point], FailFast()]]
    best_checkpoint: NotRequired[FileName | None]
    ranges: NotRequired[Annotated[list[dict[Word, Value]], Field(max_length=10_000)]]
    threads_reason: NotRequired[Text]
    checkpoint: NotRequired[FileName | None]
    began_from: NotRequired[InitialWeights | None]


# ---- the accuracy on one split ----


@with_config(STRICT)
class AccuracyValues(TypedDict):
    """Scores over all images.

    See :func:`lednet_mm.evaluation.confusion.scores`, and for the measures that were asked for
    :mod:`lednet_mm.evaluation.calibration`, ``boundary`` and ``object_size``.
    """

    miou_percent: Percent | None
    mean_accuracy_percent: NotRequired[Percent | None]
    pixel_accuracy_percent: NotRequired[Percent | None]
    category_iou_percent: NotRequired[Percent | None]
    ece_percent: NotRequired[Percent | None]
    confidence_percent: NotRequired[Percent | None]
    boundary_iou_percent: NotRequired[Percent | None]
    iou_small_percent: NotRequired[Percent | None]
    iou_medium_percent: NotRequired[Percent | None]
    iou_large_percent: NotRequired[Percent | None]


@with_config(STRICT)
class PackedMatrices(TypedDict):
    """Confusion matrices (images, C, P); see :func:`lednet_mm.evaluation.confusion.pack`."""

    shape: Annotated[list[Size], Field(min_length=3, max_length=3)]
    dtype: Literal["<i4"]
    zlib_base64: str


@with_config(STRICT)
class PackedCounts(TypedDict):
    """Counts (images, ...) of a measure; see :func:`lednet_mm.evaluation.confusion.pack`."""

    shape: Annotated[list[Size], Field(min_length=3, max_length=4)]
    dtype: Literal["<i4", "<f8"]
    zlib_base64: str


@with_config(STRICT)
class Calibration(TypedDict):
    """The images on which the ranges of an INT8 network were measured, and how.

    ``names_sha256`` is the sha256 of the images' names in order, one a line.
    """

    split: Name
    images: Size
    names_sha256: Word
    method: Word


@with_config(STRICT)
class AccuracyDetails(TypedDict):
    """The data behind the scores: everything in ``values`` can be computed again from its counts.

    ``engine`` and ``deployed`` say how the network ran if it was not plain PyTorch; its precision is in the
    provenance. ``file`` is the exported file that ran in the checkpoint's place.

    ``differs`` lists where the config differs from the one with which the weights were trained.
    ``per_image_frames`` has the sequence and the number of the frame of each image; it is empty if every
    image is a sequence of its own, and if it is missing, nothing is known.
    """

    split: Name
    images: NotRequired[Count]
    class_iou_percent: NotRequired[Annotated[dict[Word, Percent | None], Field(max_length=256)]]
    absent_classes: NotRequired[Annotated[list[Word], Field(max_length=256)]]
    per_image_names: NotRequired[Words]
    per_image_frames: NotRequired[Annotated[list[Frame], FailFast()]]
    per_image_confusion: NotRequired[PackedMatrices]
    per_image_calibration: NotRequired[PackedCounts]
    per_image_boundary: NotRequired[PackedCounts]
    per_image_object_size: NotRequired[PackedCounts]
    checkpoint: NotRequired[FileName | None]
    tta: NotRequired[bool]
    tile: NotRequired[Shape]
    tile_overlap: NotRequired[Count]
    engine: NotRequired[Word]
    deployed: NotRequired[bool]
    file: NotRequired[FileName]
    file_sha256: NotRequired[Word]
    file_bytes: NotRequired[Count]
    calibration: NotRequired[Calibration]
    differs: NotRequired[Annotated[list[Text], Field(max_length=1000)]]


@with_config(STRICT)
class CorruptionDetails(AccuracyDetails):
    """Which corruption the images had; see :mod:`lednet_mm.evaluation.corruptions`."""

    corruption: Name
    severity: Annotated[int, Field(ge=1, le=5)]
    library: NotRequired[Word]


# ---- the accuracy of a classifier ----


@with_config(STRICT)
class ClassificationValues(TypedDict):
    """How often the class of an image is the best guess, and among the best five."""

    top1_percent: Percent
    top5_percent: Percent


@with_config(STRICT)
class ClassificationDetails(TypedDict):
    """The images; ``checkpoint`` is the file of the weights."""

    split: Name
    images: Count
    classes: Count
    checkpoint: NotRequired[FileName | None]


# ---- size and arithmetic of a network ----


@with_config(STRICT)
class ComplexityValues(TypedDict):
    """The trainable parameters in inference and in training, and the multiply-adds for one image."""

    params: Count
    params_train: Count
    macs: Count


@with_config(STRICT)
class ComplexityDetails(TypedDict):
    """Multiply-adds by counter and operator; see :class:`lednet_mm.counting.counts.Counts`."""

    shape: Shape
    channels: NotRequired[Size]
    counters: NotRequired[dict[Word, dict[Word, int]]]
    missed: NotRequired[dict[Word, dict[Word, int]]]
    failed: NotRequired[dict[Word, Text]]


# ---- the latency of a network ----


@with_config(STRICT)
class LatencyValues(TypedDict):
    """Percentiles over the samples and, if a roofline was measured, the fraction of it that was reached."""

    latency_ms_p50: Positive
    latency_ms_p90: Positive
    latency_ms_p99: Positive
    latency_ms_mean: NotRequired[Positive]
    latency_ms_p50_low: NotRequired[Positive | None]
    latency_ms_p50_high: NotRequired[Positive | None]
    fps_p50: Positive
    samples: NotRequired[Size]
    unstable: NotRequired[bool]
    peak_memory_bytes: NotRequired[Count | None]
    energy_joule: NotRequired[NotNegative | None]
    gflop_per_s: NotRequired[NotNegative]
    roofline_ms: NotRequired[NotNegative]
    operator_roofline_ms: NotRequired[NotNegative]
    roofline_fraction: NotRequired[NotNegative]


def _check_ceilings(ceilings: dict[str, float]) -> dict[str, float]:
    if "gb_per_s_copy" not in ceilings or not any(name.startswith("gflop_per_s_") for name in ceilings):
        raise ValueError("gb_per_s_copy and at least one gflop_per_s_... are needed")
    return ceilings


@with_config(STRICT)
class Roofline(TypedDict):
    """Operations and bytes of a network and ceilings of its device (see ``lednet_mm.counting.roofline``)."""

    operations: Annotated[int, Field(ge=1, le=INT64)]
    minimum_bytes: Annotated[int, Field(ge=1, le=INT64)]
    operator_bytes: NotRequired[Count]
    ceilings: Annotated[dict[Word, Positive], Field(max_length=20), AfterValidator(_check_ceilings)]


@with_config(STRICT)
class LatencyDetails(TypedDict):
    """The conditions of a latency measurement, and all samples."""

    shape: Shape
    batch_size: NotRequired[Size]
    channels: NotRequired[Size]
    engine: NotRequired[Word]
    deployed: NotRequired[bool]
    timed: NotRequired[Annotated[str, Field(max_length=300)]]
    threads_reason: NotRequired[Text]
    machine: NotRequired[dict[Word, Any]]
    error: NotRequired[NotNegative | None]
    tolerance: NotRequired[NotNegative | None]
    prepare_seconds: NotRequired[NotNegative]
    calibration: NotRequired[Calibration]
    unstable_because: NotRequired[list[Text]]
    samples_ms: NotRequired[Samples]
    roofline: NotRequired[Roofline]
    interleaved_with: NotRequired[list[Word]]


# ---- a benchmark of parts of this project ----

BenchmarkValues = dict[Word, bool | int | FiniteFloat | None]


@with_config(OPEN)
class BenchmarkDetails(TypedDict):
    """The ways that are compared, as a dict from names to prefixes of ``values``; other keys are free."""

    ways: NotRequired[Annotated[dict[Word, Word], Field(max_length=1000)]]
    items: NotRequired[Size]
    unit: NotRequired[Word]
    samples_ms: NotRequired[dict[Word, Annotated[list[NotNegative], FailFast(), Field(min_length=1)]]]


# ---- the failure of a study's run ----


@with_config(STRICT)
class FailureValues(TypedDict):
    """Figures of a failure, which counts until there is a newer record of the run."""

    reason: Text
    exit_status: NotRequired[Annotated[int, Field(ge=-(1 << 31), lt=1 << 31)] | None]
    last_checkpoint: NotRequired[FileName | None]


@with_config(STRICT)
class FailureDetails(TypedDict):
    """The end of the run's log."""

    log_tail: NotRequired[Annotated[list[str], FailFast(), Field(max_length=10_000)]]


# ---- what was chosen among the trials of a tuning ----


@with_config(STRICT)
class TuningValues(TypedDict):
    """The budget that was spent; the mIoU is the mean of the chosen setting over the seeds, on val."""

    trials: Count
    failed_trials: Count
    pruned_trials: Count
    hours: NotNegative
    val_miou_percent: Percent | None


@with_config(STRICT)
class TriedSetting(TypedDict):
    """One setting that was tried: its runs' folders, how they ended, and their mIoU on val for each seed."""

    trial: Count
    setting: Annotated[dict[Word, Any], Field(max_length=100)]
    folders: Annotated[list[FileName], Field(max_length=1000)]
    state: Word
    reason: Text
    miou_percent: Annotated[list[Percent], Field(max_length=1000)] | None
    hours: NotNegative


@with_config(STRICT)
class TuningDetails(TypedDict):
    """What was searched (``tune`` of the study), every trial, and the choice; None where all have failed."""

    tune: dict[Word, Any]
    chosen_trial: Count | None
    chosen: Annotated[dict[Word, Any], Field(max_length=100)] | None
    trials: Annotated[list[TriedSetting], Field(max_length=10_000)]


# ---- the record ----


class Record(Part):
    """One measurement; each kind is a subclass below."""

    schema_version: Literal[1] = Field(alias="schema")
    kind: Kind
    id: Annotated[str, Field(pattern=r"^[\w.+-]{1,100}$")]
    run: Run
    config: ConfigText
    values: Mapping[str, Any]
    details: Mapping[str, Any]
    provenance: Provenance


class TrainRecord(Record):
    """The course and the figures of a training."""

    kind: Literal["train"]
    values: TrainValues
    details: TrainDetails


class AccuracyRecord(Record):
    """The accuracy of one run on one split."""

    kind: Literal["accuracy"]
    values: AccuracyValues
    details: AccuracyDetails


class ClassificationRecord(Record):
    """The accuracy of a classifier on one split."""

    kind: Literal["classification"]
    values: ClassificationValues
    details: ClassificationDetails


class CorruptionRecord(Record):
    """The accuracy of one run on one split whose images are corrupted."""

    kind: Literal["corruption"]
    values: AccuracyValues
    details: CorruptionDetails


class ComplexityRecord(Record):
    """The parameters and multiply-adds of a network."""

    kind: Literal["complexity"]
    values: ComplexityValues
    details: ComplexityDetails


class LatencyRecord(Record):
    """The time that a network takes for a batch."""

    kind: Literal["latency"]
    values: LatencyValues
    details: LatencyDetails


class BenchmarkRecord(Record):
    """A comparison of several ways to do the same thing."""

    kind: Literal["benchmark"]
    values: BenchmarkValues
    details: BenchmarkDetails

    @model_validator(mode="after")
    def _says_of_each_way_how_quick_it_is(self) -> BenchmarkRecord:
        ways = self.details.get("ways", {})
        if ways and not {"items", "unit"} <= self.details.keys():
            raise ValueError("details: items and unit are missing beside ways")
        for key in ways.values():
            for name in ("ms_p50", "ratio"):
                value = self.values.get(f"{key}_{name}")
                if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
                    raise ValueError(f"values: {key}_{name} is not a number above 0")
            for name in ("ms_p50_low", "ms_p50_high"):
                value = self.values.get(f"{key}_{name}")
                if isinstance(value, bool) or not isinstance(value, (int, float, type(None))):
                    raise ValueError(f"values: {key}_{name} is not a number")
            if not isinstance(self.values.get(f"{key}_unstable"), bool):
                raise ValueError(f"values: {key}_unstable is neither true nor false")
        return self


class FailureRecord(Record):
    """The reason why a run of a study ended early."""

    kind: Literal["failure"]
    values: FailureValues
    details: FailureDetails


class TuningRecord(Record):
    """What was chosen among the trials of a tuning."""

    kind: Literal["tuning"]
    values: TuningValues
    details: TuningDetails


KINDS: dict[str, type[Record]] = {
    "train": TrainRecord,
    "accuracy": AccuracyRecord,
    "classification": ClassificationRecord,
    "corruption": CorruptionRecord,
    "complexity": ComplexityRecord,
    "latency": LatencyRecord,
    "benchmark": BenchmarkRecord,
    "failure": FailureRecord,
    "tuning": TuningRecord,
}

RECORD: TypeAdapter[Record] = TypeAdapter(
    Annotated[
        TrainRecord
        | AccuracyRecord
        | ClassificationRecord
        | CorruptionRecord
        | ComplexityRecord
        | LatencyRecord
        | BenchmarkRecord
        | FailureRecord
        | TuningRecord,
        Field(discriminator="kind"),
    ]
)
