"""Prediction of images of any kind and size, by our configs and others', and by MMSegmentation's own API."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import LoadImageFromFile
from mmengine.config import Config
from mmengine.runner import Runner
from mmseg.apis import inference_model, init_model
from mmseg.datasets import CityscapesDataset
from mmseg.datasets.transforms import LoadAnnotations, PackSegInputs
from mmseg.registry import MODELS
from PIL import Image

from lednet_mm.config import Choice, load_config
from lednet_mm.datasets.cityscapes import Cityscapes
from lednet_mm.datasets.loading import LoadImage
from lednet_mm.datasets.streets import StreetsDataset
from lednet_mm.errors import InputError
from lednet_mm.evaluation.prediction import Predictor, find_images, plan_pictures

CPU = torch.device("cpu")
PICTURE = np.random.default_rng(0).integers(0, 256, (48, 80, 3), np.uint8)  # BGR
OF_MULTIPLES_OF_8 = Choice("mobilenetv2share", "camvid")


def predictor_of(config: Config, folder: Path) -> Predictor:
    """Return a predictor with random weights."""
    torch.manual_seed(0)
    torch.save({"state_dict": MODELS.build(config.model).state_dict()}, folder / "weights.pth")
    return Predictor(config, folder / "weights.pth", CPU)


@pytest.fixture
def lednet(small_config, tmp_path) -> Predictor:
    return predictor_of(load_config(small_config()), tmp_path)


def test_the_picture_is_what_the_network_saw(lednet, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), PICTURE)
    plain = lednet.predict(tmp_path / "a.png")
    assert plain.ids.shape == PICTURE.shape[:2]
    np.testing.assert_array_equal(plain.image, PICTURE[..., ::-1])
    np.testing.assert_array_equal(lednet(tmp_path / "a.png"), plain.ids)
    cv2.imwrite(str(tmp_path / "b.png"), PICTURE.astype(np.uint16) * 257)
    deep = lednet.predict(tmp_path / "b.png")
    np.testing.assert_array_equal(deep.image, plain.image)
    np.testing.assert_array_equal(deep.ids, plain.ids)


def test_an_orientation_turns_picture_and_prediction(lednet, tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(PICTURE).save(tmp_path / "a.png", exif=exif)
    Image.fromarray(PICTURE).transpose(Image.Transpose.ROTATE_270).save(tmp_path / "upright.png")
    Image.fromarray(PICTURE).save(tmp_path / "stored.png")
    for turned, name in ((True, "upright.png"), (False, "stored.png")):
        ours = lednet.predict(tmp_path / "a.png", upright=turned)
        expected = lednet.predict(tmp_path / name)
        np.testing.assert_array_equal(ours.image, expected.image)
        np.testing.assert_array_equal(ours.ids, expected.ids)


def test_sizes_that_the_network_cannot_take_are_padded(tmp_path):
    config = load_config(OF_MULTIPLES_OF_8, {"model.size_multiple": 1})  # or the model pads by itself
    predictor = predictor_of(config, tmp_path)
    cv2.imwrite(str(tmp_path / "a.png"), PICTURE)
    predictor(tmp_path / "a.png")
    assert predictor.multiple == 1
    cv2.imwrite(str(tmp_path / "odd.png"), PICTURE[:45, :79])
    odd = predictor(tmp_path / "odd.png")
    assert odd.shape == (45, 79)
    assert predictor.multiple > 1
    # What MMSegmentation does with size_divisor.
    config.model.data_preprocessor.test_cfg = {"size_divisor": predictor.multiple}
    theirs = Predictor(config, tmp_path / "weights.pth", CPU)
    np.testing.assert_array_equal(theirs(tmp_path / "odd.png"), odd)
    assert theirs.multiple == 1


def test_an_image_that_is_too_small_is_named(lednet, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((1, 200, 3), np.uint8))
    with pytest.raises(InputError, match=r"a\.png is 200x1: too small"):
        lednet(tmp_path / "a.png")


def test_a_defect_is_not_called_a_matter_of_size(lednet, tmp_path, monkeypatch):
    def broken(*_: object) -> None:
        raise RuntimeError("a defect")

    cv2.imwrite(str(tmp_path / "a.png"), PICTURE)
    monkeypatch.setattr(lednet.model, "predict", broken)
    with pytest.raises(RuntimeError, match="a defect"):
        lednet(tmp_path / "a.png")


def test_one_channel(small_config, tmp_path):
    config = load_config(
        small_config(
            "model = dict(backbone=dict(in_channels=1),"
            " data_preprocessor=dict(mean=[100.0], std=[50.0], bgr_to_rgb=False))",
            "test_dataloader = dict(dataset=dict(pipeline=[dict(type='LoadImage', color_type='grayscale'),"
            " dict(type='LoadLabels'), dict(type='PackSegInputs')]))",
        )
    )
    predictor = predictor_of(config, tmp_path)
    cv2.imwrite(str(tmp_path / "a.png"), PICTURE)
    grey = predictor.predict(tmp_path / "a.png").image
    assert grey.shape == PICTURE.shape
    assert (grey[..., 0] == grey[..., 2]).all()


class TestDatasetsOfOthers:
    """Class names and colours are found without our dataset classes and without the dataset's files."""

    @staticmethod
    def predictor(small_config, tmp_path, dataset: dict) -> Predictor:
        config = load_config(small_config())
        loading = [{"type": "LoadImageFromFile"}, {"type": "LoadAnnotations"}, {"type": "PackSegInputs"}]
        config.test_dataloader.dataset = {"data_root": "nowhere", "pipeline": loading, **dataset}
        return predictor_of(config, tmp_path)

    @pytest.mark.parametrize("wrapper", [None, "RepeatDataset", "ConcatDataset"])
    def test_mmsegs_cityscapes(self, small_config, tmp_path, wrapper):
        dataset = {"type": "CityscapesDataset"}
        if wrapper is not None:
            loading = [{"type": "LoadImageFromFile"}, {"type": "PackSegInputs"}]
            inner = {**dataset, "pipeline": loading}
            config = load_config(small_config())
            inside = {"dataset": inner, "times": 2} if wrapper == "RepeatDataset" else {"datasets": [inner]}
            config.test_dataloader.pop("dataset")
            config.test_dataloader.dataset = {"type": wrapper, **inside}
            predictor = predictor_of(config, tmp_path)
        else:
            predictor = self.predictor(small_config, tmp_path, dataset)
        assert predictor.classes == Cityscapes.METAINFO["classes"]
        assert predictor.palette == StreetsDataset.METAINFO["palette"]
        exif = Image.Exif()
        exif[274] = 6
        Image.fromarray(PICTURE).save(tmp_path / "a.jpg", exif=exif)
        assert predictor(tmp_path / "a.jpg").shape == (80, 48)  # read by ``read_image``

    @pytest.mark.parametrize("scope", [None, "mmseg"])
    def test_types_with_a_scope_and_classes(self, small_config, tmp_path, scope):
        config = load_config(small_config())
        kinds = [LoadImageFromFile, LoadAnnotations, PackSegInputs, CityscapesDataset]
        if scope is not None:  # mmcv's transforms are in no scope
            kinds = ["LoadImageFromFile", *(f"{scope}.{kind.__name__}" for kind in kinds[1:])]
        *loading, dataset = kinds
        pipeline = [{"type": kind} for kind in loading]
        config.test_dataloader.dataset = {"type": dataset, "data_root": "nowhere", "pipeline": pipeline}
        predictor = predictor_of(config, tmp_path)
        assert [type(step) for step in predictor.pipeline.transforms] == [LoadImage, PackSegInputs]
        assert predictor.classes == Cityscapes.METAINFO["classes"]

    @pytest.mark.parametrize(
        ("dataset", "first"),
        [
            ({"type": "BaseSegDataset", "metainfo": {"classes": ("a", "b"), "palette": [[0, 0, 0]]}}, "a"),
            ({"type": "BaseSegDataset", "metainfo": {"classes": ("a", "b")}}, "a"),
            ({"type": "BaseSegDataset"}, "class 0"),
            ({"type": "PascalVOCDataset", "ann_file": "list.txt"}, "background"),
            ({"type": "OfAColleague"}, "class 0"),
        ],
    )
    def test_names_and_colours_are_found_or_made(self, small_config, tmp_path, dataset, first):
        predictor = self.predictor(small_config, tmp_path, dataset)
        assert predictor.classes[0] == first
        assert len(predictor.palette) == len(predictor.classes)


def test_all_images_below_a_folder_and_nothing_else(tmp_path):
    for name in ("a.png", "b/c.JPG", "b/._c.JPG", ".hidden/d.png", "out/a.png", "notes.txt", "e.jp2"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "b/round").symlink_to(tmp_path)
    (tmp_path / "nowhere.png").symlink_to(tmp_path / "gone.png")
    images, others = find_images(tmp_path, leave_out=[tmp_path / "out"])
    assert [path.relative_to(tmp_path).as_posix() for path in images] == ["a.png", "b/c.JPG", "e.jp2"]
    assert [path.name for path in others] == ["notes.txt"]


def test_every_image_gets_a_picture_of_its_own():
    images = [Path("in") / name for name in ("a.jpg", "a.png", "b.png", "c/a.bmp")]
    planned = plan_pictures(images, Path("in"), Path("out"))
    assert [path.as_posix() for path in planned] == [
        "out/a.jpg.png",
        "out/a.png.png",
        "out/b.png",
        "out/c/a.png",
    ]


class TestMMSegmentation:
    """MMSegmentation's own API and tools work with a config of this project."""

    @pytest.fixture
    def trained(self, small_config, tool, tmp_path) -> tuple[Path, Path]:
        config = small_config("train_cfg = dict(max_iters=2, val_interval=2)")
        assert tool("train", config, "--work-dir", tmp_path / "run").status == 0
        return config, tmp_path / "run" / "iter_2.pth"

    @pytest.mark.thorough
    def test_api_and_tools(self, trained, small_streets, tmp_path):
        config, checkpoint = trained
        path = sorted(small_streets.rglob("val/**/*_leftImg8bit.png"))[0]
        ours = Predictor(load_config(config), checkpoint, CPU)(path)
        model = init_model(str(config), str(checkpoint), device="cpu")
        assert model.dataset_meta["classes"] == StreetsDataset.METAINFO["classes"]
        for image in (str(path), cv2.imread(str(path))):
            (result,) = inference_model(model, [image])
            np.testing.assert_array_equal(result.pred_sem_seg.data[0].numpy(), ours)

        # With mmengine's runner, as in MMSegmentation's tools/test.py.
        settings = Config.fromfile(config)
        settings.work_dir, settings.load_from = str(tmp_path / "theirs"), str(checkpoint)
        for split in ("train", "val", "test"):
            settings[f"{split}_dataloader"].update(num_workers=0, persistent_workers=False)
        scores = Runner.from_cfg(settings).test()
        assert set(scores) == {"mIoU", "mAcc", "aAcc", "category_mIoU"}
