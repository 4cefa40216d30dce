"""A fit that was interrupted finds the same classes, to the last bit, as one that was not."""

from __future__ import annotations

from dataclasses import astuple, replace
from functools import cache
from typing import TYPE_CHECKING

import pytest
import torch
from features import feature_map, stripes

from napari_firstpass.descent import DivergedError
from napari_firstpass.progress import run
from napari_firstpass.segmenters.primaps import PrimapsSegmenter
from napari_firstpass.segmenters.primaps_em import PAPER, EMConfig, PrimapsEMSegmenter
from napari_firstpass.segmenters.smooseg import DEFAULT, POTSDAM3, SmooSegSegmenter
from napari_firstpass.state_file import _packed, _unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_firstpass.features import FeatureMap
    from napari_firstpass.protocols import ClassModel, Resumable
    from napari_firstpass.training_state import State

TRAINING = ("training classes", "learning classes")
EM = EMConfig(steps=30, check=10, every=5, settled=-1, cells=0)
SMOOTH = replace(DEFAULT, groups=6, steps=30, batch=2, places=16, waves=16, settled=0.0)
MANY = 25
TRAINED: dict[str, Resumable] = {
    "primaps-em": PrimapsEMSegmenter(classes=4, seed=0, config=EM),
    "primaps-em as published": PrimapsEMSegmenter(
        classes=4, seed=1, config=replace(PAPER, steps=30, batch=2, check=10, every=5)
    ),
    "smooseg": SmooSegSegmenter(classes=4, seed=0, config=SMOOTH),
    "smooseg as published": SmooSegSegmenter(
        classes=4, seed=1, config=replace(POTSDAM3, steps=30, batch=2, places=16)
    ),
}
every_training = pytest.mark.parametrize("segmenter", TRAINED.values(), ids=TRAINED)


def windows(size: float = 1.0) -> list[FeatureMap]:
    # Fewer features, and sums are the same in any order: a state laid out otherwise goes unseen.
    drawn = [feature_map(stripes(20, 20, n), dims=24, noise=0.3) for n in (3, 4, 3, 4, 4)]
    return [replace(window, vectors=size * (window.vectors - 0.1)) for window in drawn]


class Kept:
    """Keeps every state, as the bytes that a file would hold."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = content

    def restore(self) -> State | None:
        return _unpacked(self.content, "m.state")[1] if self.content else None

    def keep(self, state: Callable[[], State]) -> None:
        self.content = _packed(state(), "this fit")

    @property
    def place(self) -> str:
        state = self.restore()
        return "" if state is None else state.place


def stop(
    segmenter: Resumable, sample: Sequence[FeatureMap], keeper: Kept, at: tuple[str, int]
) -> None:
    """Fit until a message came so many times, then stop in the middle."""
    steps, seen = segmenter.fit(sample, keeper=keeper), 0
    for progress in steps:
        seen += progress.message == at[0]
        if seen == at[1]:
            break
    else:
        pytest.fail("ended before")
    steps.close()


def numbers(model: ClassModel) -> list[bytes]:
    parts = astuple(model)
    return [p.numpy().tobytes() if isinstance(p, torch.Tensor) else repr(p).encode() for p in parts]


@cache
def uninterrupted(segmenter: Resumable) -> list[bytes]:
    """What a fit finds that nobody stops."""
    return numbers(run(segmenter.fit(windows())))


def message(segmenter: Resumable) -> str:
    return TRAINING[isinstance(segmenter, SmooSegSegmenter)]


@every_training
def test_it_is_the_same_after_one_step_and_after_some(segmenter: Resumable) -> None:
    whole = uninterrupted(segmenter)
    for steps in (1, 20):
        keeper = Kept()
        stop(segmenter, windows(), keeper, (message(segmenter), steps + 1))
        assert keeper.place == f"step {steps} of 30"
        assert numbers(run(segmenter.fit(windows(), keeper=Kept(keeper.content)))) == whole


@every_training
def test_it_is_the_same_after_many_interruptions(segmenter: Resumable) -> None:
    keeper = Kept()
    for more in (1, 2, 3, 13):
        stop(segmenter, windows(), keeper, (message(segmenter), more + 1))
    assert keeper.place == "step 19 of 30"
    found = numbers(run(segmenter.fit(windows(), keeper=keeper)))
    assert found == uninterrupted(segmenter)


@every_training
def test_it_goes_on_and_does_not_begin_again(segmenter: Resumable) -> None:
    keeper, seen = Kept(), []
    stop(segmenter, windows(), keeper, (message(segmenter), MANY + 1))
    run(segmenter.fit(windows(), keeper=keeper), lambda progress: seen.append(progress.message))
    assert seen.count(message(segmenter)) == 30 - MANY
    assert "proposing masks" not in seen


PROPOSING: dict[str, Resumable] = {
    "primaps": PrimapsSegmenter(classes=4, seed=0),
    "primaps-em": TRAINED["primaps-em"],
}


@pytest.mark.parametrize("name", PROPOSING)
def test_masks_that_were_proposed_are_not_proposed_again(name: str) -> None:
    segmenter, keeper, seen = PROPOSING[name], Kept(), []
    stop(segmenter, windows(), keeper, ("proposing masks", 4))
    assert keeper.place == "window 3 of 5"
    again = segmenter.fit(windows(), keeper=keeper)
    found = run(again, lambda progress: seen.append(progress.message))
    assert seen.count("proposing masks") == 2
    assert numbers(found) == uninterrupted(segmenter)


SETTLING = {
    "primaps-em": PrimapsEMSegmenter(classes=4, seed=0, config=EMConfig(steps=200, check=20)),
    "smooseg": SmooSegSegmenter(
        classes=4, seed=0, config=replace(SMOOTH, steps=200, settled=DEFAULT.settled)
    ),
}


@pytest.mark.parametrize("name", SETTLING)
def test_a_fit_that_stops_early_stops_at_the_same_step(name: str) -> None:
    segmenter, calm = SETTLING[name], [feature_map(stripes(24, 24, 4), noise=0.05)] * 3
    seen, again, keeper = [], [], Kept()
    whole = run(segmenter.fit(calm), lambda progress: seen.append(progress.message))
    steps = seen.count(message(segmenter))
    assert 15 < steps < 200
    stop(segmenter, calm, keeper, (message(segmenter), 11))
    resumed = segmenter.fit(calm, keeper=keeper)
    assert numbers(run(resumed, lambda p: again.append(p.message))) == numbers(whole)
    assert again.count(message(segmenter)) == steps - 10


DIVERGING = {
    "primaps-em": PrimapsEMSegmenter(classes=4, seed=0, config=replace(EM, rate=1e37)),
    "smooseg": SmooSegSegmenter(
        classes=4, seed=0, config=replace(SMOOTH, projector_rate=1e38, prototype_rate=1e38)
    ),
}


@pytest.mark.parametrize("name", DIVERGING)
def test_steps_that_are_too_large_end_with_method_and_step_and_leave_the_state_before(
    name: str,
) -> None:
    segmenter, keeper = DIVERGING[name], Kept()
    with pytest.raises(DivergedError, match=f"of the training of {name}; try another seed") as one:
        run(segmenter.fit(windows(), keeper=keeper))
    assert 1 < one.value.step < 30
    assert keeper.place == f"step {one.value.step - 1} of 30"
    with pytest.raises(DivergedError) as other:
        run(segmenter.fit(windows(), keeper=keeper))
    assert other.value.step == one.value.step


@pytest.mark.parametrize("name", ["primaps-em", "smooseg"])
def test_numbers_too_large_to_compute_with_are_told_and_not_kept(name: str) -> None:
    keeper = Kept()
    with pytest.raises(DivergedError, match=f"in step 1 of the training of {name}"):
        run(TRAINED[name].fit(windows(1e30), keeper=keeper))
    assert "step" not in keeper.place
