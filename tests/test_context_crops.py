"""What is shown for a region: rings of windows at the sides of an image, and cut-outs."""

from __future__ import annotations

import numpy as np
import torch

from napari_firstpass.context_crops import (
    cut_out,
    published_rings,
    seen_through,
    single_ring,
    squared,
)
from napari_firstpass.grid import Window

BOX = Window(300, 400, 50, 60)


def sides(window: Window) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom."""
    return window.col, window.row, window.right, window.bottom


def test_rings_are_the_published_paddings() -> None:
    near, far = published_rings(BOX, 80, height=2000, width=2000)
    assert [sides(one) for one in near] == [
        (380, 280, 480, 370),
        (320, 220, 540, 430),
        (380, 280, 540, 430),
        (320, 220, 480, 370),
        (320, 280, 480, 430),
        (380, 220, 540, 370),
    ]
    assert far[0] == near[0]
    assert sides(far[1]) == (120, 20, 740, 630)
    assert len({*near, *far}) == 11


def test_rings_end_at_the_sides_of_the_image() -> None:
    corner = Window(5, 0, 10, 10)
    near, far = published_rings(corner, 10, height=40, width=30)
    assert sides(near[0]) == (0, 0, 30, 35)
    assert sides(near[1]) == (0, 0, 20, 25)
    assert sides(far[1]) == (0, 0, 30, 40)
    assert single_ring(corner, 5, height=40, width=30) == ((near[0],),)


def test_squares_grow_around_the_middle_and_stay_inside() -> None:
    assert squared(Window(10, 20, 4, 10), height=100, width=100) == Window(7, 20, 10, 10)
    assert squared(Window(0, 20, 4, 10), height=100, width=100) == Window(0, 20, 10, 10)
    assert squared(Window(96, 20, 4, 10), height=100, width=100) == Window(90, 20, 10, 10)
    assert squared(Window(0, 0, 4, 10), height=6, width=10) == Window(0, 0, 6, 10)


def test_a_cut_out_is_black_around_the_region_and_keeps_its_shape() -> None:
    picture = torch.ones(3, 20, 20)
    inside = np.ones((2, 4), bool)
    inside[:, 3] = False
    kept = cut_out(picture, Window(6, 6, 2, 4), inside, 4, square=True)
    assert torch.equal(kept[0], torch.tensor([[0.0] * 4, [1, 1, 1, 0], [1, 1, 1, 0], [0.0] * 4]))
    stretched = cut_out(picture, Window(6, 6, 2, 4), inside, 4, square=False)
    torch.testing.assert_close(stretched[0], torch.tensor([[1.0, 1, 1, 0]] * 4))


def test_a_window_shows_its_pixels() -> None:
    picture = torch.arange(48.0).reshape(3, 4, 4) / 48
    shown = seen_through(picture, Window(1, 2, 2, 2), 2)
    assert torch.equal(shown, picture[:, 1:3, 2:4])
