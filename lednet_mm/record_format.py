"""The format of records: what each kind of measurement keeps, and within which bounds.

This is its one definition. A record is checked against it when it is written and again when it is read, as a
file may have been damaged, or edited by hand, in between. Keys of ``values`` carry their unit, ``details``
hold what the values follow from, ``None`` stands for what could not be measured, and a key that is
``NotRequired`` may be missing. Keys that are not named here are refused, except in the details of a
benchmark.
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
from lednet_mm.text import NAME_LENGTH, NAME_RULE, is_name

SCHEMA: Literal[1] = 1
Kind = Literal["train", "accuracy", "corruption", "complexity", "latency", "benchmark", "failure"]

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
    datetime.datetime.fromisoformat(text)  # a ValueError for the 30th of February
    return text


Name = Annotated[str, AfterValidator(_check_name)]
"""It becomes part of the names of folders and files."""
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
Point = Annotated[tuple[Count, Percent | None], Field(strict=False)]  # a list in JSON


class Part(BaseModel):
    """A part of a record that cannot change and has no other keys than these."""

    model_config = STRICT


def one_or_several(value: Any) -> Any:
    """Return a list of one thing where a field that takes several is given one."""
    return value if isinstance(value, (list, tuple)) else [value]


class Run(Part):
    """Which run a measurement belongs to; ``variant`` is ``baseline`` where nothing is changed."""

    network: Name
    dataset: Name
    variant: Name = "baseline"
    seed: Seed | None = None
    study: Name | None = None


class ConfigText(Part):
    """The resolved config, as literals of Python that are never executed, and its sha256."""

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
    """How a training went; "this session" is since it was last resumed."""

    iterations: Count
    epochs: NotRequired[NotNegative]
    loss: NotRequired[FiniteFloat | None]
    seconds_this_session: NotRequired[NotNegative]
    training_seconds_this_session: NotRequired[NotNegative]
    iterations_this_session: NotRequired[Count]
    images_per_second: NotRequired[NotNegative | None]
    peak_memory_bytes: NotRequired[Count | None]
    processes: NotRequired[Size]


@with_config(STRICT)
class InitialWeights(TypedDict):
    """A file of weights that a training began from.

    Names of tensors are the network's; of the file's tensors that it has no place for, only the number is
    kept. Counters of batch normalisation are not counted.
    """

    file: Word
    sha256: Word
    tensors_loaded: Count
    of_another_shape: Words
    not_in_the_file: Words
    not_in_the_network: Count


@with_config(STRICT)
class TrainDetails(TypedDict):
    """``validation_curve_miou_percent`` has points [iteration, mIoU].

    ``ranges`` says what applied to which iterations, ``from`` to ``to``, of a run that was resumed.
    ``began_from`` is None where the weights were random at first, or came from ``init_cfg`` of the config.
    """

    validation_curve_miou_percent: NotRequired[Annotated[list[Point], FailFast()]]
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
class AccuracyDetails(TypedDict):
    """What the scores follow from: everything in ``values`` can be computed again from its counts.

    ``differs`` says where the config differs from the one that the weights were trained under.
    """

    split: Name
    images: NotRequired[Count]
    class_iou_percent: NotRequired[Annotated[dict[Word, Percent | None], Field(max_length=256)]]
    absent_classes: NotRequired[Annotated[list[Word], Field(max_length=256)]]
    per_image_names: NotRequired[Words]
    per_image_confusion: NotRequired[PackedMatrices]
    per_image_calibration: NotRequired[PackedCounts]
    per_image_boundary: NotRequired[PackedCounts]
    per_image_object_size: NotRequired[PackedCounts]
    checkpoint: NotRequired[FileName | None]
    tta: NotRequired[bool]
    differs: NotRequired[Annotated[list[Text], Field(max_length=1000)]]


@with_config(STRICT)
class CorruptionDetails(AccuracyDetails):
    """Which corruption the images had; see :mod:`lednet_mm.evaluation.corruptions`."""

    corruption: Name
    severity: Annotated[int, Field(ge=1, le=5)]
    library: NotRequired[Word]


# ---- size and arithmetic of a network ----


@with_config(STRICT)
class ComplexityValues(TypedDict):
    """Trainable parameters in inference and in training, multiply-adds of one image."""

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
    """Percentiles over the samples, and with a roofline what was reached of it."""

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
    """What a network must compute and move, and what its device reached (``lednet_mm.counting.roofline``)."""

    operations: Annotated[int, Field(ge=1, le=INT64)]
    minimum_bytes: Annotated[int, Field(ge=1, le=INT64)]
    operator_bytes: NotRequired[Count]
    ceilings: Annotated[dict[Word, Positive], Field(max_length=20), AfterValidator(_check_ceilings)]


@with_config(STRICT)
class LatencyDetails(TypedDict):
    """Under which condition it was taken, and every sample."""

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
    unstable_because: NotRequired[list[Text]]
    samples_ms: NotRequired[Samples]
    roofline: NotRequired[Roofline]
    interleaved_with: NotRequired[list[Word]]


# ---- a benchmark of this project's own parts ----

BenchmarkValues = dict[Word, bool | int | FiniteFloat | None]


@with_config(OPEN)
class BenchmarkDetails(TypedDict):
    """Ways to do one thing: name -> key, with which its ``values`` begin. Other details are free."""

    ways: NotRequired[Annotated[dict[Word, Word], Field(max_length=1000)]]
    items: NotRequired[Size]
    unit: NotRequired[Word]
    samples_ms: NotRequired[dict[Word, Annotated[list[NotNegative], FailFast(), Field(min_length=1)]]]


# ---- why a run of a study ended early ----


@with_config(STRICT)
class FailureValues(TypedDict):
    """It stands until a newer record of the run follows."""

    reason: Text
    exit_status: NotRequired[Annotated[int, Field(ge=-(1 << 31), lt=1 << 31)] | None]
    last_checkpoint: NotRequired[FileName | None]


@with_config(STRICT)
class FailureDetails(TypedDict):
    """The end of the run's log."""

    log_tail: NotRequired[Annotated[list[str], FailFast(), Field(max_length=10_000)]]


# ---- the record ----


class Record(Part):
    """One measurement. Each kind is a class of its own, below."""

    schema_version: Literal[1] = Field(alias="schema")
    kind: Kind
    id: Annotated[str, Field(pattern=r"^[\w.+-]{1,100}$")]
    run: Run
    config: ConfigText
    values: Mapping[str, Any]
    details: Mapping[str, Any]
    provenance: Provenance


class TrainRecord(Record):
    """How a training went."""

    kind: Literal["train"]
    values: TrainValues
    details: TrainDetails


class AccuracyRecord(Record):
    """The accuracy of one run on one split."""

    kind: Literal["accuracy"]
    values: AccuracyValues
    details: AccuracyDetails


class CorruptionRecord(Record):
    """The accuracy of one run on one split whose images are corrupted."""

    kind: Literal["corruption"]
    values: AccuracyValues
    details: CorruptionDetails


class ComplexityRecord(Record):
    """Size and arithmetic of a network."""

    kind: Literal["complexity"]
    values: ComplexityValues
    details: ComplexityDetails


class LatencyRecord(Record):
    """How long a network takes for a batch."""

    kind: Literal["latency"]
    values: LatencyValues
    details: LatencyDetails


class BenchmarkRecord(Record):
    """How ways to do one thing compare."""

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
                    raise ValueError(f"values: {key}_{name} is no number above 0")
            for name in ("ms_p50_low", "ms_p50_high"):
                value = self.values.get(f"{key}_{name}")
                if isinstance(value, bool) or not isinstance(value, (int, float, type(None))):
                    raise ValueError(f"values: {key}_{name} is no number")
            if not isinstance(self.values.get(f"{key}_unstable"), bool):
                raise ValueError(f"values: {key}_unstable is neither true nor false")
        return self


class FailureRecord(Record):
    """Why a run of a study ended early."""

    kind: Literal["failure"]
    values: FailureValues
    details: FailureDetails


KINDS: dict[str, type[Record]] = {
    "train": TrainRecord,
    "accuracy": AccuracyRecord,
    "corruption": CorruptionRecord,
    "complexity": ComplexityRecord,
    "latency": LatencyRecord,
    "benchmark": BenchmarkRecord,
    "failure": FailureRecord,
}

RECORD: TypeAdapter[Record] = TypeAdapter(
    Annotated[
        TrainRecord
        | AccuracyRecord
        | CorruptionRecord
        | ComplexityRecord
        | LatencyRecord
        | BenchmarkRecord
        | FailureRecord,
        Field(discriminator="kind"),
    ]
)
