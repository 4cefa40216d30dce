"""How labels may choose the step, and what is written of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from potsdam import write_mat

from napari_firstpass.io.potsdam import potsdam_steps
from napari_firstpass.progress import run
from napari_firstpass.recipes.feature_store import Keeping, Room
from napari_firstpass.recipes.presets import PRIMAPS_EM, SMOOSEG
from napari_firstpass.recipes.reproducing import ReproduceOptions, _Network, _Run
from networks import mean_colours

if TYPE_CHECKING:
    from pathlib import Path

    from napari_firstpass.recipes.presets import Recipe

PLAIN = ReproduceOptions(device="cpu", test_side=64, flip=False, crf=False)


@pytest.mark.parametrize(
    ("recipe", "rates"),
    [
        (SMOOSEG, {"prototype_rate": 0.1, "projector_rate": 0.1, "momentum": 0.2}),
        (PRIMAPS_EM, {"rate": 0.5, "every": 1}),
    ],
)
def test_labels_choose_the_best_of_the_steps_they_are_shown(
    tmp_path: Path, recipe: Recipe, rates: dict[str, float]
) -> None:
    for number in range(4):
        write_mat(tmp_path, number, side=64)
    images = run(potsdam_steps(tmp_path))
    # Rates so large that the steps differ.
    fast = replace(recipe, train_side=64, training=replace(recipe.training, **rates))
    fast = replace(fast.for_patch(8), look_every=2)

    def done(steps: int, *, oracle: bool) -> tuple[_Run, float]:
        keeping = Keeping("colours", None, Room(10**7), Room(0))
        options = replace(PLAIN, oracle=oracle)
        network = _Network(mean_colours(0.4, 0.1), "0" * 64, keeping)
        of = _Run(fast.shortened(steps), images, network, options)
        classes = run(of.train())
        return of, run(of.judge.steps(classes, crf=False)).scores.miou

    chosen, figure = done(6, oracle=True)
    figures = {steps: done(steps, oracle=False)[1] for steps in (2, 4, 6)}
    best = max(figures, key=lambda steps: figures[steps])
    assert len({*figures.values()}) > 1
    assert chosen.best is not None
    assert chosen.best.step == best
    assert figure == figures[best]
