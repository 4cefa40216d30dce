"""Labels of a large scene, of which a window is painted on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.grid import Window
from napari_firstpass.io.scene_labels import AFTER, BEFORE, SceneLabels, ScenePlaces, rarest
from napari_firstpass.io.tile_store import TileStore

if TYPE_CHECKING:
    from pathlib import Path


def some_labels() -> np.ndarray:
    small = np.random.default_rng(0).integers(1, 6, (20, 24), dtype=np.uint8)
    return np.kron(small, np.ones((16, 16), np.uint8))[:310, :370].copy()


def scene_of(labels: np.ndarray, tmp_path: Path) -> SceneLabels:
    scene = SceneLabels(TileStore(tmp_path / "scene", labels.shape, labels.dtype, 64))
    scene.fill(labels)
    return scene


def test_what_is_painted_in_a_window_is_in_the_scene_and_can_be_taken_back_from_elsewhere(
    tmp_path: Path,
) -> None:
    labels = some_labels()
    scene, before = scene_of(labels, tmp_path), labels.copy()
    scene.show(scene.load(Window(50, 60, 130, 140)))
    part = scene.part.values
    np.testing.assert_array_equal(part, labels[50:180, 60:200])
    assert scene.take_strokes() is None
    part[10:40, 20:90] = 9
    labels[60:90, 80:150] = 9
    change = scene.take_strokes()
    assert change is not None
    assert (change.pixels, change.first) == (30 * 70, (60, 80))
    np.testing.assert_array_equal(np.asarray(scene), labels)
    scene.show(scene.load(Window(70, 100, 100, 100)))  # only a part of it is seen now
    elsewhere = scene.part.values
    elsewhere[ScenePlaces(change.where)] = change.before
    np.testing.assert_array_equal(np.asarray(scene), before)
    np.testing.assert_array_equal(elsewhere, before[70:170, 100:200])
    assert scene.take_strokes() is None  # it is no stroke
    elsewhere[ScenePlaces(change.where)] = change.after
    np.testing.assert_array_equal(np.asarray(scene), labels)


def test_classes_become_others_in_all_of_the_scene_at_once_and_that_is_taken_back(
    tmp_path: Path,
) -> None:
    labels = some_labels()
    scene, before = scene_of(labels, tmp_path), labels.copy()
    scene.show(scene.load(Window(0, 0, 100, 100)))
    first = scene.reassign({1: 2, 2: 1})
    assert first.pixels == int(np.isin(before, (1, 2)).sum())
    expected = np.array([0, 2, 1, 3, 4, 5], np.uint8)[before]
    np.testing.assert_array_equal(np.asarray(scene), expected)
    np.testing.assert_array_equal(scene.part.values, expected[:100, :100])
    change = scene.change(Window(90, 40, 20, 300), np.full((20, 300), 7))
    assert change is not None
    second = scene.reassign({2: 3, 5: 0})
    scene.store.catch_up(9)  # some tiles are written meanwhile
    both = expected.copy()
    both[90:110, 40:340] = 7
    last = np.array([0, 1, 3, 3, 4, 0, 6, 7], np.uint8)[both]
    np.testing.assert_array_equal(np.asarray(scene), last)
    assert scene.counts() == {int(i): int((last == i).sum()) for i in np.unique(last)}
    part = scene.part.values
    for what, to, now in (
        (second, BEFORE, both),
        (ScenePlaces(change.where), change.before, expected),
        (first, BEFORE, before),
        (first, AFTER, expected),
        (ScenePlaces(change.where), change.after, both),
        (second, AFTER, last),
    ):
        part[what] = to
        np.testing.assert_array_equal(np.asarray(scene), now)
        np.testing.assert_array_equal(part, now[:100, :100])
        scene.store.catch_up(7)
    picture = np.array(scene.load(None).values)
    assert not scene.is_stale
    scene.look_at_all()
    np.testing.assert_array_equal(picture, scene.load(None).values)
    row, col = np.argwhere(both == 2)[0]  # a step that came later was given up: what it did stays
    scene.change(Window(int(row), int(col), 1, 1), np.full((1, 1), 9))
    part[second] = BEFORE
    both[row, col] = 9
    np.testing.assert_array_equal(np.asarray(scene), both)
    first.step.kept.give_up()
    part[first] = BEFORE  # changes nothing any more
    np.testing.assert_array_equal(np.asarray(scene), both)


def test_thin_things_are_seen_in_the_picture_of_the_whole(tmp_path: Path) -> None:
    labels = np.ones((300, 310), np.uint8)
    labels[151, :] = 2  # a line of one pixel
    labels[:, 77] = 3
    scene = scene_of(labels, tmp_path)
    scene.show(scene.load(None))
    picture = np.asarray(scene.part.values)
    assert picture.shape == (150, 155)
    assert (picture[75] != 1).all()
    assert (picture[:, 38] == 3).all()
    picture[:50] = 4  # nothing is painted on it
    assert scene.take_strokes() is None
    assert not (np.asarray(scene.part.values) == 4).any()
    scene.change(Window(10, 10, 1, 1), np.full((1, 1), 6))
    assert scene.is_stale
    scene.show(scene.load(None))
    assert scene.part.values[5, 5] == 6
    np.testing.assert_array_equal(
        rarest(np.array([[1, 1, 2], [1, 3, 2]]), 2, np.array([0, 1, 2, 3])), [[3, 2]]
    )
