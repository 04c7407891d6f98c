"""A dataset of the user's own as one YAML file: the content of this file, and the part of a config it makes.

Nothing here imports PyTorch or MMSegmentation. The data that a card describes are read by
:class:`~lednet_mm.datasets.card_dataset.CardDataset`, which the part of a config names.
"""

from __future__ import annotations

import os
import re
import statistics
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import Annotated, Any

import yaml
from PIL import Image
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    PrivateAttr,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from lednet_mm.datasets.listing import endings_of, paired_files, read_names, read_pairs
from lednet_mm.errors import InputError, suggest
from lednet_mm.files import read_regular
from lednet_mm.text import NAME_RULE, is_name, one_line

LARGEST = 1 << 18
"""The largest card in bytes; a card of 254 classes has about 20,000."""
MOST_CLASSES = 254
"""The largest number of classes: two of a label's 256 values mean "ignored" and "unknown"."""
SAMPLED_IMAGES = 64
"""Number of images, evenly spread over the training split, from which a missing crop size is derived."""
LARGEST_CROP = (512, 1024)
MULTIPLE = 32
"""The sides of images are multiples of this number, so that every network accepts them."""
LONGEST_PATTERN = 200


def _check_name(text: str) -> str:
    if not is_name(text):
        raise ValueError(f"{NAME_RULE}, unlike {text[:100]!r}")
    return text


def _check_folder(text: str) -> str:
    path = PurePath(text)
    if path.is_absolute() or ".." in path.parts or not text.isprintable():
        raise ValueError(f"give a path below root, not {text[:200]!r}")
    return text


def _check_unit(unit: Any) -> str | dict[str, str]:
    """Check the independent unit of a dataset."""
    if unit == "image":
        return "image"
    if not isinstance(unit, dict) or list(unit) != ["sequence"] or not isinstance(unit["sequence"], str):
        raise ValueError("give image, or {sequence: regular expression}")
    pattern = unit["sequence"]
    try:
        groups = re.compile(pattern[: LONGEST_PATTERN + 1]).groups
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"{pattern[:LONGEST_PATTERN]!r} is not a regular expression: {error}") from None
    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"a regular expression of {len(pattern)} characters: give at most {LONGEST_PATTERN}")
    if groups not in (1, 2):
        raise ValueError(
            f"{pattern!r} has {groups} groups: give one, around the part of an image's path that names its "
            "sequence, or a second one around the number of the frame"
        )
    return {"sequence": pattern}


Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Name = Annotated[str, AfterValidator(_check_name)]
Folder = Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(_check_folder)]
Suffix = Annotated[str, StringConstraints(max_length=100)]
Id = Annotated[int, Field(ge=0, le=65535)]
Color = Annotated[list[Annotated[int, Field(ge=0, le=255)]], Field(min_length=3, max_length=3)]
"""Red, green and blue."""
Count = Annotated[int, Field(ge=1, le=100_000_000)]
Size = Annotated[list[Annotated[int, Field(ge=MULTIPLE, le=16384)]], Field(min_length=2, max_length=2)]
"""Height and width in pixels."""


Weights = list[Annotated[FiniteFloat, Field(gt=0)]]
"""One weight for each class."""

_IDS, _COLORS = TypeAdapter(list[Id]), TypeAdapter(list[Color])


class _Part(BaseModel):
    """A part of the file; for an unknown key, the error suggests a known one."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, given: Any) -> Any:
        known = {field.alias or name: field for name, field in cls.model_fields.items()}
        if not isinstance(given, dict):
            raise ValueError(f"give keys and values here ({', '.join(known)})")
        for key in given:
            if key not in known:
                near = suggest(str(key), known) or f"; known here are {', '.join(known)}"
                raise ValueError(f"unknown key {str(key)[:100]!r}{near}")
        for key, field in known.items():
            if field.is_required() and key not in given:
                raise ValueError(f"{key} is missing")
        return given


class Split(_Part):
    """The place of a split's images and labels: two folders, a list of pairs, or folders and a list of names.

    Attributes:
        images: folder of the images, below root.
        labels: folder of the labels, below root.
        listing: ``list`` in the file: a text file, relative to the card; together with folders, it lists the
            names of images.
    """

    images: Folder | None = None
    labels: Folder | None = None
    listing: Annotated[Text | None, Field(alias="list")] = None

    @model_validator(mode="after")
    def _check_whole(self) -> Split:
        if (self.images is None) != (self.labels is None):
            raise ValueError("give images and labels, or a list alone")
        if self.images is None and self.listing is None:
            raise ValueError("give images and labels, or a list")
        return self


class Splits(_Part):
    """The splits; without a test split, the validation split is used for testing."""

    train: Split
    val: Split
    test: Split | None = None


class Extra(_Part):
    """Further training images of any origin, such as generated ones, with labels of the same values.

    Attributes:
        images: folder of the images, below root.
        labels: folder of the labels, below root.
        share: share of the training images that are taken from here, at random.
        root: folder of this data, relative to the card's folder; None is the card's root.
        image_suffix: as in the card, and None is the card's.
        label_suffix: as in the card, and None is the card's.
    """

    images: Folder
    labels: Folder
    share: Annotated[FiniteFloat, Field(gt=0, lt=1)]
    root: Text | None = None
    image_suffix: Suffix | None = None
    label_suffix: Suffix | None = None


class ClassEntry(_Part):
    """A class.

    Attributes:
        name: its name.
        ids: the ids of its pixels in label files.
        color: its colour in pictures (red, green, blue), and in labels, if ``label_colors`` is set.
        other_colors: further colours that it has in labels, if ``label_colors`` is set.
    """

    name: Name
    ids: Annotated[list[Id], Field(min_length=1)] | None = None
    color: Color | None = None
    other_colors: list[Color] = []


class DatasetCard(_Part):
    """A dataset of the user's own: see docs/datasets.md.

    Attributes:
        name: name of the dataset in records and reports.
        root: folder of the data, relative to the card's folder.
        splits: place of the images and labels of each split.
        image_suffix: ending of the stems of images after the name that they share with their labels.
        label_suffix: the same for labels.
        classes: the classes, in the order of the network's outputs.
        ignore: ids of pixels that do not count; colours, if ``label_colors`` is set.
        label_colors: whether labels are pictures in the classes' colours.
        unit: the independent unit: ``"image"``, or ``{"sequence": regular expression}`` with one or two
            groups. The expression is searched for in an image's path below root; its groups are the sequence
            and the number of the frame.
        crop_size: height and width of a training image; images are resized to fit in it. None derives it from
            the images' sizes.
        class_weight: weight of each class; None weighs all classes equally.
        median_weight: weight of each class by median frequency, for recipes that ask for it.
        iterations: number of iterations of a training.
        val_interval: iterations between two validations.
        extra: further training images; None for none.
        get: how a user gets the data, which completes the sentence "get it with ..."; None gives general
            advice.
        train_images: number of training images, for a card whose data may be missing: it is then still part
            of configs, of which the network can be built and measured.
    """

    name: Name
    splits: Splits
    classes: Annotated[list[ClassEntry], Field(min_length=2, max_length=MOST_CLASSES)]
    root: Text = "."
    image_suffix: Suffix = ""
    label_suffix: Suffix = ""
    ignore: list[Any] = []
    label_colors: bool = False
    unit: Annotated[Any, AfterValidator(_check_unit)] = "image"
    crop_size: Size | None = None
    class_weight: Weights | None = None
    median_weight: Weights | None = None
    iterations: Count = 10000
    val_interval: Count = 500
    extra: Extra | None = None
    get: Text | None = None
    train_images: Count | None = None

    _path: Path = PrivateAttr(default=Path())

    @model_validator(mode="after")
    def _check_classes(self) -> DatasetCard:
        what = "color" if self.label_colors else "ids"
        try:
            (_COLORS if self.label_colors else _IDS).validate_python(self.ignore, strict=True)
        except ValidationError as error:
            wanted = (
                "colours ([red, green, blue]), since label_colors is true" if self.label_colors else "ids"
            )
            raise ValueError(f"ignore{_explain(error)}: give {wanted}") from None
        owners: dict[Hashable, str] = {
            tuple(value) if self.label_colors else value: "ignore" for value in self.ignore
        }
        names: set[str] = set()
        for number, entry in enumerate(self.classes):
            where = f"class {number} ({entry.name!r})"
            if entry.name in names:
                raise ValueError(f"{where}: another class has this name")
            names.add(entry.name)
            if self.label_colors and entry.ids is not None:
                raise ValueError(f"{where}: leave ids out, since label_colors is true")
            if not self.label_colors and entry.other_colors:
                raise ValueError(f"{where}: leave other_colors out, since label_colors is false")
            values: list[Any] | None = entry.ids
            if self.label_colors:
                values = [entry.color, *entry.other_colors] if entry.color else []
            if not values:
                why = ", by which labels are read (label_colors is true)" if self.label_colors else ""
                raise ValueError(f"{where}: {what} is missing{why}")
            for value in values:
                key = tuple(value) if isinstance(value, list) else value
                if key in owners:
                    other = owners[key]
                    raise ValueError(
                        f"{where}: {'colour' if self.label_colors else 'id'} {value} is given twice, here "
                        f"and in {other}"
                    )
                owners[key] = where
        weights_given = {"class_weight": self.class_weight, "median_weight": self.median_weight}
        for which, weights in weights_given.items():
            if weights is not None and len(weights) != len(self.classes):
                raise ValueError(f"{which}: {len(weights)} weights for {len(self.classes)} classes")
        return self

    @property
    def palette(self) -> list[list[int]]:
        """The classes' colours; a class without one gets the next free colour of PASCAL VOC's colour map."""
        taken = {tuple(entry.color) for entry in self.classes if entry.color}
        free = (color for color in map(voc_color, range(1, 256)) if tuple(color) not in taken)
        return [entry.color or next(free) for entry in self.classes]

    @property
    def data_root(self) -> Path:
        """The folder of the data, see :meth:`folder`."""
        return self.folder(self.root)

    @property
    def extra_root(self) -> Path:
        """The folder of the further training images."""
        return self.folder(self.extra.root if self.extra and self.extra.root else self.root)

    def folder(self, name: str) -> Path:
        """Return a folder relative to the current one if it is below it, else as an absolute path.

        So a config that is made from the card names the same folder wherever it is made.

        Args:
            name: path of the folder, relative to the card's folder.
        """
        path = Path(os.path.abspath(self._path.parent / name))  # noqa: PTH100  (links stay links)
        here = Path.cwd()
        return path.relative_to(here) if path.is_relative_to(here) else path

    def list_of(self, split: Split) -> Path | None:
        """Return the path of a split's list."""
        return self._path.parent / split.listing if split.listing else None


def voc_color(number: int) -> list[int]:
    """Return a colour of PASCAL VOC's map: each three bits of the number are high bits of the channels."""
    return [
        sum((number >> 3 * level + channel & 1) << 7 - level for level in range(8)) for channel in range(3)
    ]


def read_card(path: str | Path) -> DatasetCard:
    """Read and check a dataset's YAML file.

    Raises:
        InputError: the file cannot be read, its content is wrong, or a folder or list that it names is
            missing.
    """
    path = Path(path)
    try:
        content = yaml.load(read_regular(path, LARGEST), _Loader)
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; `python tools/prepare_dataset.py new IMAGES LABELS --out {path.name}` "
            "drafts one"
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        raise InputError(f"{path} cannot be read: {_describe(error)}") from None
    try:
        card = DatasetCard.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{path}: {_explain(error)}") from None
    card._path = path
    root = card.data_root
    if not root.is_dir():
        if card.train_images is not None and card.crop_size is not None:
            return card  # complete without its data, whose absence is reported where they are read
        raise InputError(f"{path}: root: {root} is not a folder: correct root, relative to this file")
    for name, split in card.splits:
        if split is not None:
            _check_places(card, name, split)
    if card.extra is not None:
        for key, folder in (("images", card.extra.images), ("labels", card.extra.labels)):
            if not (card.extra_root / folder).is_dir():
                raise InputError(
                    f"{path}: extra: {key}: {card.extra_root / folder} is not a folder: correct {key} or root"
                )
    return card


def _check_places(card: DatasetCard, name: str, split: Split) -> None:
    """Check that the files and folders of a split exist.

    Raises:
        InputError: one of them does not exist, or images and labels are the same files.
    """
    where = f"{card._path}: splits.{name}"
    for key, folder in (("images", split.images), ("labels", split.labels)):
        if folder is not None and not (card.data_root / folder).is_dir():
            raise InputError(
                f"{where}: {key}: {card.data_root / folder} is not a folder: correct {key}, or root"
            )
    listing = card.list_of(split)
    if listing is not None and not listing.is_file():
        raise InputError(f"{where}: list: {listing} is not a file: its path is relative to the YAML file")
    if split.images is not None and split.labels is not None:
        same = (card.data_root / split.images).resolve() == (card.data_root / split.labels).resolve()
        if same and card.image_suffix == card.label_suffix:
            raise InputError(
                f"{where}: images and labels are the same files: give label_suffix (such as _mask or .png), "
                "and image_suffix where needed"
            )


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader without duplicate keys, and without aliases, which can make small files huge."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(
                problem="aliases (*name) are not read: write it out", problem_mark=mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen = set()
        for key, _ in node.value:
            if key.value in seen if isinstance(key.value, str) else False:
                raise yaml.MarkedYAMLError(
                    problem=f"{key.value!r} is given twice", problem_mark=key.start_mark
                )
            if isinstance(key.value, str):
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _describe(error: Exception) -> str:
    """Return one line that says why a file is not valid YAML."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        return one_line(f"{f'line {mark.line + 1}: ' if mark else ''}{error.problem or error.context}")[:300]
    return one_line(error)[:300]


def _explain(error: ValidationError) -> str:
    """Return the first fault of a card as one line: where it is, and what it is."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ""
    for part in first["loc"]:
        if isinstance(part, int):
            place += f"[{part}]"
        elif part.isidentifier():  # not pydantic's names of types
            place += f".{part}" if place else part
    reason = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return one_line(f"{place}: {reason}" if place else reason)[:500]


def config_of(card: DatasetCard) -> dict[str, Any]:
    """Return the part of a config that a dataset makes, like the files of configs/_base_/datasets.

    In training, images are resized to fit in the crop size times 0.75 to 2, padded and cropped. In validation
    and testing, they are resized to fit in the crop size, with sides that are multiples of 32, and evaluated
    at the size of their labels.

    Args:
        card: as :func:`read_card` returns it.

    Returns:
        Only literals, so that a resolved config is complete without the card: ``dataset`` (its name),
        ``train_images`` and ``val_images`` (their numbers), ``num_classes``, ``crop_size``, ``class_weight``,
        pipelines, dataloaders and evaluators; ``unit``, ``iterations`` and ``val_interval``.

    Raises:
        InputError: the card has no crop size, and the size of no training image can be read.
    """
    missing = not card.data_root.is_dir()
    images = [] if missing else list(_images(card, card.splits.train))
    number = (card.train_images or 0) if missing else len(images)
    height, width = card.crop_size or _crop_size(card, images)
    fit = {"scale": (width, height), "keep_ratio": True}
    train_pipeline = [
        {"type": "SeedAugmentation"},
        {"type": "LoadImage"},
        {"type": "LoadLabels"},
        {"type": "RandomResize", **fit, "ratio_range": (0.75, 2.0)},
        {"type": "Pad", "size": (width, height), "pad_val": {"img": 0, "seg": 255}},
        {"type": "RandomCrop", "crop_size": (height, width)},
        {"type": "RandomFlip", "prob": 0.5},
        {"type": "PackSegInputs"},
    ]
    test_pipeline = [
        {"type": "LoadImage"},
        {"type": "Resize", **fit},
        {"type": "ResizeToMultiple", "size_divisor": MULTIPLE},
        {"type": "LoadLabels"},  # after resizing, so that labels keep their size for evaluation
        {"type": "PackSegInputs"},
    ]

    train_set = {**_dataset_settings(card, card.splits.train), "pipeline": train_pipeline}
    if card.extra is not None:
        further = {**_extra_settings(card, card.extra), "pipeline": train_pipeline}
        share = card.extra.share
        train_set = {"type": "MixedDataset", "datasets": [train_set, further], "share": share}
        number = round(number / (1 - share))

    def loader(dataset: dict, sampler: dict, batch_size: int) -> dict[str, Any]:
        return {
            "batch_size": batch_size,
            "num_workers": 2,
            "persistent_workers": True,
            "sampler": sampler,
            "dataset": dataset,
        }

    def tested(split: Split) -> dict[str, Any]:
        return {**_dataset_settings(card, split), "pipeline": test_pipeline}

    in_order = {"type": "DefaultSampler", "shuffle": False}
    return {
        "dataset": card.name,
        "train_images": number,
        "val_images": 0 if missing else sum(1 for _ in _images(card, card.splits.val)),
        "num_classes": len(card.classes),
        "crop_size": (height, width),
        "class_weight": card.class_weight,
        "median_weight": card.median_weight,
        "train_pipeline": train_pipeline,
        "test_pipeline": test_pipeline,
        "train_dataloader": loader(train_set, {"type": "ReproducibleSampler"}, 8),
        "val_dataloader": loader(tested(card.splits.val), in_order, 1),
        "test_dataloader": loader(tested(card.splits.test or card.splits.val), in_order, 1),
        "val_evaluator": {"type": "ConfusionMatrixMetric"},
        "test_evaluator": {"type": "ConfusionMatrixMetric"},
        "unit": card.unit,
        "iterations": card.iterations,
        "val_interval": card.val_interval,
    }


def _dataset_settings(card: DatasetCard, split: Split) -> dict[str, Any]:
    """Return the settings of a split's ``CardDataset``."""
    listing = card.list_of(split)
    others = [entry.other_colors for entry in card.classes]
    return {
        "type": "CardDataset",
        "data_root": card.data_root.as_posix(),
        "images": split.images,
        "labels": split.labels,
        "ann_file": Path(os.path.relpath(listing, card.data_root)).as_posix() if listing else "",
        "image_suffix": card.image_suffix,
        "label_suffix": card.label_suffix,
        "metainfo": {"classes": [entry.name for entry in card.classes], "palette": card.palette},
        "ids": None if card.label_colors else [entry.ids for entry in card.classes],
        "ignore": card.ignore,
        "unit": card.unit,
        **({"get": card.get} if card.get else {}),
        **({"other_colors": others} if any(others) else {}),
    }


def _extra_settings(card: DatasetCard, extra: Extra) -> dict[str, Any]:
    """Return the settings of the ``CardDataset`` of further training images, which are independent."""
    changed = {
        "data_root": card.extra_root.as_posix(),
        "images": extra.images,
        "labels": extra.labels,
        "ann_file": "",
        "unit": "image",
    }
    for key, own in (("image_suffix", extra.image_suffix), ("label_suffix", extra.label_suffix)):
        if own is not None:
            changed[key] = own
    return {**_dataset_settings(card, card.splits.train), **changed}


def _crop_size(card: DatasetCard, images: Sequence[Path]) -> tuple[int, int]:
    """Return a crop size: the training images' median size, scaled to fit in 512x1024, as multiples of 32.

    Raises:
        InputError: there are no images, or none of the sampled ones can be read.
    """
    sizes = []
    for path in images[:: max(1, len(images) // SAMPLED_IMAGES)][:SAMPLED_IMAGES]:
        try:
            with Image.open(path) as image:  # reads no more than the header
                sizes.append((image.height, image.width))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            continue  # the check of the dataset reports it
    if not sizes:
        raise InputError(
            f"{card._path}: splits.train: no image has a readable size ({len(images)} files): "
            "correct the split, or give crop_size: [height, width]"
        )
    height, width = (statistics.median_low(side) for side in zip(*sizes, strict=True))
    scale = min(1.0, LARGEST_CROP[0] / height, LARGEST_CROP[1] / width)
    return _down(height * scale), _down(width * scale)


def _down(side: float) -> int:
    return max(MULTIPLE, int(side + 1e-6) // MULTIPLE * MULTIPLE)


def _images(card: DatasetCard, split: Split) -> Iterator[Path]:
    """Yield the paths of a split's images."""
    root, listing = card.data_root, card.list_of(split)
    if split.images is None or split.labels is None:
        assert listing is not None
        yield from (root / image for image, _ in read_pairs(listing))
        return
    endings = endings_of(card.image_suffix)
    images, _ = paired_files(root / split.images, endings, root / split.labels, endings_of(card.label_suffix))
    names: Sequence[str] = read_names(listing, endings) if listing else sorted(images)
    yield from (images[name] for name in names if name in images)
