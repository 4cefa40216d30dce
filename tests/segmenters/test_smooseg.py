"""The facts about SmooSeg on which the implementation rests (methods.md, section 7)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from features import agreement, feature_map, stripes, with_vectors
from torch.nn import functional

from napari_firstpass.errors import ComputeError
from napari_firstpass.feature_scaling import valid_vectors
from napari_firstpass.progress import run
from napari_firstpass.projection import Projector
from napari_firstpass.segmenters.smooseg import (
    DEFAULT,
    POTSDAM3,
    DivergedError,
    Look,
    SmooSegConfig,
    SmooSegSegmenter,
    _changed,
    _labels,
    _Signal,
    _State,
    _Training,
    _Windows,
)

if TYPE_CHECKING:
    from napari_firstpass.progress import Steps
    from napari_firstpass.projection import ProjectedModel

QUICK = replace(DEFAULT, steps=30)
SMALL = replace(QUICK, batch=2)


def windows(noise: float = 0.2) -> list[torch.Tensor]:
    return [feature_map(stripes(24, 24, n), noise=noise).vectors.flatten(1) for n in (3, 4, 3)]


def training(config: SmooSegConfig = QUICK, groups: int = 4) -> _Training:
    cells = windows()
    rng = torch.Generator().manual_seed(0)
    projector = Projector.drawn(6, config.width, rng)
    drawn = functional.normalize(torch.randn(groups, config.width, generator=rng))
    start = _State(projector, drawn, drawn, 0.1)
    probe = torch.cat(cells, 1).T
    return _Training.of(start, _Windows(cells, config, rng), _Signal.of(probe, config, rng))


def learned(under_way: _Training) -> list[torch.Tensor]:
    return [*under_way.projector.tensors, under_way.student]


@pytest.mark.parametrize("config", [QUICK, POTSDAM3])
def test_smoothness_trains_the_projector_alone_and_data_the_prototypes_alone(
    config: SmooSegConfig,
) -> None:
    under_way = training(config)
    smooth, data = under_way.energy(under_way.windows.batch(50))
    by_smooth = torch.autograd.grad(smooth, learned(under_way), allow_unused=True)
    by_data = torch.autograd.grad(data, learned(under_way), allow_unused=True)
    assert by_smooth[-1] is None
    assert all(found is not None and bool(found.any()) for found in by_smooth[:-1])
    assert by_data[-1] is not None
    assert bool(by_data[-1].any())
    assert not any(found is not None for found in by_data[:-1])


def test_the_teacher_follows_the_student_of_the_step_before() -> None:
    under_way = training(replace(QUICK, momentum=0.9, prototype_rate=0.05))
    expected = under_way.teacher
    for _ in range(5):
        student = under_way.student.detach().clone()
        assert under_way.step()
        expected = 0.9 * expected + 0.1 * student
        torch.testing.assert_close(under_way.teacher, expected)
        assert not torch.equal(under_way.student, student)


def test_the_published_constants() -> None:
    given = POTSDAM3
    assert (given.intra_shift, given.inter_shift) == (0.1, 0.5)
    assert (given.width, given.temperature, given.momentum) == (64, 0.1, 0.998)
    assert (given.projector_rate, given.prototype_rate) == (1e-4, 5e-4)
    assert (given.dropout, given.steps, given.batch, given.places) == (0.2, 3000, 32, 28 * 28)


@pytest.mark.parametrize(("features", "parameters"), [(768, 689_024), (384, 197_120)])
def test_the_projector_has_the_published_size(features: int, parameters: int) -> None:
    drawn = Projector.drawn(features, 64, torch.Generator().manual_seed(0))
    assert sum(tensor.numel() for tensor in drawn.tensors) == parameters


def test_the_lifted_start_tells_vectors_of_one_direction_apart_by_length() -> None:
    start = Projector.lifted(3, 8, 1.0, torch.Generator().manual_seed(0))
    codes = start.codes(torch.tensor([[0.1, 1.0, 3.0], [0, 0, 0], [0, 0, 0]]))
    assert float((codes[:, 0] * codes[:, 1]).sum()) < 0.9
    cosines = codes.T @ codes
    assert float(cosines[0, 1]) > float(cosines[0, 2])


def test_whole_features_are_left_out_anew_for_each_use() -> None:
    drawn = _Windows(windows(), replace(QUICK, dropout=0.5), torch.Generator().manual_seed(0))
    batch = torch.ones(200, 6, 9)
    one, other = drawn.dropped(batch), drawn.dropped(batch)
    assert set(one.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(one.amin(2), one.amax(2))
    assert not torch.equal(one, other)
    assert float(one.mean()) == pytest.approx(1, abs=0.1)


def test_a_window_never_meets_itself() -> None:
    drawn = _Windows(windows(), QUICK, torch.Generator().manual_seed(0))
    turns = {drawn.turn(torch.zeros(3, 1, 1)) for _ in range(50)}
    assert turns == {1, 2}


def test_in_turn_no_window_comes_again_before_all_have_come() -> None:
    config = replace(POTSDAM3, batch=3)
    drawn = _Windows([torch.full((1, 4), n) for n in range(10)], config, torch.Generator())
    for _ in range(4):
        turn = [int(window[0, 0]) for _ in range(3) for window in drawn.batch(4)]
        assert len(set(turn)) == 9


def test_all_places_are_looked_at_where_there_are_just_so_many() -> None:
    cells = windows()
    drawn = _Windows(cells, POTSDAM3, torch.Generator().manual_seed(0))
    found = drawn.batch(576)
    assert all(any(torch.equal(window, own) for own in cells) for window in found)
    assert all(len(window[0].unique()) < 576 for window in drawn.batch(575))


def test_windows_may_be_read_when_they_are_looked_at() -> None:
    maps = [feature_map(stripes(24, 24, n), noise=0.2) for n in (3, 4, 3)]
    segmenter = SmooSegSegmenter(classes=3, seed=0, config=QUICK)
    held = run(segmenter.fit(maps))

    class Reading:
        def __len__(self) -> int:
            return len(maps)

        def __getitem__(self, index: int) -> torch.Tensor:
            return maps[index].vectors.flatten(1).clone()

    read = run(segmenter.fit_cells(Reading(), valid_vectors(maps)))
    assert torch.equal(read.prototypes, held.prototypes)
    assert all(map(torch.equal, read.projector.tensors, held.projector.tensors))


def test_looks_come_in_turn_and_change_nothing() -> None:
    cells = windows()
    some = torch.cat(cells, 1).T
    segmenter = SmooSegSegmenter(classes=3, seed=0, config=replace(POTSDAM3, steps=6, places=64))
    looked: list[tuple[int, torch.Tensor]] = []

    def at(step: int, classes: ProjectedModel) -> Steps[None]:
        looked.append((step, classes.direct))
        yield from ()

    model = run(segmenter.fit_cells(cells, some, Look(2, at)))
    assert [step for step, _ in looked] == [2, 4, 6]
    assert torch.equal(looked[-1][1], model.direct)
    assert not torch.equal(looked[0][1], model.direct)
    assert torch.equal(run(segmenter.fit_cells(cells, some)).direct, model.direct)


def test_labels_cut_off_only_what_is_nothing() -> None:
    logits = torch.tensor([[[3.0], [2.0], [-400.0]]])
    exact = functional.normalize(logits.softmax(1), dim=1)
    torch.testing.assert_close(_labels(logits), exact, atol=1e-8, rtol=0)
    assert float(_labels(logits).min()) > torch.finfo(torch.float32).tiny


def test_the_published_preset_finds_separate_areas() -> None:
    # Fewer and larger steps of the projector: a made-up window is no data set.
    quick = replace(POTSDAM3, steps=200, projector_rate=3e-3, places=64, batch=4)
    drawn = feature_map(stripes(24, 24, 3)).vectors
    window = with_vectors(3 * (drawn - drawn.mean((1, 2), keepdim=True)))
    model = run(SmooSegSegmenter(classes=3, seed=0, config=quick).fit([window] * 4))
    found = model.scores(window.vectors).argmax(0).numpy()
    assert agreement(found, stripes(24, 24, 3)) > 0.95


def test_areas_are_found_in_noise_and_in_a_single_window() -> None:
    window = feature_map(stripes(48, 48, 4), noise=0.25)
    model = run(SmooSegSegmenter(classes=4, seed=0).fit([window]))
    assert agreement(model.scores(window.vectors).argmax(0).numpy(), stripes(48, 48, 4)) > 0.9


def test_a_rare_area_far_off_keeps_its_class() -> None:
    ids = stripes(40, 40, 2)
    ids[:3, :4] = 2
    window = feature_map(ids)
    model = run(SmooSegSegmenter(classes=3, seed=0).fit([window, window]))
    assert agreement(model.scores(window.vectors).argmax(0).numpy(), ids) > 0.99


def test_training_ends_when_labels_no_longer_change() -> None:
    window = feature_map(stripes(32, 32, 3), noise=0.02)
    looks = []
    segmenter = SmooSegSegmenter(classes=3, seed=0, config=replace(DEFAULT, steps=2000))
    for progress in segmenter.fit([window] * 3):
        looks += [progress] if progress.message == "learning classes" else []
    assert len(looks) < 1000


def test_classes_that_only_change_their_number_did_not_change() -> None:
    before = torch.tensor([0, 0, 0, 1, 1, 2])
    assert _changed(before, (before + 1) % 3, 3) == 0
    assert _changed(before, torch.tensor([0, 0, 1, 1, 1, 2]), 3) == pytest.approx(1 / 6)


def test_a_loss_that_is_no_number_stops_with_the_step_and_the_last_good_state() -> None:
    config = replace(QUICK, batch=2, intra_shift=0.1, inter_shift=0.5, settled=0.0)
    under_way = training(config, groups=3)
    broken = [*windows(), torch.full((6, 9), torch.nan)]
    under_way.windows = replace(under_way.windows, cells=broken)
    cells = torch.cat(windows(), 1).T
    segmenter = SmooSegSegmenter(classes=3, seed=0, config=config)
    expected = first_step_with(3, of=len(broken), rng=under_way.windows.rng)
    assert 1 < expected < QUICK.steps
    with pytest.raises(DivergedError, match=f"found none in step {expected} of") as caught:
        run(segmenter._train(under_way, cells, cells))
    assert isinstance(caught.value, ComputeError)
    assert caught.value.step == expected
    scores = caught.value.last_good.scores(feature_map(stripes(24, 24, 3)).vectors)
    torch.testing.assert_close(scores.sum(0), torch.ones(24, 24))


def first_step_with(window: int, *, of: int, rng: torch.Generator) -> int:
    """Return the first step that draws a window, of two, as `_Windows` will draw them."""
    ahead = torch.Generator().manual_seed(0)
    ahead.set_state(rng.get_state())
    drawn = _Windows([torch.full((1, 1), float(i)) for i in range(of)], SMALL, ahead)
    for step in range(1, QUICK.steps):
        batch = drawn.batch(SMALL.places)
        if window in batch[:, 0, 0].tolist():
            return step
        drawn.turn(batch)
    return QUICK.steps


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    window = feature_map(stripes(), noise=0.5)
    fits = [run(SmooSegSegmenter(classes=3, seed=s, config=QUICK).fit([window])) for s in (1, 1, 2)]
    said = [
        b"".join(t.numpy().tobytes() for t in (*m.projector.tensors, m.prototypes)) for m in fits
    ]
    assert said[0] == said[1] != said[2]
    assert fits[0].temperature == fits[1].temperature


def test_a_window_without_data_is_passed_over() -> None:
    window = feature_map(stripes(24, 24, 3))
    empty = with_vectors(torch.full_like(window.vectors, 1e6))
    empty.valid[:] = False
    model = run(SmooSegSegmenter(classes=3, seed=0, config=QUICK).fit([empty, window]))
    assert agreement(model.scores(window.vectors).argmax(0).numpy(), stripes(24, 24, 3)) > 0.98


def test_more_features_than_fit_are_allowed() -> None:
    window = feature_map(stripes(24, 24, 3), dims=90)
    model = run(SmooSegSegmenter(classes=3, seed=0, config=QUICK).fit([window]))
    assert model.scores(window.vectors).shape == (3, 24, 24)


def test_scores_of_a_large_window_are_those_of_its_parts() -> None:
    window = feature_map(stripes(24, 24, 3))
    model = run(SmooSegSegmenter(classes=3, seed=0, config=QUICK).fit([window]))
    wide = window.vectors.repeat(1, 8, 10)
    torch.testing.assert_close(model.scores(wide)[:, :24, -24:], model.scores(window.vectors))
