"""A network from end to end: from the images of a camera to the class of each of their pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.datasets.preparation import Resizing, resizing_of
from lednet_mm.datasets.streets.scene import draw_scene
from lednet_mm.deployment.export import IMAGES, LOGITS, Normalised, annotate, open_session, trace_to_onnx
from lednet_mm.errors import InputError, describe_error

LARGEST_SHARE = 1e-3
"""The largest share of pixels whose class may differ from that of ``tools/predict.py``.

Images are resized as OpenCV does it, to the last bit, so only near ties between two classes may differ.
"""

FRAME_AXES = {"image": {0: "height", 1: "width"}, "ids": {0: "height", 1: "width"}}
"""The axes of a camera's image and of its class ids whose sizes can be free."""


MakeFile = Callable[[Tensor, bool], bytes]
"""Returns the content of a file, image (H, W, C) uint8 -> class ids (H, W) uint8, for an image, and for
whether images of other sizes are to be possible too."""


def resize_as_opencv(images: Tensor, size: tuple[Any, Any]) -> Tensor:
    """Resize images bilinearly with the fixed-point arithmetic of OpenCV's ``resize`` for 8 bits.

    Floating point gives another value (by 1) for an eighth of the pixels. Source: ``resizeGeneric_``,
    ``HResizeLinear`` and ``VResizeLinear`` of github.com/opencv/opencv, modules/imgproc/src/resize.cpp.

    Args:
        images: (N, H, W, C) with whole numbers from 0 to 255, of any type.
        size: height and width of the result; numbers or, where a network is traced, tensors.

    Returns:
        (N, *size, C) int32.
    """
    height, width = images.shape[1:3]
    (left, right), (of_left, of_right) = _taps(width, size[1], images.device, stop_at_edges=True)
    (top, bottom), (of_top, of_bottom) = _taps(height, size[0], images.device, stop_at_edges=False)
    pixels = images.to(torch.int32)
    # A weight has 11 bits, so rows have 19, of which 15 are kept for the product with the next weight.
    rows = pixels[:, :, left] * of_left[:, None] + pixels[:, :, right] * of_right[:, None]
    rows = rows // 16
    upper = rows[:, top] * of_top[:, None, None] // 65536
    lower = rows[:, bottom] * of_bottom[:, None, None] // 65536
    return (upper + lower + 2) // 4


def _taps(
    length: Any, wanted: Any, device: torch.device, *, stop_at_edges: bool
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return the indices of the two pixels that make up each pixel of a resized side, and their weights.

    Args:
        length: length of the side.
        wanted: length of the resized side.
        device: device of the result.
        stop_at_edges: whether an index beyond an edge gives the pixel at the edge the whole weight.

    Returns:
        Indices int64 and weights int32, which are multiples of 1/2048; each has shape (wanted,).
    """
    last = torch.as_tensor(length, device=device) - 1
    step = torch.as_tensor(length, device=device).double() / torch.as_tensor(wanted, device=device).double()
    places = ((torch.arange(wanted, device=device).double() + 0.5) * step - 0.5).float()
    first = places.floor()
    share = places - first
    first = first.long()
    if stop_at_edges:
        share = torch.where((first < 0) | (first >= last), torch.zeros_like(share), share)
    zero = torch.zeros_like(last)
    indices = tuple(torch.minimum(torch.maximum(i, zero), last) for i in (first, first + 1))
    weights = tuple((w * 2048).round().to(torch.int32) for w in (1 - share, share))
    return (indices[0], indices[1]), (weights[0], weights[1])


class FromCamera(nn.Module):
    """A network that takes the images of a camera: it resizes and normalises them, and resizes its logits.

    Args:
        network: normalised images (N, C, h, w) -> logits (N, classes, h, w).
        config: config of the network; its test pipeline and ``data_preprocessor`` prepare the images.
        channels: number of channels of the images: 3 for RGB, 1 for grey.
        align_corners: how the network's segmentor resizes logits.

    Shapes: images (N, H, W, C) uint8 -> logits (N, classes, H, W).

    Raises:
        InputError: the test pipeline does more to an image than resizing it.
    """

    def __init__(self, network: nn.Module, config: Config, channels: int, align_corners: bool) -> None:
        super().__init__()
        self.resizing: Resizing | None = resizing_of(config)
        self.network = Normalised(network, config.model.get("data_preprocessor") or {}, channels)
        self.align_corners = align_corners

    def network_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width at which the network sees an image."""
        return self.resizing.size(height, width) if self.resizing else (height, width)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits at the size of the images."""
        return self.resized(self.network(self.prepared(images)), images)

    def prepared(self, images: Tensor) -> Tensor:
        """Return the images at the size at which the network sees them, (N, C, h, w) from 0 to 255."""
        if self.resizing is not None:
            images = resize_as_opencv(images, self.resizing.size(*images.shape[1:3]))
        return images.permute(0, 3, 1, 2).to(self.network.mean.dtype).contiguous()

    def resized(self, logits: Tensor, images: Tensor) -> Tensor:
        """Return logits at the size of the images, (N, classes, h, w) -> (N, classes, H, W)."""
        if self.resizing is None:
            return logits
        size = images.shape[1:3]
        return F.interpolate(logits, size=size, mode="bilinear", align_corners=self.align_corners)


class CameraIds(nn.Module):
    """The classes that a network finds in the images of a camera.

    Args:
        camera: images (N, H, W, C) uint8 -> logits (N, classes, H, W); a single logit is that of class 1.
        threshold: probability above which a pixel is of class 1 if there is a single logit.

    Shapes: images (N, H, W, C) uint8 -> (N, H, W) uint8.
    """

    def __init__(self, camera: FromCamera, threshold: float = 0.5) -> None:
        super().__init__()
        self.camera, self.threshold = camera, threshold

    def forward(self, images: Tensor) -> Tensor:
        """Return the class ids."""
        return self.classes(self.camera(images))

    def classes(self, logits: Tensor) -> Tensor:
        """Return the class ids of logits, (N, classes, H, W) -> (N, H, W)."""
        if logits.shape[1] == 1:
            return (logits[:, 0].sigmoid() > self.threshold).to(torch.uint8)
        return logits.argmax(1).to(torch.uint8)


class _OneImage(nn.Module):
    """One image without a batch: (H, W, C) uint8 -> (H, W) uint8."""

    def __init__(self, ids: nn.Module) -> None:
        super().__init__()
        self.ids = ids

    def forward(self, image: Tensor) -> Tensor:
        return self.ids(image[None])[0]


class _Before(nn.Module):
    """What comes before the network: images (N, H, W, C) uint8 -> (N, C, h, w), from 0 to 255 or normalised.

    An image without a batch gives a batch of one.
    """

    def __init__(self, camera: FromCamera, normalise: bool) -> None:
        super().__init__()
        self.camera, self.normalise = camera, normalise

    def forward(self, images: Tensor) -> Tensor:
        prepared = self.camera.prepared(images if images.dim() == 4 else images[None])
        return self.camera.network.normalise(prepared) if self.normalise else prepared


class _After(nn.Module):
    """What comes after the network: logits (N, classes, h, w) and images (N, H, W, C) -> ids (N, H, W) uint8.

    An image without a batch gives ids without one.
    """

    def __init__(self, ids: CameraIds) -> None:
        super().__init__()
        self.ids = ids

    def forward(self, logits: Tensor, images: Tensor) -> Tensor:
        batch = images if images.dim() == 4 else images[None]
        ids = self.ids.classes(self.ids.camera.resized(logits, batch))
        return ids if images.dim() == 4 else ids[0]


def traced_whole(ids: CameraIds) -> MakeFile:
    """Return a function that traces a network together with its pre- and postprocessing."""

    def make(image: Tensor, dynamic: bool) -> bytes:
        return trace_to_onnx(_OneImage(ids).eval(), image, dynamic=dynamic, axes=FRAME_AXES)

    return make


def built_around(network: bytes, ids: CameraIds) -> MakeFile:
    """Return a function that puts pre- and postprocessing around an exported network.

    Args:
        network: content of an ONNX file, which may be INT8: images (N, C, H, W) from 0 to 255 -> logits
            (N, classes, H, W).
        ids: pre- and postprocessing; the network in it is not used.
    """

    def make(image: Tensor, dynamic: bool) -> bytes:
        return _built_around(network, ids, image, dynamic, normalise=False, names=("image", "ids"))

    return make


def built_for_timing(network: bytes, ids: CameraIds, images: Tensor) -> bytes:
    """Return an exported network with pre- and postprocessing around it, for camera images of one size.

    Args:
        network: content of an ONNX file, which may be INT8: normalised images (N, C, H, W) -> logits
            (N, classes, H, W).
        ids: pre- and postprocessing; the network in it is not used.
        images: (N, H, W, C) uint8, images of the size.

    Returns:
        The content of a file with the input and output names of an exported network.
    """
    return _built_around(network, ids, images, False, normalise=True, names=(IMAGES, LOGITS))


def _built_around(
    network: bytes, ids: CameraIds, images: Tensor, dynamic: bool, *, normalise: bool, names: tuple[str, str]
) -> bytes:
    before, after = _Before(ids.camera, normalise).eval(), _After(ids).eval()
    with torch.no_grad():
        prepared = before(images)
    (logits,) = open_session(network).run(None, {IMAGES: prepared.numpy()})
    frame = FRAME_AXES["image"]
    inside = {2: "network_height", 3: "network_width"}
    return _joined(
        trace_to_onnx(before, images, dynamic=dynamic, axes={"image": frame, IMAGES: inside}),
        network,
        trace_to_onnx(
            after,
            torch.from_numpy(logits),
            images,
            dynamic=dynamic,
            axes={LOGITS: {1: "classes", **inside}, "image": frame, "ids": FRAME_AXES["ids"]},
        ),
        names,
    )


def _joined(before: bytes, network: bytes, after: bytes, names: tuple[str, str]) -> bytes:
    """Return three files as one; the last of them may take the image of the first as well as the logits.

    ``names`` are the names of its input and its output.
    """
    import onnx
    from onnx import compose

    parts = [
        compose.add_prefix(onnx.load_from_string(content), f"{name}/")
        for name, content in (("before", before), ("network", network), ("after", after))
    ]
    for part in parts:
        part.ir_version = max(other.ir_version for other in parts)
        # The sizes inside the network have the names of those of the image, so they cannot be kept.
        del part.graph.value_info[:]
    model = compose.merge_models(parts[0], parts[1], [(f"before/{IMAGES}", f"network/{IMAGES}")])
    model = compose.merge_models(model, parts[2], [(f"network/{LOGITS}", f"after/{LOGITS}")])
    graph = model.graph
    final = dict(zip(("before/image", "after/image", "after/ids"), (names[0], *names), strict=True))
    for node in graph.node:
        node.input[:] = [final.get(name, name) for name in node.input]
        node.output[:] = [final.get(name, name) for name in node.output]
    kept = [value for value in graph.input if value.name == "before/image"]
    del graph.input[:]
    graph.input.extend(kept)
    for value in (*graph.input, *graph.output):
        value.name = final[value.name]
    return model.SerializeToString()


@dataclass(frozen=True)
class CameraExport:
    """The result of an export from end to end.

    Attributes:
        content: content of the ONNX file.
        dynamic: whether it accepts images of any height and width.
        differing: largest share of pixels with another class than expected.
        sizes: (H, W) of the images that were compared.
        obstacle: why height and width are fixed; None if they are free.
    """

    content: bytes
    dynamic: bool
    differing: float
    sizes: tuple[tuple[int, int], ...]
    obstacle: str | None


def export_camera(
    make: MakeFile,
    *,
    shape: tuple[int, int],
    channels: int,
    expected: Callable[[np.ndarray], np.ndarray],
    metadata: Mapping[str, str],
) -> CameraExport:
    """Make an ONNX file from end to end, and compare its classes with those of a separate prediction.

    Height and width are free if the file is right for an image of another size too.

    Args:
        make: function that makes the file, see :func:`traced_whole` and :func:`built_around`.
        shape: (height, width) of the first image that is compared, and of a fixed export.
        channels: number of channels of the images.
        expected: function that predicts an image: (H, W, 3) uint8 BGR -> ids (H, W).
        metadata: entries of the file's ``metadata_props``.

    Raises:
        InputError: an operator cannot be exported, or more than :data:`LARGEST_SHARE` of the pixels differ.
    """
    height, width = shape
    obstacle = None
    for dynamic in (True, False):
        compared = [shape, (width, height) if height != width else (height, 2 * width)]
        try:
            first = torch.from_numpy(_as_input(picture(*shape), channels))
            content = make(first, dynamic)
            session = open_session(content)
            sizes = tuple(compared if dynamic else compared[:1])
            differing = 0.0
            for size in sizes:
                image = picture(*size)
                (found,) = session.run(None, {"image": _as_input(image, channels)})
                wished = expected(image)
                if found.shape != wished.shape:
                    raise ValueError(f"ids have shape {found.shape}, expected {wished.shape}")
                differing = max(differing, float((found != wished).mean()))
        except InputError as fault:
            obstacle = str(fault)
            continue
        except Exception as fault:  # exporter and runtime raise classes that depend on their versions
            obstacle = describe_error(fault)
            continue
        if differing <= LARGEST_SHARE:
            content = annotate(content, {**metadata, "dynamic": str(dynamic).lower()})
            return CameraExport(content, dynamic, differing, sizes, None if dynamic else obstacle)
        obstacle = (
            f"{differing:.2%} of the pixels have another class than tools/predict.py gives them (at most "
            f"{LARGEST_SHARE:.2%} may)"
        )
    raise InputError(f"not exported: {obstacle}")


def picture(height: int, width: int) -> np.ndarray:
    """Return the generated street on which files are compared, the same in every run: (H, W, 3) uint8 BGR."""
    return draw_scene(np.random.default_rng(0), (height, width))[0]


def _as_input(image: np.ndarray, channels: int) -> np.ndarray:
    """Return an image as a file takes it: (H, W, 3) BGR -> (H, W, 3) RGB, or (H, W, 1) grey."""
    if channels == 1:
        return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[:, :, None]
    if channels != 3:
        raise InputError(f"end to end: images of {channels} channels are not those of a camera")
    return np.ascontiguousarray(image[:, :, ::-1])


def describe_camera(camera: FromCamera, channels: int) -> dict[str, str]:
    """Return the entries of a file's description that differ from those of a network alone."""
    inside = camera.resizing or "that of the image"
    kind = "grey image (H, W, 1)" if channels == 1 else "RGB image (H, W, 3)"
    return {
        "input": f"{kind}, uint8; the graph resizes and normalises it",
        "network_size": str(inside),
        "output": "class ids (H, W), uint8, at the size of the image",
    }
