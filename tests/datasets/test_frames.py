"""The images that belong together, by the names of known datasets' files, and as records keep them."""

from pathlib import Path

import pytest

from lednet_mm.datasets.camvid import CamVidDataset
from lednet_mm.datasets.cityscapes import Cityscapes
from lednet_mm.datasets.frames import SEQUENCES, frames_of_names, recorded_frames
from lednet_mm.datasets.streets import StreetsDataset

ROOT = Path(__file__).parents[2]


class Listed:
    """A dataset that returns the sequences that it was given."""

    def __init__(self, frames):
        self.frames = frames

    def __len__(self):
        return len(self.frames)

    def sequence_and_frame(self, index):
        return self.frames[index]


def listing(kind: type, *paths: str):
    """Return a dataset of images whose files do not exist."""

    class Nowhere(kind):
        def load_data_list(self):
            return [{"img_path": str(Path(self.data_root) / path)} for path in paths]

    return Nowhere(data_root="data")


def test_every_name_is_that_of_a_dataset():
    assert set(SEQUENCES) == {CamVidDataset.__name__, Cityscapes.__name__, StreetsDataset.__name__}


def test_camvid_by_drive_and_frame():
    dataset = listing(CamVidDataset, "test/0001TP_008550.png", "test/Seq05VD_f00030.png", "test/own.png")
    assert [dataset.sequence_and_frame(i) for i in range(3)] == [
        ("0001TP", 8550),
        ("Seq05VD", 30),
        ("test/own.png", 0),
    ]


def test_cityscapes_by_city_drive_and_frame():
    folder = "leftImg8bit/val"
    dataset = listing(
        Cityscapes,
        f"{folder}/frankfurt/frankfurt_000000_000294_leftImg8bit.png",
        f"{folder}/frankfurt/frankfurt_000001_000019_leftImg8bit.png",
        f"{folder}/bad-honnef/bad-honnef_000002_000000_leftImg8bit.png",
    )
    assert [dataset.sequence_and_frame(i) for i in range(3)] == [
        ("frankfurt", 294),
        ("frankfurt", 1_000_019),
        ("bad-honnef", 2_000_000),
    ]


def test_street_scenes_are_single_images():
    name = "leftImg8bit/val/streets/streets_000000_000000_leftImg8bit.png"
    assert listing(StreetsDataset, name).sequence_and_frame(0) == (name, 0)
    assert frames_of_names("{'type': 'StreetsDataset'}", [Path(name).name]) == (("image 0", 0),)


def test_the_test_split_of_camvid_is_two_videos():
    if not (ROOT / "data/camvid/test").is_dir():
        pytest.skip("CamVid is not in data/camvid")
    dataset = CamVidDataset(data_root=str(ROOT / "data/camvid"), split="test")
    found = [dataset.sequence_and_frame(i) for i in range(len(dataset))]
    assert {name: sum(s == name for s, _ in found) for name, _ in found} == {"0001TP": 62, "Seq05VD": 171}
    names = [Path(dataset.get_data_info(i)["img_path"]).name for i in range(len(dataset))]
    assert frames_of_names("{'type': 'CamVidDataset'}", names) == tuple(found)
    assert recorded_frames(dataset, names) == {"per_image_frames": [list(frame) for frame in found]}


def test_a_record_keeps_frames_only_where_there_are_sequences():
    names = ["a.png", "b.png"]
    assert recorded_frames(Listed([("a", 0), ("a", 5)]), names) == {"per_image_frames": [["a", 0], ["a", 5]]}
    assert recorded_frames(Listed([("a.png", 0), ("b.png", 0)]), names) == {"per_image_frames": []}
    assert recorded_frames(names, names) == {}  # of another library
    assert recorded_frames(Listed([("a", 0)]), names) == {}


def test_names_say_nothing_where_the_dataset_is_not_known():
    names = ["0001TP_008550.png", "own.png"]
    assert frames_of_names("{'type': 'CamVidDataset'}", names) == (("0001TP", 8550), ("image 1", 0))
    assert frames_of_names("{'type': 'Other'}", names) is None
    assert frames_of_names("{'type': 'CamVidDataset'}, {'type': 'Cityscapes'}", names) is None
