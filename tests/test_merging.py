from __future__ import annotations

import torch
from features import feature_map, stripes

from napari_firstpass.merging import merged
from napari_firstpass.progress import run


def near(place: float, count: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(int(place * 10) + count)
    return place + 0.1 * torch.randn(count, 1, generator=rng)


def test_pieces_of_one_area_are_joined_and_areas_are_not() -> None:
    ids = stripes(24, 24, 3)
    cells = feature_map(ids).vectors.flatten(1).T
    # Each area in two pieces: left and right halves of a stripe.
    pieces = torch.from_numpy(stripes(24, 24, 6)).flatten()
    owner = run(merged(cells, pieces, 3, scale=0.5, power=0.25))
    assert len(set(owner.tolist())) == 3
    assert (owner[0::2] == owner[1::2]).all()


def test_a_small_group_far_off_stays_where_size_counts_little() -> None:
    cells = torch.cat([near(0.0, 400), near(0.6, 400), near(6.0, 4)])
    groups = torch.repeat_interleave(torch.arange(3), torch.tensor([400, 400, 4]))
    by_look = run(merged(cells, groups, 2, scale=1.0, power=0.25))
    assert by_look[0] == by_look[1] != by_look[2]
    by_ward = run(merged(cells, groups, 2, scale=1.0, power=1.0))
    assert by_ward[0] != by_ward[1]


def test_as_many_as_there_are_stay_as_they_are() -> None:
    cells = torch.cat([near(0.0, 5), near(3.0, 5)])
    groups = torch.repeat_interleave(torch.arange(2), 5)
    assert run(merged(cells, groups, 2, scale=1.0, power=0.5)).tolist() == [0, 1]
