"""Pictures and guides by cells."""

from __future__ import annotations

import torch

from napari_firstpass.guidance import Batch, GuideWeights, class_ids, prior, sampled
from napari_firstpass.refinement import LabelGuide, View

PLAIN = GuideWeights()


def view(labels: torch.Tensor, valid: torch.Tensor | None = None, sure: float = 1.0) -> View:
    there = torch.ones_like(labels, dtype=torch.bool) if valid is None else valid
    picture = torch.rand(3, *labels.shape, generator=torch.Generator().manual_seed(0))
    guide = LabelGuide(labels, torch.full(labels.shape, sure), 200)
    return View(picture, there, guide)


def halves(height: int = 8, width: int = 16) -> torch.Tensor:
    labels = torch.full((height, width), 7)
    labels[:, width // 2 :] = 150
    return labels


def test_ids_are_those_of_all_guides_where_there_are_data() -> None:
    labels = halves()
    labels[0, 0] = 9
    valid = torch.ones_like(labels, dtype=torch.bool)
    valid[0, 0] = False
    views = [view(labels, valid), view(torch.full((4, 4), 3)), view(torch.zeros(4, 4).long())]
    assert class_ids(views) == (3, 7, 150)


def test_a_cell_has_the_class_of_most_of_its_labelled_pixels() -> None:
    labels = torch.tensor([[7, 7, 150, 0], [7, 150, 0, 0], [0, 0, 9, 150], [0, 0, 150, 150]])
    batch = Batch.of([view(labels)], (7, 150), 2, PLAIN)
    assert batch.targets.tolist() == [[[0, 1], [-1, 1]]]
    assert batch.weight.tolist() == [[[1, 1], [0, 1]]]


def test_pixels_without_data_do_not_mix_into_cells() -> None:
    valid = torch.ones(8, 16, dtype=torch.bool)
    valid[:, 3:] = False
    one = view(halves(), valid)
    spoiled = View(one.picture.where(valid, torch.tensor(0.9)), valid, one.guide)
    batch, other = (Batch.of([each], (7, 150), 2, PLAIN) for each in (one, spoiled))
    torch.testing.assert_close(batch.pictures[..., :2], other.pictures[..., :2])
    torch.testing.assert_close(batch.pictures[0, :, 0, 1], one.picture[:, :2, 2].mean(1))
    assert batch.mask is not None
    assert batch.mask[0, 0].tolist() == [[1, 1, 0, 0, 0, 0, 0, 0]] * 4
    assert batch.targets[0, :, 2:].unique().tolist() == [-1]


def test_an_image_that_ends_within_a_cell_is_averaged_over_what_is_there() -> None:
    one = view(halves(7, 15))
    batch = Batch.of([one], (7, 150), 4, PLAIN)
    assert batch.pictures.shape == (1, 3, 2, 4)
    assert batch.mask is None
    torch.testing.assert_close(batch.pictures[0, :, 1, 3], one.picture[:, 4:, 12:].mean((1, 2)))


def test_a_guide_counts_less_at_its_borders() -> None:
    batch = Batch.of([view(halves(8, 20))], (7, 150), 1, GuideWeights(reach=2, least=0.2))
    row = batch.weight[0, 4]
    # Beside the border 3 of 5 columns are of the same class: 0.2 + 0.8 · (2 · 3/5 − 1).
    torch.testing.assert_close(row[9:11], torch.full((2,), 0.36))
    torch.testing.assert_close(row[8], torch.tensor(0.2 + 0.8 * 0.6))
    assert row[:8].unique().tolist() == [1]


def test_an_unsure_guide_counts_less_if_asked_to() -> None:
    unsure = view(halves(), sure=0.25)
    assert Batch.of([unsure], (7, 150), 2, PLAIN).weight.unique().tolist() == [1]
    sure = Batch.of([unsure], (7, 150), 2, GuideWeights(confidence=True))
    assert sure.weight.unique().tolist() == [0.25]


def test_windows_of_other_sizes_are_grown_by_cells_that_do_not_count() -> None:
    batch = Batch.of([view(halves(8, 16)), view(halves(4, 8))], (7, 150), 2, PLAIN)
    assert batch.pictures.shape == (2, 3, 4, 8)
    assert batch.mask is not None
    assert batch.mask.sum((1, 2, 3)).tolist() == [32, 8]
    assert batch.targets[1].eq(-1).sum() == 32 - 8


def test_few_pixels_are_all_seen() -> None:
    views = [view(halves())]
    assert sampled(views, 8 * 16)[0] is views[0]


def test_of_many_pixels_pieces_from_everywhere_are_seen() -> None:
    rows, cols = torch.arange(600)[:, None], torch.arange(300)[None]
    pieces = sampled([view(1 + (rows >= 300) * 2 + (cols >= 150))], 600 * 300 / 4)
    # Three parts down, two across; half of the rows and half of the columns of each.
    assert [tuple(piece.valid.shape) for piece in pieces] == [(100, 75)] * 6
    seen = sum(int(piece.valid.sum()) for piece in pieces)
    assert seen == 600 * 300 // 4
    assert {int(value) for piece in pieces for value in piece.said.unique()} == {1, 2, 3, 4}
    for piece in pieces:
        assert piece.picture.shape[1:] == piece.guide.confidence.shape == piece.valid.shape


def test_a_guide_leaves_what_is_near_its_borders_open() -> None:
    found = prior(view(halves(8, 20)), (7, 150), 1, 2, 1e-3)
    torch.testing.assert_close(found[:, 4, 9], torch.tensor([0.6, 0.4]))
    torch.testing.assert_close(found[:, 4, 3], torch.tensor([1.0, 1e-3]))


def test_a_guide_that_is_unsure_or_silent_says_that_all_is_alike() -> None:
    unsure = prior(view(halves(8, 20), sure=0.5), (7, 150), 1, 2, 1e-3)
    torch.testing.assert_close(unsure[:, 4, 3], torch.tensor([0.75, 0.25]))
    silent = halves(8, 20)
    silent[:, :8] = 0
    torch.testing.assert_close(
        prior(view(silent), (7, 150), 1, 2, 1e-3)[:, 4, 2], torch.tensor([0.5, 0.5])
    )
