"""Each recipe and each option of recipes trains LEDNet and DABNet, and resumes to the same weights."""

import shutil

import pytest
import torch

from lednet_mm.catalog import option_files, recipe_files
from lednet_mm.checkpoints.reading import read_checkpoint
from lednet_mm.config import Choice
from lednet_mm.training.training import train
from tests.datasets.small_sets import make_camvid
from tests.training.small import small

NAMES = [*recipe_files(), *(f"common+{option}" for option in option_files())]


def data_for(recipe, small_streets, folder):
    """Return the name, folder and image size of data with as many classes as the recipe has weights."""
    if "camvid" in recipe:
        return "camvid", make_camvid(folder / "camvid"), (24, 32)
    return "streets", small_streets, (64, 128)


@pytest.mark.parametrize("network", ["lednet", "dabnet"])
@pytest.mark.parametrize("recipe", NAMES)
def test_it_trains_and_resumes_to_the_same_bits(recipe, network, small_streets, tmp_path, one_thread):
    dataset, data, shape = data_for(recipe, small_streets, tmp_path)
    choice = Choice(network, dataset, recipe)
    options = small(choice, data, shape=shape)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(choice, work_dir=whole, options=options, seed=1)
    cut.mkdir()
    shutil.copy(whole / "iter_1.pth", cut)  # what a run leaves that is killed now
    train(choice, work_dir=cut, options=options, seed=1, resume=True)
    states = [read_checkpoint(folder / "iter_2.pth")["state_dict"] for folder in (whole, cut)]
    first = read_checkpoint(whole / "iter_1.pth")["state_dict"]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert any(not torch.equal(states[0][name], first[name]) for name in first if "running" not in name)


@pytest.mark.parametrize("recipe", NAMES)
def test_a_line_explains_it(recipe, tool):
    import json

    rows = {row["recipe"]: row["about"] for row in json.loads(tool("list", "recipes", "--json").out)}
    name = recipe.removeprefix("common") if "+" in recipe else recipe
    assert 20 < len(rows[name]) <= 110
    assert rows[name].endswith((".", "val says nothing."))
