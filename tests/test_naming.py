"""Labels from maps of names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from napari_firstpass.errors import OptionError
from napari_firstpass.naming import full_size, named_steps, stretched
from napari_firstpass.progress import run

if TYPE_CHECKING:
    from napari_firstpass.prompts import Named


def named(maps: torch.Tensor, background: float) -> Named:
    """Label maps that have the size of the image already, and the range from 0 to 1."""
    shape = (int(maps.shape[1]), int(maps.shape[2]))
    return run(named_steps(maps, shape, background, between=int(maps.shape[1])))


FIRST = torch.tensor([[1.0, 0.0, 0.4], [0.3, 0.5, 0.2], [0.0, 0.0, 0.0]])
SECOND = torch.tensor([[0.0, 1.0, 0.44], [0.2, 0.5, 0.1], [0.0, 0.6, 0.39]])
BOTH = torch.stack([FIRST, SECOND])


def test_above_a_threshold_the_highest_map_wins_and_the_first_of_equal_ones() -> None:
    found = named(BOTH, 0.45)
    assert found.labels.tolist() == [[1, 2, 0], [0, 1, 0], [0, 2, 0]]
    assert found.confidence[0, 0] == 1.0
    assert found.confidence[1, 1] == 0.0  # a coin toss
    assert found.confidence[2, 1] == pytest.approx(0.6)
    assert not found.confidence[found.labels == 0].any()
    assert named(BOTH, 0.44).labels[0, 2] == 2  # on the threshold


def test_without_a_threshold_the_background_is_what_names_leave() -> None:
    found = named(BOTH, 0.0)
    # (1 − 0.44)² = 0.31 < 0.44, (1 − 0.39)² = 0.37 < 0.39, (1 − 0.3)² = 0.49 > 0.3.
    assert found.labels.tolist() == [[1, 2, 2], [0, 1, 0], [0, 2, 2]]
    assert found.confidence[2, 2] == pytest.approx(0.39 - 0.61**2, abs=1e-6)
    assert found.confidence[0, 2] == pytest.approx(0.04, abs=1e-6)  # over the other name


def test_each_map_is_brought_to_its_own_range_and_a_constant_one_finds_nothing() -> None:
    assert torch.equal(stretched(FIRST[None] * 3 + 7)[0, 2], torch.zeros(3))
    torch.testing.assert_close(stretched(FIRST[None] * 3 + 7), FIRST[None])
    flat = torch.stack([torch.full((3, 3), 0.8), FIRST])
    for background in (0.0, 0.3):
        assert set(named(flat, background).labels.unique().tolist()) == {0, 2}


def test_maps_are_stretched_in_the_square_and_again_in_the_image() -> None:
    small = torch.tensor([[[0.0, 1.0], [2.0, 4.0]]])
    found = full_size(small, (5, 9), between=64)
    assert found.shape == (1, 5, 9)
    assert found.aminmax() == (0.0, 1.0)
    assert found[0, -1, -1] == 1.0
    assert found[0, 0, 0] == 0.0


@pytest.mark.parametrize("background", [-0.1, 1.0, float("nan")])
def test_a_background_out_of_range_is_refused(background: float) -> None:
    with pytest.raises(OptionError, match=r"a background threshold in \[0, 1\)"):
        named(BOTH, background)
