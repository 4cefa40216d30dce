from __future__ import annotations

from dataclasses import replace

import torch
from features import feature_map, stripes

from napari_firstpass.progress import run
from napari_firstpass.segmenters.primaps_em import EMConfig, PrimapsEMSegmenter
from napari_firstpass.segmenters.smooseg import SmooSegSegmenter
from napari_firstpass.training_state import FORGETFUL, State, identity_steps

SEGMENTER = PrimapsEMSegmenter(classes=4, seed=0)


def identity(segmenter: object = SEGMENTER, change: float = 0.0, valid: bool = True) -> str:
    first, second = feature_map(stripes(12, 8, 2)), feature_map(stripes(8, 12, 3))
    second.vectors[3, 5, 7] += change
    second.valid[1, 2] = valid
    return run(identity_steps(segmenter, [first, second]))


def test_the_same_fit_has_the_same_identity() -> None:
    assert identity() == identity(PrimapsEMSegmenter(classes=4, seed=0))


def test_one_number_one_gap_one_option_or_another_method_makes_another_fit() -> None:
    others = [
        replace(SEGMENTER, seed=1),
        replace(SEGMENTER, classes=5),
        replace(SEGMENTER, config=EMConfig(rate=0.021)),
        SmooSegSegmenter(classes=4, seed=0),
    ]
    found = [identity(), identity(change=1e-6), identity(valid=False), *map(identity, others)]
    assert len(set(found)) == len(found)


def test_windows_of_other_shapes_and_in_another_order_make_another_fit() -> None:
    flat = torch.zeros(2, 4, 6)
    shapes = [(4, 6), (6, 4), (3, 8)]
    windows = [feature_map(stripes(*shape, 2)) for shape in shapes]
    same = [
        replace(window, vectors=flat.reshape(2, *shape))
        for window, shape in zip(windows, shapes, strict=True)
    ]
    found = [run(identity_steps(SEGMENTER, [window])) for window in same]
    found += [run(identity_steps(SEGMENTER, windows[at:] + windows[:at])) for at in range(3)]
    assert len(set(found)) == len(found)


def test_a_state_tells_where_it_is() -> None:
    assert State("step", 340, 500, {}).place == "step 340 of 500"


def test_without_a_keeper_nothing_is_looked_at() -> None:
    asked: list[bool] = []
    FORGETFUL.keep(lambda: asked.append(True) or State("step", 1, 2, {}))
    assert FORGETFUL.restore() is None
    assert not asked
