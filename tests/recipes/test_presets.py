"""The published numbers (methods.md, 9.2b)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from napari_firstpass.errors import UnknownNameError
from napari_firstpass.recipes.presets import PRIMAPS_EM, RECIPES, SMOOSEG, recipe_of, whole_side
from napari_firstpass.recipes.reproducing import ReproduceOptions
from napari_firstpass.segmenters.primaps_em import EMConfig
from napari_firstpass.segmenters.smooseg import SmooSegConfig


def test_smooseg_is_as_published() -> None:
    given = SMOOSEG.for_patch(8).training
    assert isinstance(given, SmooSegConfig)
    assert (SMOOSEG.train_side, SMOOSEG.test_side, SMOOSEG.resize) == (224, 320, "nearest")
    assert (given.batch, given.steps, given.places) == (32, 3000, 784)
    assert (given.intra_shift, given.inter_shift, given.momentum) == (0.1, 0.5, 0.998)
    assert (given.projector_rate, given.prototype_rate) == (1e-4, 5e-4)
    assert (given.width, given.temperature, given.dropout) == (64, 0.1, 0.2)
    assert (given.groups, given.waves, given.in_turn, given.settled) == (None, None, True, 0)
    assert (SMOOSEG.published, SMOOSEG.look_every) == ({(8, 768): (0.827, 0.703)}, 400)


def test_dinov2_has_its_own_shift_and_grid() -> None:
    given = SMOOSEG.for_patch(14).training
    assert isinstance(given, SmooSegConfig)
    assert (given.intra_shift, given.places) == (0.32, 16 * 16)


def test_primaps_em_is_as_published() -> None:
    given = PRIMAPS_EM.for_patch(8).training
    assert isinstance(given, EMConfig)
    assert (PRIMAPS_EM.train_side, PRIMAPS_EM.test_side) == (320, 320)
    assert PRIMAPS_EM.resize == "bilinear"
    assert (given.batch, given.rate, given.epochs, given.steps) == (32, 5e-3, 2, 7100)
    assert (given.every, given.momentum, given.focus) == (10, 0.98, 2)
    assert (given.start, given.offsets) == ("directions", False)
    assert (given.masks.similarity, given.masks.coverage, given.masks.gain) == (0.4, 0.95, 10)
    assert PRIMAPS_EM.published == {
        (8, 384): (0.625, 0.389),
        (8, 768): (0.805, 0.670),
        (14, 384): (0.785, 0.643),
        (14, 768): (0.832, 0.711),
    }


def test_the_test_is_as_published_by_default() -> None:
    given = ReproduceOptions()
    assert (given.flip, given.crf, given.steps, given.seed) == (True, True, None, 0)
    assert not given.oracle


def test_only_the_steps_are_shortened() -> None:
    short = SMOOSEG.shortened(5)
    assert (short.training.steps, short.look_every) == (5, 5)
    assert replace(short.training, steps=3000) == SMOOSEG.training
    assert SMOOSEG.shortened(3000) == SMOOSEG == SMOOSEG.shortened(None)


@pytest.mark.parametrize(("patch", "side"), [(8, 320), (14, 322), (16, 320)])
def test_sides_are_whole_patches(patch: int, side: int) -> None:
    assert whole_side(320, patch) == side


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"potsdam3-primaps-em, potsdam3-smooseg"):
        recipe_of("potsdam")
    assert all(recipe_of(name).name == name for name in RECIPES)
