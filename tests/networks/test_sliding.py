from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from napari_firstpass.networks.sliding import views

SHAPES = [(1, 1), (3, 20), (8, 8), (9, 8), (10, 31), (40, 17)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("side", "overlap"), [(8, 0), (8, 3), (8, 4), (5, 2)])
def test_weights_add_up_to_one_everywhere(shape: tuple[int, int], side: int, overlap: int) -> None:
    total = torch.zeros(shape)
    for view in views(*shape, side=side, overlap=overlap):
        assert float(view.weights.min()) > 0
        total[view.window.slices] += view.weights
    torch.testing.assert_close(total, torch.ones(shape))


@pytest.mark.parametrize("shape", SHAPES)
def test_every_window_is_whole_and_shares_enough_with_its_neighbour(
    shape: tuple[int, int],
) -> None:
    cuts = views(*shape, side=8, overlap=3)
    sizes = {(view.window.height, view.window.width) for view in cuts}
    assert sizes == {(min(8, shape[0]), min(8, shape[1]))}
    cols = sorted({view.window.col for view in cuts})
    assert all(left + 8 - right >= 3 for left, right in pairwise(cols))
    assert max(view.window.right for view in cuts) == shape[1]
    assert max(view.window.bottom for view in cuts) == shape[0]


def test_no_more_windows_are_laid_than_needed() -> None:
    assert [len(views(1, n, side=8, overlap=4)) for n in (8, 9, 12, 13)] == [1, 2, 2, 3]


def test_weights_change_linearly_over_the_overlap_and_nowhere_else() -> None:
    left, right = views(1, 12, side=8, overlap=4)
    assert left.weights[0].tolist() == [1, 1, 1, 1, 0.875, 0.625, 0.375, 0.125]
    assert right.weights[0].tolist() == [0.125, 0.375, 0.625, 0.875, 1, 1, 1, 1]
