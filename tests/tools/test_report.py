"""The command for reports: pictures from checkpoints, a chosen baseline, files left out, and bad input."""

import json
import re

import cv2
import pytest

from lednet_mm.records import write_record
from tests.reports.made import accuracy


@pytest.fixture
def trained(small_config, tool, tmp_path):
    """Train for four iterations and return the run's folder."""
    config = small_config("train_cfg = dict(max_iters=4, val_interval=4)")
    assert tool("train", config, "--work-dir", tmp_path / "run").status == 0
    return tmp_path / "run"


@pytest.mark.thorough
def test_pictures_are_predicted_from_the_checkpoint_of_the_records(trained, tool, tmp_path):
    out = tmp_path / "report"
    made = tool("report", trained, "--out", out, "--pictures", 2, "--title", "Small")
    assert made.status == 0, made.err
    grid = cv2.imread(str(out / "predictions_streets.png"))
    # Two rows of image, truth and one network, each 480 wide and 240 high.
    assert grid.shape[1] == 3 * 480 + 2 * 8
    assert grid.shape[0] > 2 * 240
    page = (out / "index.html").read_text()
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    (section,) = (section for section in json.loads(data)["sections"] if section["name"] == "predictions")
    (pictures,) = section["parts"]
    assert [picture["what"] for picture in pictures["rows"][0]] == ["image", "truth", "lednet"]
    assert len(pictures["rows"]) == 2
    assert len(pictures["legend"]) == 19

    # Another file under the checkpoint's name is not what the records are of.
    with (trained / "iter_4.pth").open("ab") as file:
        file.write(b"more")
    again = tool("report", trained, "--out", out, "--pictures", 2)
    assert again.status == 0
    assert "is not the checkpoint of its records" in again.err
    assert not (out / "predictions_streets.png").exists()

    # Nor does a link lead out of the run's folder.
    (trained / "iter_4.pth").rename(tmp_path / "elsewhere.pth")
    (trained / "iter_4.pth").symlink_to(tmp_path / "elsewhere.pth")
    again = tool("report", trained, "--out", out, "--pictures", 2)
    assert again.status == 0
    assert "iter_4.pth leads out of the run's folder" in again.err


def test_what_is_left_out_is_named_and_the_rest_reported(tool, tmp_path):
    write_record(accuracy(), tmp_path / "a")
    write_record(accuracy("erfnet", quality=0.6), tmp_path / "a")
    (tmp_path / "a" / "records" / "broken.json").write_text("{")
    made = tool("report", tmp_path / "a", "--out", tmp_path / "out", "--baseline", "erfnet")
    assert made.status == 0
    assert "broken.json: not readable as JSON" in made.err
    assert "2 records, report in" in made.out
    assert "compared with" in (tmp_path / "out" / "ablation.md").read_text()


def test_a_user_s_file_is_replaced_only_where_that_is_asked_for(tool, tmp_path):
    write_record(accuracy(), tmp_path / "a")
    (tmp_path / "out").mkdir()
    mine = tmp_path / "out" / "summary.md"
    mine.write_text("mine")
    refused = tool("report", tmp_path / "a", "--out", tmp_path / "out")
    assert refused.status == 2
    assert "summary.md exists already: --overwrite" in refused.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["summary.md"]
    assert tool("report", tmp_path / "a", "--out", tmp_path / "out", "--overwrite").status == 0
    assert "lednet" in mine.read_text()
    assert tool("report", tmp_path / "a", "--out", tmp_path / "out", "--title", "New").status == 0
    assert mine.read_text().startswith("# New")


@pytest.mark.parametrize("count", ["-1", "two", "1000", "1.5"])
def test_a_number_of_pictures_that_is_none_is_one_line(count, tool, tmp_path):
    made = tool("report", tmp_path, "--pictures", count)
    assert made.status == 2
    assert "is not a whole number from 0 to 100" in made.err


def test_bad_input_ends_with_one_line(tool, tmp_path):
    made = tool("report", tmp_path / "nowhere", "--out", tmp_path / "out")
    assert made.status == 2
    assert made.err.count("\n") == 1
    assert "no such folder" in made.err
