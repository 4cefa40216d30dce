"""The facts about PriMaPs-EM on which the implementation rests (methods.md, section 6)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from features import agreement, feature_map, with_vectors

from napari_firstpass.errors import ComputeError, OptionError
from napari_firstpass.linear_model import LinearModel
from napari_firstpass.progress import run
from napari_firstpass.proposals import UNCLAIMED, Proposals
from napari_firstpass.prototypes import PrototypeModel
from napari_firstpass.segmenters.primaps_em import (
    PAPER,
    PROBE,
    EMConfig,
    PrimapsEMSegmenter,
    _Trainer,
    focal_loss,
    momentum,
    principal_directions,
)

if TYPE_CHECKING:
    from napari_firstpass.features import FeatureMap

DEFAULT = EMConfig()
FEW = replace(DEFAULT, steps=40, check=20)
FEW_OF_THE_PAPER = replace(PAPER, steps=200)


def areas(seed: int, *, noise: float = 0.2) -> FeatureMap:
    """Four kinds of ground in blocks of 6 x 6 cells, their vectors around a common mean of 0."""
    ids = np.random.default_rng(seed).integers(0, 4, (4, 4)).repeat(6, 0).repeat(6, 1)
    window = feature_map(ids, noise=0.0)
    rng = torch.Generator().manual_seed(seed)
    around = torch.randn(window.vectors.shape, generator=rng)
    return replace(window, vectors=window.vectors - 0.1 + noise * around)


def truth(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, (4, 4)).repeat(6, 0).repeat(6, 1)


def test_the_slow_classes_copy_first_and_then_keep_ever_more() -> None:
    kept = [momentum(update, 0.98) for update in range(60)]
    assert kept[:4] == pytest.approx([0, 1 / 2, 2 / 3, 3 / 4])
    assert kept[48] < 0.98
    assert kept[49:] == pytest.approx([0.98] * 11)


@pytest.mark.parametrize("focus", [0.0, 0.5, 2.0])
def test_the_focal_loss_equals_a_loop_over_cells(focus: float) -> None:
    rng = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(4, 50, generator=rng)
    targets = torch.randint(-1, 4, (50,), generator=rng)
    odds = [np.exp(column) / np.exp(column).sum() for column in logits.double().numpy().T]
    weights = [(1 - np.mean([p[k] for p in odds])) ** focus for k in range(4)]
    parts = [
        0.0 if y == UNCLAIMED else -weights[y] * np.log(p[y])
        for p, y in zip(odds, targets.tolist(), strict=True)
    ]
    assert UNCLAIMED in targets
    assert float(focal_loss(logits, targets, focus)) == pytest.approx(np.mean(parts), rel=1e-5)


def test_cells_without_mask_add_nothing_to_the_loss_but_count_in_the_mean() -> None:
    logits = torch.randn(3, 8, generator=torch.Generator().manual_seed(0), requires_grad=True)
    targets = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    half = torch.where(torch.arange(8) < 4, targets, UNCLAIMED)
    whole = focal_loss(logits, targets, 0.0)
    parts = focal_loss(logits[:, :4], targets[:4], 0.0), focal_loss(logits[:, 4:], targets[4:], 0.0)
    torch.testing.assert_close(whole, (parts[0] + parts[1]) / 2)
    torch.testing.assert_close(focal_loss(logits, half, 0.0), parts[0] / 2)
    (slope,) = torch.autograd.grad(focal_loss(logits, half, 2.0), logits)
    assert bool((slope[:, :4] != 0).all())
    assert bool((slope[:, 4:] == 0).all())


def test_masks_vote_and_ties_go_to_the_smallest_class() -> None:
    masks = Proposals(torch.tensor([0, 0, 1, 1, 1, -1, 2]), 3, (7,))
    votes = masks.votes(torch.tensor([2, 1, 0, 2, 2, 0, 1]), 3)
    assert votes.tolist() == [[0, 1, 1], [1, 0, 2], [0, 1, 0]]
    winners = votes.argmax(1)
    assert masks.spread(winners).tolist() == [1, 1, 2, 2, 2, UNCLAIMED, 1]
    part = torch.tensor([5, 2, 0])
    assert masks.spread(winners, part).tolist() == [UNCLAIMED, 2, 1]
    assert masks.votes(torch.tensor([0, 0, 2]), 3, part).tolist() == [[0, 0, 1], [1, 0, 0], [0] * 3]


def test_the_vote_in_parts_adds_up_to_the_vote_of_all() -> None:
    rng = torch.Generator().manual_seed(4)
    masks = Proposals(torch.randint(-1, 9, (200,), generator=rng), 9, (120, 80))
    classes = torch.randint(0, 5, (200,), generator=rng)
    parts = [slice(0, 70), slice(70, 200)]
    together = sum(masks.votes(classes[part], 5, part) for part in parts)
    assert isinstance(together, torch.Tensor)
    assert torch.equal(together, masks.votes(classes, 5))
    expected = [
        [int(((masks.mask_of == m) & (classes == k)).sum()) for k in range(5)] for m in range(9)
    ]
    assert together.tolist() == expected


def test_the_start_of_the_paper_is_the_principal_directions_then_their_opposites() -> None:
    rng = torch.Generator().manual_seed(1)
    spread = torch.tensor([1.0, 4.0, 2.0])
    cells = torch.randn(3, 5000, generator=rng) * spread[:, None] + 3
    found = principal_directions(cells, 8, np.random.default_rng(0))
    torch.testing.assert_close(found.norm(dim=1), torch.ones(8))
    axes = torch.eye(3)[[1, 2, 0]]
    assert float((found[:3] * axes).sum(1).min()) > 0.99
    torch.testing.assert_close(found[3:6], -found[:3])


@pytest.mark.parametrize("config", [FEW, FEW_OF_THE_PAPER])
def test_grounds_are_told_apart_in_windows_never_seen(config: EMConfig) -> None:
    segmenter = PrimapsEMSegmenter(classes=4, seed=0, config=config)
    model = run(segmenter.fit([areas(seed) for seed in range(12)]))
    found = model.scores(areas(99).vectors).argmax(0).numpy()
    assert agreement(found, truth(99)) > 0.98


def test_training_moves_a_border_to_where_the_masks_have_theirs() -> None:
    # One ground varies much, the other next to not at all. Halfway between their centres is not
    # where they meet; the masks say so, and only a trained border can follow.
    rng = torch.Generator().manual_seed(0)
    wide, narrow = 1.4 * torch.randn(900, generator=rng), 4 + 0.1 * torch.randn(900, generator=rng)
    cells = torch.cat([wide, narrow])[None]
    known = (torch.arange(1800) >= 900).long()
    masks = Proposals(torch.arange(1800) // 100, 18, (900, 900))
    start = LinearModel.of_prototypes(PrototypeModel(torch.tensor([[0.0], [4.0]]), 2.0))
    trainer = _Trainer(cells, cells, masks, EMConfig(), np.random.default_rng(0))
    trained = run(trainer.train(trainer.begun(start)))
    assert float((start.nearest(cells) == known).float().mean()) < 0.97
    assert float((trained.nearest(cells) == known).float().mean()) > 0.98


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    sample = [areas(seed, noise=0.5) for seed in range(12)]
    config = replace(FEW, cells=0)
    models = [
        run(PrimapsEMSegmenter(classes=4, seed=seed, config=config).fit(sample))
        for seed in (3, 3, 4)
    ]
    assert torch.equal(models[0].directions, models[1].directions)
    assert torch.equal(models[0].gains, models[1].gains)
    assert torch.equal(models[0].offsets, models[1].offsets)
    assert not torch.equal(models[0].offsets, models[2].offsets)


def test_without_offsets_none_are_trained() -> None:
    model = run(
        PrimapsEMSegmenter(classes=3, seed=0, config=FEW_OF_THE_PAPER).fit([areas(1), areas(2)])
    )
    assert bool((model.offsets == 0).all())
    assert bool((model.gains != 1).all())


def test_training_stops_when_cells_keep_their_classes() -> None:
    window, config = areas(1, noise=0.05), replace(DEFAULT, steps=500, check=20)

    def steps_of(config: EMConfig) -> int:
        told = []
        run(PrimapsEMSegmenter(classes=3, seed=0, config=config).fit([window]), told.append)
        return sum(progress.message == "training classes" for progress in told)

    assert steps_of(config) == 20
    assert steps_of(replace(config, settled=-1)) == 500


def test_views_are_what_the_fast_classes_see() -> None:
    sample = [areas(seed) for seed in range(8)]
    segmenter = PrimapsEMSegmenter(classes=4, seed=0, config=FEW)
    plain, same = run(segmenter.fit(sample)), run(segmenter.fit(sample, list(sample)))
    assert torch.equal(plain.directions, same.directions)
    rng = torch.Generator().manual_seed(0)
    views = [
        replace(w, vectors=w.vectors + 0.3 * torch.randn(w.vectors.shape, generator=rng))
        for w in sample
    ]
    changed = run(segmenter.fit(sample, views))
    assert not torch.equal(plain.directions, changed.directions)
    assert agreement(changed.scores(areas(99).vectors).argmax(0).numpy(), truth(99)) > 0.98


def test_a_loss_that_is_no_number_names_its_step() -> None:
    sample = [areas(seed) for seed in range(3)]
    views = [replace(w, vectors=torch.full_like(w.vectors, torch.nan)) for w in sample]
    with pytest.raises(ComputeError, match="found nan in step 1 of the training"):
        run(PrimapsEMSegmenter(classes=4, seed=0).fit(sample, views))


def test_windows_without_a_valid_cell_and_of_other_sizes_are_fine() -> None:
    empty = areas(5)
    empty.valid[:] = False
    small = with_vectors(areas(6).vectors[:, :7, :11])
    model = run(
        PrimapsEMSegmenter(classes=4, seed=0, config=FEW).fit([areas(1), empty, small, areas(2)])
    )
    assert agreement(model.scores(areas(99).vectors).argmax(0).numpy(), truth(99)) > 0.98


def test_many_classes_make_small_steps() -> None:
    window = with_vectors(torch.randn(4, 64, 64, generator=torch.Generator().manual_seed(0)))
    config = replace(DEFAULT, start="directions", epochs=1, steps=3, settled=-1)
    model = run(PrimapsEMSegmenter(classes=600, seed=0, config=config).fit([window, window]))
    assert model.count == 600
    assert model.scores(window.vectors).isfinite().all()


def as_codes(window: FeatureMap, *, noise: float, seed: int = 0) -> FeatureMap:
    """Longer vectors around a mean far from 0, as a head may give them."""
    rng = torch.Generator().manual_seed(seed)
    around = torch.randn(window.vectors.shape, generator=rng)
    return replace(window, vectors=5 * (window.vectors + 0.1) + 2 + noise * around)


def probe_off(angle: float) -> torch.Tensor:
    """Centres of the four grounds as codes, each turned towards the next."""
    centres = torch.stack([as_codes(ground(i), noise=0).vectors[:, 0, 0] for i in range(4)])
    unit = torch.nn.functional.normalize(centres, dim=1)
    return unit + angle * unit.roll(1, 0)


def ground(number: int) -> FeatureMap:
    window = feature_map(np.array([[0, 1, 2, 3]]), noise=0.0)
    return with_vectors(window.vectors[:, :, number : number + 1] - 0.1)


def test_without_a_step_the_classes_are_those_of_the_probe() -> None:
    sample = [as_codes(areas(seed), noise=1.0, seed=seed) for seed in range(4)]
    centres = torch.randn(4, 6, generator=torch.Generator().manual_seed(5))
    still = replace(PROBE, steps=0)
    segmenter = PrimapsEMSegmenter(classes=4, seed=0, probe=still).with_probe(centres, sample)
    model = run(segmenter.fit(sample))
    vectors = torch.cat([window.vectors.flatten(1) for window in sample], 1)
    cosines = torch.nn.functional.cosine_similarity(centres[:, :, None], vectors[None], dim=1)
    nearest = cosines.argmax(0)
    size = torch.bincount(nearest, minlength=4)
    order = torch.argsort(size, descending=True, stable=True)
    assert len(set(size.tolist())) == 4
    assert torch.equal(order[model.scores(vectors[:, :, None])[:, :, 0].argmax(0)], nearest)


def test_masks_of_the_network_teach_a_probe_that_is_off() -> None:
    outlines = [areas(seed, noise=0.05) for seed in range(12)]
    sample = [as_codes(w, noise=0.3, seed=i) for i, w in enumerate(outlines)]
    segmenter = PrimapsEMSegmenter(classes=4, seed=0)
    new = as_codes(areas(99), noise=0.3, seed=99)

    def right(config: EMConfig) -> float:
        chosen = replace(segmenter, probe=config).with_probe(probe_off(0.8), outlines)
        return agreement(run(chosen.fit(sample)).scores(new.vectors).argmax(0).numpy(), truth(99))

    assert right(replace(PROBE, steps=0)) < 0.8
    assert right(PROBE) > 0.95


def test_masks_are_those_of_the_outlines_and_not_of_the_codes() -> None:
    outlines = [areas(seed, noise=0.05) for seed in range(6)]
    sample = [as_codes(w, noise=2.0, seed=i) for i, w in enumerate(outlines)]
    segmenter = PrimapsEMSegmenter(classes=4, seed=0, config=replace(FEW, start="probe"))
    own = run(segmenter.fit(sample, centres=probe_off(0)))
    theirs = run(segmenter.fit(sample, centres=probe_off(0), outlines=outlines))
    assert not torch.equal(own.directions, theirs.directions)
    blank = [replace(w, vectors=torch.zeros_like(w.vectors)) for w in outlines]
    untaught = run(segmenter.fit(sample, centres=probe_off(0), outlines=blank))
    unit = torch.nn.functional.normalize(probe_off(0), dim=1)
    # No mask, no lesson: only the order of the classes may differ.
    assert float((untaught.directions @ unit.T).amax(1).min()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("centres", [None, torch.ones(3, 6), torch.ones(4, 5)])
def test_the_start_of_a_probe_needs_its_centres(centres: torch.Tensor | None) -> None:
    segmenter = PrimapsEMSegmenter(classes=4, seed=0, config=PROBE)
    with pytest.raises(OptionError, match=r"expected centres of shape \(4, 6\)"):
        run(segmenter.fit([areas(1), areas(2)], centres=centres))
