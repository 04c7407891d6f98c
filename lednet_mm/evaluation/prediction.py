"""Predict images that have no labels."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmcv.transforms import Compose, LoadImageFromFile
from mmengine.config import Config, ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional as F

from lednet_mm.checkpoints.files import load_model
from lednet_mm.datasets.file_kinds import IMAGE_ENDINGS
from lednet_mm.datasets.preparation import classes_of, dataset_settings, without_labels
from lednet_mm.errors import InputError, is_out_of_memory
from lednet_mm.evaluation.certainty import Certainty, certainty, class_ids
from lednet_mm.evaluation.tiling import Tiles
from lednet_mm.files import find_files

MULTIPLES = (1, 2, 4, 8, 16, 32, 64, 128)
"""The multiples to which the sides of an image are padded, tried in order until the network accepts it."""

SMALL = 32
"""Images with a side shorter than this may be too small for a network."""


def find_images(path: str | Path, leave_out: Iterable[str | Path] = ()) -> tuple[list[Path], list[Path]]:
    """Return one image, or all images below a folder, sorted, and the list of other files there.

    Args:
        path: an image or a folder; hidden files and folders below it are left out.
        leave_out: folders that are not entered.

    Raises:
        InputError: the path does not exist, or there is no image.
    """
    path = Path(path)
    if path.is_file():
        return [path], []
    if not path.is_dir():
        raise InputError(f"{path}: no such image or folder")
    files = find_files(path, leave_out=leave_out)
    images = [file for file in files if file.suffix.lower() in IMAGE_ENDINGS]
    if not images:
        raise InputError(f"{path}: there is no image in this folder (looked for {', '.join(IMAGE_ENDINGS)})")
    return images, [file for file in files if file.suffix.lower() not in IMAGE_ENDINGS]


def plan_pictures(images: Sequence[Path], root: Path, out: Path) -> list[Path]:
    """Return the output path of each image's picture: its path below ``root``, in ``out``, as PNG.

    Images that differ only in their ending keep it in the name: ``a.jpg`` and ``a.png`` become ``a.jpg.png``
    and ``a.png.png``.
    """
    names = [image.relative_to(root) for image in images]
    stems = Counter(name.with_suffix("") for name in names)
    return [
        out
        / (
            name.with_suffix(".png")
            if stems[name.with_suffix("")] == 1
            else name.with_name(f"{name.name}.png")
        )
        for name in names
    ]


@dataclass(frozen=True)
class Loaded:
    """An image that is ready to be predicted.

    Attributes:
        results: what the loading step of the pipeline has made of it.
        picture: (H, W, 3) uint8 RGB.
        name: name of the image for messages.
    """

    results: dict[str, Any]
    picture: np.ndarray
    name: str


@dataclass(frozen=True)
class Prediction:
    """A network's prediction for one image.

    Attributes:
        ids: (H, W) uint8 class ids.
        image: (H, W, 3) uint8 RGB, the image that was predicted, before any resize.
        certainty: (H, W) float32 in 0 to 1, see :func:`~lednet_mm.evaluation.certainty.certainty`; None if no
            measure was asked for.
    """

    ids: np.ndarray
    image: np.ndarray
    certainty: np.ndarray | None = None


class ImagePredictor(ABC):
    """The reading of images as a config's test pipeline says, and the classes of its dataset.

    Args:
        config: config of the network, ours or one of MMSegmentation's own; its test pipeline, without the
            loading of labels, prepares the images.

    Attributes:
        model: the config's model, with random weights.
        classes: names of the classes, in the order of their ids.
        palette: (C, 3) RGB colours of the classes.
        own_ids: id that the dataset's own label files have for each class; None if these are the class ids.

    Raises:
        InputError: the config has no test pipeline.
    """

    def __init__(self, config: Config) -> None:
        with DefaultScope.overwrite_default_scope("mmseg"):
            self.model: Any = MODELS.build(config.model)
            dataset = dataset_settings(config)
            self.pipeline = Compose(without_labels(dataset["pipeline"]))
            known = classes_of(dataset, self.model.num_classes)
        self.classes, self.palette, self.own_ids = known.names, known.palette, known.own_ids

    @abstractmethod
    def predict_loaded(self, loaded: Loaded) -> Prediction:
        """Predict an image that was read.

        Raises:
            InputError: the image has a size that cannot be predicted.
        """

    def __call__(self, path: str | Path) -> np.ndarray:
        """Return the class ids of one image, (H, W) uint8 at the image's own size."""
        return self.predict(path).ids

    def predict(self, path: str | Path, *, upright: bool = True) -> Prediction:
        """Read and predict one image; see :meth:`read` for the arguments and errors."""
        return self.predict_loaded(self.read(path, upright=upright))

    def read(self, path: str | Path, *, upright: bool = True) -> Loaded:
        """Read one image.

        Args:
            path: path of the image.
            upright: whether to turn the image as its EXIF orientation says; use False to compare with labels,
                which are drawn on the pixels as they are stored.

        Raises:
            InputError: the image is unreadable.
        """
        # ``LoadImage`` reads a sample with a label as it is stored; the label itself is not read.
        results: Any = {"img_path": str(path), "seg_map_path": None if upright else ""}
        for transform in self.pipeline.transforms[: self._loading + 1]:
            results = transform(results)
        return Loaded(results, _as_rgb(results["img"]), f"image {path}")

    def frame(self, image: np.ndarray, name: str) -> Loaded:
        """Take an image that was decoded elsewhere, such as a frame of a video.

        Args:
            image: (H, W, 3) uint8 BGR.
            name: name of the frame for messages.
        """
        kind = getattr(self.pipeline.transforms[self._loading], "color_type", "color")
        pixels = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if kind.startswith("grayscale") else image
        size = image.shape[:2]
        results = {"img": pixels, "img_path": name, "img_shape": size, "ori_shape": size}
        return Loaded(results, _as_rgb(image), name)

    @property
    def _loading(self) -> int:
        """The place of the step of the pipeline that reads the image."""
        for place, transform in enumerate(self.pipeline.transforms):
            if isinstance(transform, LoadImageFromFile):
                return place
        raise InputError(f"the test pipeline loads no image: {self.pipeline}")


class ScorePredictor(ImagePredictor):
    """A network whose scores are known, and not only the classes.

    Args:
        config: as in :class:`ImagePredictor`.
        tiles: tiles in which each image is predicted; None predicts images whole.
        measure: how certainty is measured, see :func:`~lednet_mm.evaluation.certainty.certainty`; None does
            not measure it.
    """

    def __init__(
        self, config: Config, *, tiles: Tiles | None = None, measure: Certainty | None = None
    ) -> None:
        super().__init__(config)
        self.tiles, self.measure = tiles, measure
        self.threshold = float(getattr(self.model.decode_head, "threshold", None) or 0.5)

    @abstractmethod
    def _whole(self, sample: Any, name: str) -> tuple[Tensor, Tensor | None]:
        """Predict a packed sample at its original size.

        Returns:
            The scores (C, H, W), and the class ids (H, W) if they are known already.
        """

    @torch.inference_mode()
    def predict_loaded(self, loaded: Loaded) -> Prediction:
        """Predict an image that was read, whole or in tiles.

        Raises:
            InputError: the image is too small for the network or for the tiles.
        """
        sample: Any = dict(loaded.results)
        for transform in self.pipeline.transforms[self._loading + 1 :]:
            sample = transform(sample)
        if self.tiles is not None:
            ids, how_certain = self._in_tiles(sample, self.tiles, loaded.name)
        else:
            scores, known = self._whole(sample, loaded.name)
            ids = class_ids(scores, self.threshold) if known is None else known
            how_certain = certainty(scores, self.measure) if self.measure else None
        return Prediction(
            ids.cpu().numpy().astype(np.uint8),
            loaded.picture,
            None if how_certain is None else how_certain.cpu().numpy(),
        )

    def _in_tiles(self, sample: Any, tiles: Tiles, name: str) -> tuple[Tensor, Tensor | None]:
        """Return the class ids of a packed sample, and the certainty if it is measured."""
        image, facts = sample["inputs"], sample["data_samples"]
        tiles.check_fits(image.shape[-2], image.shape[-1], name)
        original = tuple(facts.metainfo.get("ori_shape", image.shape[-2:]))

        def scores_of(tile: Tensor) -> Tensor:
            size = tuple(tile.shape[-2:])
            part = facts.new()
            part.set_metainfo({"img_shape": size, "ori_shape": size, "pad_shape": size})
            return self._whole({"inputs": tile, "data_samples": part}, name)[0]

        strips: Iterable[Tensor] = tiles.strips(image, scores_of)
        if original != tuple(image.shape[-2:]):
            # The pipeline has changed the size, so the scores are resized as those of a whole image are.
            strips = [self._resized(torch.cat(list(strips), 1), original)]
        found = [
            (class_ids(part, self.threshold), certainty(part, self.measure) if self.measure else None)
            for part in strips
        ]
        measured = [part for _, part in found if part is not None]
        return torch.cat([ids for ids, _ in found]), torch.cat(measured) if measured else None

    def _resized(self, scores: Tensor, size: Sequence[int]) -> Tensor:
        """Return scores (C, h, w) at another size, as MMSegmentation resizes them."""
        if tuple(scores.shape[1:]) == tuple(size):
            return scores
        corners = self.model.align_corners
        return F.interpolate(scores[None], size=tuple(size), mode="bilinear", align_corners=corners)[0]


class Predictor(ScorePredictor):
    """A network in PyTorch with the weights of a checkpoint.

    Images of a size that the network does not accept are padded with zeros at the bottom and right to a
    multiple that it accepts, as with MMSegmentation's ``size_divisor``, and their predictions are cropped.

    Args:
        config: as in :class:`ScorePredictor`.
        checkpoint: path of the checkpoint, which is loaded strictly.
        device: device that the network runs on.
        tiles: as in :class:`ScorePredictor`; tiles of the config itself are not used then.
        measure: as in :class:`ScorePredictor`.

    Attributes:
        multiple: number to whose multiples the sides of images are padded; 1 until an image needs padding.

    Raises:
        InputError: the checkpoint is unreadable or belongs to another network, or the config has no test
            pipeline.
    """

    def __init__(
        self,
        config: Config,
        checkpoint: str | Path,
        device: torch.device,
        *,
        tiles: Tiles | None = None,
        measure: Certainty | None = None,
    ) -> None:
        super().__init__(config, tiles=tiles, measure=measure)
        load_model(self.model, checkpoint, config)
        self.model.to(device).eval()
        if tiles is not None:
            self.model.test_cfg = ConfigDict(mode="whole")
        self.multiple = 1

    def _whole(self, sample: Any, name: str) -> tuple[Tensor, Tensor | None]:
        height, width = sample["inputs"].shape[-2:]
        failure: Exception | None = None
        for multiple in (m for m in MULTIPLES if m >= self.multiple):
            if 2 * min(height, width) <= multiple:
                break  # there would be more padding than image
            if multiple > 1:
                self.model.data_preprocessor.test_cfg = {"size_divisor": multiple}
            try:
                # The model changes the sample, so every attempt needs a copy.
                (found,) = self.model.test_step(pseudo_collate([copy.deepcopy(sample)]))
            except (RuntimeError, ValueError, AssertionError) as error:
                if is_out_of_memory(error):
                    raise
                failure = failure or error
                continue
            self.multiple = multiple
            return found.seg_logits.data, found.pred_sem_seg.data[0]
        if failure is not None and min(height, width) >= SMALL:
            raise failure  # the size is not the reason
        raise InputError(f"{name} is {width}x{height}: too small for this network")


class DeployedPredictor(ScorePredictor):
    """A network that another engine runs.

    Args:
        config: as in :class:`ScorePredictor`; its model is built without weights, to learn its outputs.
        network: function that runs the network: (1, C, H, W) float32 from 0 to 255, RGB if there are three
            channels, to logits (1, classes, H, W).
        tiles: as in :class:`ScorePredictor`.
        measure: as in :class:`ScorePredictor`.
    """

    def __init__(
        self,
        config: Config,
        network: Callable[[np.ndarray], np.ndarray],
        *,
        tiles: Tiles | None = None,
        measure: Certainty | None = None,
    ) -> None:
        super().__init__(config, tiles=tiles, measure=measure)
        self.network = network

    def _whole(self, sample: Any, name: str) -> tuple[Tensor, Tensor | None]:
        image = sample["inputs"]
        if image.shape[0] == 3:
            image = image.flip(0)  # pipelines give BGR
        scores = torch.from_numpy(self.network(image[None].float().contiguous().numpy())[0])
        outputs = self.model.out_channels
        if scores.shape[0] != outputs:
            raise InputError(
                f"this file gives {scores.shape[0]} classes, the config's network {outputs}: give the config "
                "with which it was exported"
            )
        if outputs == 1:
            scores = scores.sigmoid()
        original = sample["data_samples"].metainfo.get("ori_shape", scores.shape[1:])
        return self._resized(scores, original), None


class EndToEndPredictor(ImagePredictor):
    """A file that contains the preprocessing too, and gives class ids.

    Args:
        config: as in :class:`ScorePredictor`; its classes give names and colours.
        network: function that runs the file: (H, W, 3) uint8 RGB, or (H, W, 1) grey, to ids (H, W) uint8.
    """

    def __init__(self, config: Config, network: Callable[[np.ndarray], np.ndarray]) -> None:
        super().__init__(config)
        self.network = network

    def predict_loaded(self, loaded: Loaded) -> Prediction:
        """Predict an image that was read."""
        image = loaded.results["img"]
        image = image[:, :, None] if image.ndim == 2 else image[:, :, ::-1]
        return Prediction(self.network(np.ascontiguousarray(image)), loaded.picture)


def _as_rgb(image: np.ndarray) -> np.ndarray:
    """Return a loaded image, BGR or grey, as (H, W, 3) uint8 RGB."""
    if image.dtype == np.uint16:
        image = image >> 8
    picture = np.clip(image, 0, 255).astype(np.uint8)
    if picture.ndim == 2 or picture.shape[2] == 1:
        return cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)
    return np.ascontiguousarray(picture[:, :, 2::-1])
