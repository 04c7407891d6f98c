"""Each fault of the data ends in one line that names the file."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import DATASETS, TRANSFORMS
from PIL import Image

import lednet_mm.register  # noqa: F401
from lednet_mm.datasets.camvid import CamVidDataset
from lednet_mm.datasets.loading import LoadImage, LoadLabels, RandomTranslate, read_ids, read_image
from lednet_mm.errors import InputError
from tests.datasets.small_sets import HEIGHT, WIDTH, make_camvid, write_png

LOAD = [{"type": "LoadImage"}, {"type": "LoadLabels"}]
RESIZE = {"type": "Resize", "scale": (16, 12), "keep_ratio": False}


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    return make_camvid(tmp_path / "camvid")


def first_sample(root: Path, pipeline: list | None = None, **kwargs) -> dict:
    return CamVidDataset(data_root=str(root), pipeline=pipeline or LOAD, **kwargs)[0]


def fault(root: Path, pipeline: list | None = None) -> str:
    """Return the one line in which loading the first training sample ends."""
    with pytest.raises(InputError) as caught:
        first_sample(root, pipeline)
    line = str(caught.value)
    assert "\n" not in line
    assert "train_000.png" in line
    return line


def test_a_good_sample_is_what_mmseg_would_load(camvid: Path) -> None:
    sample = first_sample(camvid)
    image = cv2.imread(str(camvid / "train/train_000.png"))
    ids = cv2.imread(str(camvid / "trainannot/train_000.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(sample["img"], image)
    np.testing.assert_array_equal(sample["gt_seg_map"], np.where(ids == 11, 255, ids))
    assert sample["gt_seg_map"].dtype == np.uint8
    assert sample["seg_fields"] == ["gt_seg_map"]
    assert sample["img_shape"] == sample["ori_shape"] == (HEIGHT, WIDTH)
    theirs = first_sample(camvid, [{"type": "LoadImageFromFile"}, {"type": "LoadAnnotations"}])
    assert theirs.keys() == sample.keys()
    np.testing.assert_array_equal(theirs["gt_seg_map"], sample["gt_seg_map"])


def test_loading_is_registered_and_stands_in_for_mmsegs() -> None:
    for name in ("LoadImage", "LoadLabels", "RandomTranslate", "SeedAugmentation"):
        assert TRANSFORMS.get(name) is not None
    for name in ("CamVidDataset", "Cityscapes", "StreetsDataset"):
        assert DATASETS.get(name) is not None
    assert issubclass(LoadLabels, LoadAnnotations)


@pytest.mark.parametrize("kept", [0, 10, 200, 0.5, -20, -5])
def test_damaged_image(camvid: Path, kept: float) -> None:
    path = camvid / "train/train_000.png"
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data)) if isinstance(kept, float) else kept])
    line = fault(camvid)
    assert "image" in line
    assert ("empty" if kept == 0 else "truncated") in line


@pytest.mark.parametrize("kept", [0, 10, 60, 0.5, -20])
def test_damaged_label(camvid: Path, kept: float) -> None:
    path = camvid / "trainannot/train_000.png"
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data)) if isinstance(kept, float) else kept])
    line = fault(camvid)
    assert "label" in line
    assert "unreadable" in line


def test_flipped_byte_in_a_label_is_noticed(camvid: Path) -> None:
    path = camvid / "trainannot/train_000.png"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    assert "unreadable" in fault(camvid)


def test_garbage_label(camvid: Path) -> None:
    (camvid / "trainannot/train_000.png").write_text("no image")
    assert "unreadable" in fault(camvid)


def test_colour_label(camvid: Path) -> None:
    write_png(camvid / "trainannot/train_000.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    assert "not an 8-bit image of class ids" in fault(camvid)


def test_palette_label_is_read_as_ids(camvid: Path) -> None:
    ids = np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH) % 11
    image = Image.fromarray(ids)
    image.putpalette(bytes(range(256)) * 3)
    image.save(camvid / "trainannot/train_000.png")
    np.testing.assert_array_equal(first_sample(camvid)["gt_seg_map"], ids)


def test_missing_label_and_missing_image(camvid: Path) -> None:
    dataset = CamVidDataset(data_root=str(camvid), pipeline=LOAD)
    (camvid / "trainannot/train_000.png").unlink()
    with pytest.raises(InputError, match=r"label .*train_000\.png is missing"):
        dataset[0]
    (camvid / "train/train_000.png").unlink()
    with pytest.raises(InputError, match=r"image .*train_000\.png is missing"):
        dataset[0]


@pytest.mark.parametrize(
    "pipeline",
    [
        pytest.param([*LOAD, RESIZE], id="train"),
        pytest.param([LOAD[0], RESIZE, LOAD[1]], id="val"),
    ],
)
@pytest.mark.parametrize("size", [(HEIGHT, WIDTH + 1), (WIDTH, HEIGHT), (12, 16)])
def test_label_of_another_size(camvid: Path, pipeline: list, size: tuple[int, int]) -> None:
    write_png(camvid / "trainannot/train_000.png", np.zeros(size, np.uint8))
    line = fault(camvid, pipeline)
    assert f"{size[1]}x{size[0]}" in line
    assert f"{WIDTH}x{HEIGHT}" in line


@pytest.mark.parametrize("bad", [12, 15, 200, 254])
def test_id_out_of_range(camvid: Path, bad: int) -> None:
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    ids[3, 4] = bad
    ids[5, 6] = 255
    write_png(camvid / "trainannot/train_000.png", ids)
    assert f"[{bad}]" in fault(camvid)


def test_the_first_id_that_is_no_class(tmp_path: Path) -> None:
    results = {"num_classes": 19, "label_map": None, "ori_shape": (1, 3), "reduce_zero_label": False}
    for last, fits in ((18, True), (19, False)):
        write_png(tmp_path / "label.png", np.array([[0, 255, last]], np.uint8))
        sample = {**results, "seg_map_path": str(tmp_path / "label.png"), "seg_fields": []}
        if fits:
            assert LoadLabels()(sample)["gt_seg_map"].tolist() == [[0, 255, 18]]
        else:
            with pytest.raises(InputError, match=r"ids \[19\]"):
                LoadLabels()(sample)


def test_label_after_resize_keeps_its_size(camvid: Path) -> None:
    sample = first_sample(camvid, [LOAD[0], RESIZE, LOAD[1]])
    assert sample["img"].shape == (12, 16, 3)
    assert sample["gt_seg_map"].shape == (HEIGHT, WIDTH)


def test_subset_of_classes(camvid: Path) -> None:
    sample = first_sample(camvid, metainfo={"classes": ("road", "car")})
    ids = cv2.imread(str(camvid / "trainannot/train_000.png"), cv2.IMREAD_UNCHANGED)
    expected = np.full_like(ids, 255)
    expected[ids == 3], expected[ids == 8] = 0, 1
    np.testing.assert_array_equal(sample["gt_seg_map"], expected)


def test_translation_is_the_authors() -> None:
    image = np.arange(1, 5 * 6 * 3 + 1, dtype=np.uint8).reshape(5, 6, 3)
    labels = np.arange(30, dtype=np.uint8).reshape(5, 6)
    seen = set()
    np.random.seed(0)
    for _ in range(200):
        results = {"img": image, "gt_seg_map": labels, "seg_fields": ["gt_seg_map"]}
        moved = RandomTranslate(max_shift=2)(results)
        down, right = np.argwhere(moved["gt_seg_map"] == 0)[0]
        seen.add((int(down), int(right)))
        # The authors pad with ImageOps.expand(border=(x, y, 0, 0)) and crop to the first size.
        expected = np.pad(labels, ((down, 0), (right, 0)), constant_values=255)[:5, :6]
        np.testing.assert_array_equal(moved["gt_seg_map"], expected)
        np.testing.assert_array_equal(moved["img"], np.pad(image, ((down, 0), (right, 0), (0, 0)))[:5, :6])
    assert seen == {(down, right) for down in range(3) for right in range(3)}


def test_missing_image_is_named() -> None:
    with pytest.raises(InputError, match=r"image nowhere\.png is missing"):
        LoadImage()({"img_path": "nowhere.png"})


def encoded(array: np.ndarray, ending: str = ".png") -> bytes:
    return cv2.imencode(ending, array)[1].tobytes()


def saved(image: Image.Image, form: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


COLOURS = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)  # BGR
PICTURE = Image.fromarray(COLOURS[..., ::-1])
GREY = np.asarray(PICTURE.convert("L"))
AS_GREY = np.repeat(GREY[..., None], 3, axis=2)


TURNS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How EXIF's orientations are put upright, as Pillow names it."""


class TestReadImage:
    """Every kind of image gives the pixels from which it was made."""

    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            pytest.param(encoded(COLOURS), COLOURS, id="8 bits"),
            pytest.param(encoded(COLOURS.astype(np.uint16) * 257), COLOURS, id="16 bits"),
            pytest.param(encoded(COLOURS.astype(np.uint16) * 257, ".tif"), COLOURS, id="16-bit TIFF"),
            pytest.param(encoded(GREY), AS_GREY, id="grey"),
            pytest.param(encoded(GREY.astype(np.uint16) * 257), AS_GREY, id="16-bit grey"),
            pytest.param(saved(PICTURE.convert("LA"), "PNG"), AS_GREY, id="grey with alpha"),
            pytest.param(encoded(np.dstack([COLOURS, GREY])), COLOURS, id="alpha"),
            pytest.param(saved(PICTURE.convert("CMYK"), "TIFF"), COLOURS, id="CMYK"),
            pytest.param(encoded(COLOURS.astype(np.float32) / 255, ".tif"), COLOURS, id="float"),
            pytest.param(encoded(GREY.astype(np.float64) / 255, ".tif"), AS_GREY, id="grey double"),
            pytest.param(
                saved(PICTURE.quantize(16), "PNG"),
                np.asarray(PICTURE.quantize(16).convert("RGB"))[..., ::-1],
                id="palette",
            ),
            pytest.param(
                saved(PICTURE.convert("1"), "PNG"),
                np.repeat(np.asarray(PICTURE.convert("1"))[..., None] * np.uint8(255), 3, axis=2),
                id="1 bit",
            ),
        ],
    )
    def test_kinds(self, tmp_path: Path, data: bytes, expected: np.ndarray) -> None:
        (tmp_path / "a").write_bytes(data)
        image = read_image(tmp_path / "a")
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(image, expected)
        grey = read_image(tmp_path / "a", "grayscale")
        assert grey.shape == expected.shape[:2]
        assert (
            abs(grey.astype(int) - cv2.cvtColor(np.ascontiguousarray(expected), cv2.COLOR_BGR2GRAY)).max()
            <= 1
        )

    @pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_orientation_counts_where_there_is_no_label(
        self, tmp_path: Path, form: str, orientation: int
    ) -> None:
        exif = Image.Exif()
        exif[274] = orientation
        (tmp_path / "a").write_bytes(saved(PICTURE, form, exif=exif))
        picture = Image.open(io.BytesIO(saved(PICTURE, form))).convert("RGB")
        turn = TURNS[orientation]
        stored, turned = (
            np.asarray(p)[..., ::-1] for p in (picture, picture if turn is None else picture.transpose(turn))
        )
        sample = {"img_path": str(tmp_path / "a")}
        for results, expected in ((sample, turned), ({**sample, "seg_map_path": "label.png"}, stored)):
            loaded = LoadImage()(results)
            assert loaded["ori_shape"] == expected.shape[:2]
            assert abs(loaded["img"].astype(int) - expected).max() <= 3  # two decoders of JPEG

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (b"RIFF\0\0\0\0AVI LIST", "is a video (AVI), not an image: extract its frames"),
            (b"\0\0\0\x18ftypmp42", "is a video (MP4 or MOV)"),
            (b"\0\0\0\x18ftypheic", "is a HEIC photo"),
            (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
            (b"\0\5\x16\7\0", "macOS"),
            (b"<svg xmlns=", "text"),
            (b"what is this", "not in a known image format"),
            (encoded(COLOURS)[:200], "a damaged or truncated PNG"),
            (saved(PICTURE.resize((200, 200)), "JPEG")[:-400], "a damaged or truncated JPEG"),
            (encoded(COLOURS.astype(np.float32), ".tif"), "floating-point numbers from 0 to 255: scale"),
            (encoded(np.full((4, 4), np.nan, np.float32), ".tif"), "numbers from nan to nan"),
            (saved(Image.fromarray(GREY.astype(np.int32)), "TIFF"), "numbers of type int32"),
        ],
    )
    def test_what_was_seen_is_said(self, tmp_path: Path, data: bytes, words: str) -> None:
        (tmp_path / "a.png").write_bytes(data)
        with pytest.raises(InputError) as caught:
            read_image(tmp_path / "a.png")
        assert words in str(caught.value)
        assert "a.png" in str(caught.value)

    def test_mmcvs_arguments(self, tmp_path: Path) -> None:
        path = tmp_path / "a.png"
        path.write_bytes(encoded(COLOURS))
        assert LoadImage(to_float32=True)({"img_path": str(path)})["img"].dtype == np.float32
        pillow = LoadImage(imdecode_backend="pillow", backend_args={"backend": "local"})
        np.testing.assert_array_equal(pillow({"img_path": str(path)})["img"], COLOURS)
        assert LoadImage(ignore_empty=True)({"img_path": "nowhere.png"}) is None
        with pytest.raises(InputError, match="color_type='colour' is not one of"):
            LoadImage(color_type="colour")


def label(folder: Path, image: Image.Image, name: str = "label.png", **more) -> dict:
    image.save(folder / name)
    return {"seg_map_path": str(folder / name), "seg_fields": [], **more}


def test_ids_of_other_depths(tmp_path: Path) -> None:
    ids = GREY % 11
    for depth, ending in ((np.uint16, ".png"), (np.uint16, ".tif"), (np.int32, ".tif")):
        sample = label(tmp_path, Image.fromarray(ids.astype(depth)), f"label{ending}")
        np.testing.assert_array_equal(LoadLabels()(sample)["gt_seg_map"], ids)
    mask = LoadLabels()(label(tmp_path, Image.fromarray(ids > 5)))["gt_seg_map"]
    np.testing.assert_array_equal(mask, ids > 5)
    with pytest.raises(InputError, match="ids from 0 to 2560"):
        LoadLabels()(label(tmp_path, Image.fromarray(ids.astype(np.uint16) * 256)))
    with pytest.raises(InputError, match="JPEG, whose compression changes ids"):
        LoadLabels()(label(tmp_path, Image.fromarray(ids), "label.jpg"))


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_labels_are_read_as_stored(tmp_path: Path, form: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    ids = GREY % 11
    (tmp_path / "label").write_bytes(saved(Image.fromarray(ids), form, exif=exif))
    np.testing.assert_array_equal(read_ids(tmp_path / "label"), ids)


@pytest.mark.thorough
def test_a_label_of_a_satellites_size(tmp_path: Path) -> None:
    ids = np.zeros((13400, 13400), np.uint8)  # Pillow refuses from 179 megapixels
    ids[-1, -1] = 3
    assert read_ids(label(tmp_path, Image.fromarray(ids))["seg_map_path"])[-1, -1] == 3


@pytest.mark.parametrize("label_map", [None, {0: 255, 1: 0, 2: 255}])
def test_reduce_zero_label_is_mmsegs(tmp_path: Path, label_map: dict | None) -> None:
    ids = np.array([[0, 1, 2, 254, 255], [3, 3, 3, 3, 0]], np.uint8)
    results = label(tmp_path, Image.fromarray(ids), reduce_zero_label=True, label_map=label_map)
    ours = LoadLabels()({**results, "seg_fields": []})["gt_seg_map"]
    np.testing.assert_array_equal(ours, LoadAnnotations()(results)["gt_seg_map"])
    with pytest.warns(UserWarning, match="deprecated"):
        contradicting = LoadLabels(reduce_zero_label=False)
    with pytest.raises(InputError, match="reduce_zero_label is False in LoadLabels"):
        contradicting({**results, "seg_fields": []})


def test_an_image_to_predict_has_no_label() -> None:
    assert LoadLabels()({"img_path": "a.png"}) == {"img_path": "a.png"}
