"""The merging of DiffSeg on made-up maps (methods.md, section 3)."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch

from napari_firstpass.errors import GridMismatchError, ImageContentError, OptionError
from napari_firstpass.kl_merging import (
    CITYSCAPES,
    COCO,
    EPSILON,
    Anchored,
    MergeConfig,
    Merged,
    _joined,
    anchor_cells,
    anchored_steps,
    count_steps,
    informed_steps,
    merge_steps,
    refined_steps,
    strongest,
    symmetric_kl,
)
from napari_firstpass.progress import run


def drawn(count: int, places: int, sharpness: float = 1.0, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return (sharpness * torch.randn(count, places, generator=rng)).softmax(1)


def grouped(groups: int = 4, each: int = 16, apart: float = 4.0) -> torch.Tensor:
    """Maps in groups, one after the other, of which each attends to its own."""
    of = torch.arange(groups).repeat_interleave(each)
    alike = (of[:, None] == of) * apart
    rng = torch.Generator().manual_seed(1)
    return (alike + 0.2 * torch.randn(len(of), len(of), generator=rng)).softmax(1)


def anchored(maps: torch.Tensor, every: int = 1) -> Anchored:
    return run(anchored_steps(maps, torch.arange(0, len(maps), every)))


def naive(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    x, y = one.double()[:, None], other.double()[None]
    return ((x - y) * (x.clamp_min(EPSILON).log() - y.clamp_min(EPSILON).log())).sum(2) / 2


def test_the_anchors_of_64_cells_are_those_of_the_paper() -> None:
    rows = [anchor // 64 for anchor in anchor_cells(64, 64).tolist()[::16]]
    cols = [anchor % 64 for anchor in anchor_cells(64, 64).tolist()[:16]]
    assert rows == cols == list(range(1, 62, 4))
    assert len(anchor_cells(64, 64)) == 256


@pytest.mark.parametrize(
    ("height", "width", "rows", "cols"),
    [
        (40, 96, range(4, 35, 2), range(2, 93, 6)),
        (8, 16, range(8), range(16)),
        (1, 3, range(1), range(3)),
    ],
)
def test_anchors_of_other_grids_are_spaced_evenly_around_the_middle(
    height: int, width: int, rows: range, cols: range
) -> None:
    expected = [row * width + col for row in rows for col in cols]
    assert anchor_cells(height, width).tolist() == expected


def test_one_anchor_stands_in_the_middle() -> None:
    assert anchor_cells(9, 5, 1).tolist() == [4 * 5 + 2]


@pytest.mark.parametrize("sharpness", [0.1, 1.0, 3.0])
def test_two_products_of_matrices_are_the_divergence_of_all_pairs(sharpness: float) -> None:
    one, other = drawn(30, 300, sharpness), drawn(520, 300, sharpness, seed=1)
    found = symmetric_kl(one, other)
    torch.testing.assert_close(found.double(), naive(one, other), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(symmetric_kl(other, one), found.T, atol=1e-5, rtol=1e-5)
    assert float(symmetric_kl(one, one).diagonal().max()) < 1e-5


def test_shares_of_nothing_are_finite() -> None:
    found = symmetric_kl(torch.eye(3), torch.eye(3))
    # 1 · ln(1 / 1e-10), both ways and halved.
    expected = 23.0259 * (1 - torch.eye(3))
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


def test_at_a_threshold_of_next_to_nothing_all_anchors_stay() -> None:
    maps = drawn(64 * 64, 64)
    for threshold in (1e-12, 1e-3):
        found = run(merge_steps(maps, (64, 64), MergeConfig(threshold=threshold)))
        assert torch.equal(found.maps, maps[anchor_cells(64, 64)])


def test_at_an_endless_threshold_one_proposal_is_left_which_is_the_mean() -> None:
    maps = drawn(32 * 24, 50)
    found = run(merge_steps(maps, (32, 24), MergeConfig(threshold=1e9)))
    torch.testing.assert_close(found.maps, maps.mean(0, keepdim=True))


def test_anchors_collect_all_maps_near_them() -> None:
    maps = grouped()
    found = anchored(maps, every=16).merged(1.0, rounds=1)
    expected = torch.stack([part.mean(0) for part in maps.split(16)])
    torch.testing.assert_close(found.maps, expected)
    assert float(naive(maps[:1], maps[1:16]).max()) < 1 < float(naive(maps[:1], maps[16:]).min())


def test_joining_is_greedy_and_takes_what_was_used_once_more() -> None:
    # In a row: each is near the next alone.
    maps = torch.tensor([[8.0, 4, 2, 1], [6, 4, 3, 2], [4, 4, 4, 3], [1, 2, 4, 8]])
    maps = maps / maps.sum(1, keepdim=True)
    apart = naive(maps, maps)
    threshold = 0.12
    assert (apart < threshold).tolist() == [
        [True, True, False, False],
        [True, True, True, False],
        [False, True, True, False],
        [False, False, False, True],
    ]
    a, b, c, d = maps
    found = _joined(Merged(maps, torch.eye(4)), threshold)
    torch.testing.assert_close(found.maps, torch.stack([(a + b) / 2, (b + c) / 2, d]))
    other = _joined(Merged(maps[[1, 0, 2, 3]], torch.eye(4)), threshold)
    torch.testing.assert_close(other.maps, torch.stack([(a + b + c) / 3, d]))


def test_proposals_are_distributions_made_of_maps_as_their_shares_say() -> None:
    maps = grouped(5, 20)
    for threshold in (1e-3, 0.05, 2.0, 100.0):
        found = anchored(maps, every=3).merged(threshold)
        torch.testing.assert_close(found.shares @ maps, found.maps)
        for rows in (found.maps, found.shares):
            torch.testing.assert_close(rows.sum(1), torch.ones(found.count))


def test_groups_are_found_with_the_published_threshold() -> None:
    maps = grouped(4, 16)
    for config in (COCO, CITYSCAPES):
        found = run(merge_steps(maps, (8, 8), config))
        owner = found.maps.argmax(0)
        assert found.count == 4
        assert owner.tolist() == torch.arange(4).repeat_interleave(16).tolist()


@pytest.mark.parametrize("count", [1, 2, 3, 5, 17, 64])
def test_as_many_are_left_as_asked_for(count: int) -> None:
    for maps in (grouped(5, 13), drawn(80, 40)):
        assert run(count_steps(anchored(maps), count)).count == count


def test_joining_takes_the_two_by_which_least_is_lost() -> None:
    def entropy(rows: torch.Tensor) -> float:
        return float(-(rows.double() * rows.double().log()).sum())

    maps = drawn(6, 40, 0.7)
    places = torch.bincount(maps.argmax(0), minlength=6).tolist()

    def joint(i: int, j: int) -> torch.Tensor:
        return (places[i] * maps[i] + places[j] * maps[j]) / (places[i] + places[j])

    def loss(i: int, j: int) -> float:
        told = places[i] * entropy(maps[i]) + places[j] * entropy(maps[j])
        return (places[i] + places[j]) * entropy(joint(i, j)) - told

    i, j = min(combinations(range(6), 2), key=lambda pair: loss(*pair))
    found = run(informed_steps(Merged(maps, torch.eye(6)), 5))
    expected = maps.clone()
    expected[i] = joint(i, j)
    torch.testing.assert_close(found.maps, expected[[k for k in range(6) if k != j]])
    torch.testing.assert_close(found.shares @ maps, found.maps)


def test_odd_places_are_joined_before_large_groups_are() -> None:
    maps = torch.cat([grouped(3, 30), torch.zeros(90, 2).T])
    maps = torch.cat([maps, torch.zeros(92, 2)], 1)
    maps[90, 90] = maps[91, 91] = 1
    maps = 0.99 * maps + 0.01 / 92
    alone = run(count_steps(anchored(maps), 3)).maps.argmax(0)
    joined = run(count_steps(anchored(maps), 3, proposals=5)).maps.argmax(0)
    assert len(alone[:90].unique()) < 3
    assert joined[:90].tolist() == torch.arange(3).repeat_interleave(30).tolist()


def test_few_asked_for_are_those_that_differ_most() -> None:
    found = run(count_steps(anchored(grouped(3, 10)), 3))
    assert found.maps.argmax(0).tolist() == torch.arange(3).repeat_interleave(10).tolist()


def test_more_than_differ_are_refused() -> None:
    maps = drawn(3, 30).repeat_interleave(20, 0)
    assert run(count_steps(anchored(maps), 3)).count == 3
    with pytest.raises(ImageContentError, match=r"4 places that differ.*found 3; ask for fewer"):
        run(count_steps(anchored(maps), 4))


def test_refining_moves_proposals_to_the_means_of_what_is_nearest() -> None:
    maps = grouped(3, 12)
    begun = Merged(maps[[0, 12, 24]], torch.eye(36)[[0, 12, 24]])
    found = run(refined_steps(begun, maps))
    expected = torch.stack([part.mean(0) for part in maps.split(12)])
    torch.testing.assert_close(found.maps, expected)
    torch.testing.assert_close(found.shares @ maps, found.maps)


def test_a_proposal_that_is_nearest_to_nothing_stays() -> None:
    maps = grouped(2, 10)
    stray = torch.full((1, 20), 0.5).softmax(1) * 0 - 5
    begun = Merged(torch.cat([maps[[0, 10]], stray]), torch.eye(20)[[0, 10, 3]])
    found = run(refined_steps(begun, maps))
    assert torch.equal(found.maps[2:], stray)
    assert found.maps.isfinite().all()


def test_pixels_go_to_the_strongest_proposal_between_cells() -> None:
    proposals = drawn(21, 6 * 8)
    fine = torch.nn.functional.interpolate(
        proposals.view(1, 21, 6, 8), (48, 60), mode="bilinear", align_corners=False
    )[0]
    labels, lead = strongest(proposals, (6, 8), (48, 60))
    assert torch.equal(labels, fine.argmax(0))
    first, second = fine.sort(0, descending=True).values[:2]
    torch.testing.assert_close(lead, (first - second) / fine.sum(0))
    alone, sure = strongest(proposals[:1], (6, 8), (48, 60))
    assert not alone.any()
    torch.testing.assert_close(sure, torch.ones(48, 60))


def test_the_same_maps_give_the_same_bytes() -> None:
    config = MergeConfig(threshold=0.3, refine=True)
    one, other = (run(merge_steps(grouped(), (8, 8), config)) for _ in range(2))
    assert torch.equal(one.maps, other.maps)
    assert torch.equal(one.shares, other.shares)


def test_maps_of_another_grid_are_refused() -> None:
    with pytest.raises(GridMismatchError, match="each of 8 x 9 cells, found 64"):
        run(merge_steps(grouped(), (8, 9)))


@pytest.mark.parametrize(
    "options",
    [{"threshold": 0.0}, {"threshold": float("nan")}, {"anchors": 0}, {"rounds": 0}],
)
def test_settings_out_of_their_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(OptionError):
        MergeConfig(**{"threshold": 1.0, **options})
