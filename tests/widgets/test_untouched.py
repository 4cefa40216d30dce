"""Where labels of a large scene are as they were made."""

from __future__ import annotations

import numpy as np

from napari_firstpass.grid import Window
from napari_firstpass.io.tile_store import TileStore
from napari_firstpass.widgets.scene import MadeTiles
from napari_firstpass.widgets.untouched import Untouched

LABELS = np.kron(np.arange(1, 17, dtype=np.uint8).reshape(4, 4), np.ones((64, 64), np.uint8))


def store_of(labels: np.ndarray) -> TileStore:
    store = TileStore(None, labels.shape, labels.dtype, 64)
    store.take(labels)
    return store


def same(known: Untouched, made: MadeTiles, now: TileStore) -> np.ndarray:
    found = [known.within(made, now, window) for window in now.windows()]
    return np.reshape(found, (4, 4))


def test_tiles_are_untouched_until_somebody_paints_whatever_classes_became() -> None:
    now, known = store_of(LABELS), Untouched()
    made, touched = MadeTiles(now.copy()), np.zeros((4, 4), np.bool_)
    assert same(known, made, now).all()
    now.write(Window(70, 130, 3, 100), np.full((3, 100), 20, np.uint8))
    touched[1, 2:] = True
    np.testing.assert_array_equal(same(known, made, now), ~touched)
    step = now.replace_classes({3: 5, 5: 3})  # of a person, as a whole: nothing was painted
    renamed = made.reassigned({3: 5, 5: 3})
    for behind in (16, 7, 0):
        assert now.is_behind == bool(behind)
        np.testing.assert_array_equal(same(known, renamed, now), ~touched)
        others = touched.copy()
        others[0, 2] = others[1, 0] = True
        np.testing.assert_array_equal(same(known, made, now), ~others)
        now.catch_up(9)
    assert now.take_back(step)
    np.testing.assert_array_equal(same(known, made, now), ~touched)
    now.write(Window(64, 128, 64, 128), LABELS[64:128, 128:])
    assert same(known, made, now).all()
    assert not same(known, made, store_of(LABELS + 1)).any()  # another scene
