"""Pictures of predictions have the right colours, and a grid has all pictures with a legend."""

import numpy as np

from lednet_mm.evaluation.rendering import colorize, overlay, picture_grid, with_legend

PALETTE = [[255, 0, 0], [0, 255, 0], [0, 0, 255]]


def test_colours():
    ids = np.array([[0, 1], [2, 255]], np.uint8)
    assert colorize(ids, PALETTE).tolist() == [[PALETTE[0], PALETTE[1]], [PALETTE[2], [0, 0, 0]]]
    mixed = overlay(np.full((2, 2, 3), 100, np.uint8), ids, PALETTE)
    assert mixed[0, 0].tolist() == [178, 50, 50]


def test_a_legend_names_every_class():
    picture = with_legend(np.zeros((40, 400, 3), np.uint8), ("a", "b", "c"), PALETTE)
    assert picture.shape[1] == 400
    below = picture[40:].reshape(-1, 3)
    assert all((below == color).all(1).any() for color in PALETTE)


def test_a_grid():
    pictures = [[np.full((20, 40, 3), 10 * (3 * r + c), np.uint8) for c in range(3)] for r in range(2)]
    grid = picture_grid(
        pictures, ("image", "truth", "a name far too long for its column " * 3), "abc", PALETTE, 80
    )
    assert grid.shape[1] == 3 * 80 + 2 * 8
    centres = [[grid[34 + 20 + 48 * r, 40 + 88 * c, 0] for c in range(3)] for r in range(2)]
    assert centres == [[0, 10, 20], [30, 40, 50]]
    assert (grid[:34] < 128).any()  # titles
