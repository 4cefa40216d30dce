"""Arrays in nameless files."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_firstpass.errors import GridMismatchError, OutputError
from napari_firstpass.grid import Grid, Window
from napari_firstpass.io.scratch import Scratch

if TYPE_CHECKING:
    from pathlib import Path

GRID = Grid(5, 7)
UINT16 = np.dtype(np.uint16)


def test_windows_in_any_order_make_the_array(tmp_path: Path) -> None:
    values = np.arange(35, dtype=np.uint16).reshape(5, 7)
    with closing(Scratch(tmp_path / "a.tif", GRID, UINT16)) as scratch:
        for window in (Window(3, 0, 2, 7), Window(0, 4, 3, 3), Window(0, 0, 3, 4)):
            scratch.write(window, values[window.slices])
        np.testing.assert_array_equal(scratch.rows(0, 5), values)
        assert [top for top, _ in scratch.strips(2)] == [0, 2, 4]
        np.testing.assert_array_equal(np.concatenate([r for _, r in scratch.strips(2)]), values)


def test_what_was_never_written_is_zero(tmp_path: Path) -> None:
    with closing(Scratch(tmp_path / "a.tif", GRID, UINT16)) as scratch:
        scratch.write(Window(1, 1, 1, 1), np.array([[9]], np.uint16))
        assert scratch.rows(0, 5).sum() == 9


def test_the_file_has_no_name(tmp_path: Path) -> None:
    with closing(Scratch(tmp_path / "a.tif", GRID, UINT16)):
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("window", [Window(0, 0, 2, 3), Window(4, 0, 3, 2)])
def test_values_must_fit_their_window_and_the_grid(tmp_path: Path, window: Window) -> None:
    scratch = Scratch(tmp_path / "a.tif", GRID, UINT16)
    with closing(scratch), pytest.raises(GridMismatchError):
        scratch.write(window, np.zeros((3, 2), np.uint16))


def test_a_disk_without_room_is_refused_before_the_work(small_disk: Path) -> None:
    with pytest.raises(OutputError, match=r"expected 2\.0 MB free .* found 0\.3 MB"):
        Scratch(small_disk / "a.tif", Grid(1000, 1000), UINT16)


def test_a_disk_that_fills_up_meanwhile_is_an_error(small_disk: Path) -> None:
    with closing(Scratch(small_disk / "a.tif", Grid(400, 500), np.dtype(np.uint8))) as scratch:
        (small_disk / "other").write_bytes(bytes(150_000))
        with pytest.raises(OutputError, match="found a full disk"):
            scratch.write(Window(0, 0, 400, 500), np.ones((400, 500), np.uint8))
