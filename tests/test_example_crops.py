"""Places that show what classes are."""

from __future__ import annotations

import numpy as np

from napari_firstpass.example_crops import example_windows_steps
from napari_firstpass.grid import Window
from napari_firstpass.progress import run


def test_the_fullest_squares_are_found_and_neighbours_left_out() -> None:
    labels = np.ones((40, 60), np.uint8)
    labels[0:10, 0:20] = 2  # two squares side by side count once
    labels[20:30, 30:37] = 2
    labels[33:35, 50:52] = 3
    found = run(example_windows_steps(labels, [2, 3, 4], side=10, each=3))
    assert found[2] == (Window(0, 0, 10, 10), Window(20, 30, 10, 10))
    assert found[3] == (Window(30, 50, 10, 10),)
    assert found[4] == ()


def test_squares_fit_into_small_images() -> None:
    found = run(example_windows_steps(np.full((5, 9), 7), [7], side=64, each=3))
    assert found[7] == (Window(0, 0, 5, 5),)
