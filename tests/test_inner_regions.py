"""Regions inside classes, and the label files that hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from patience import longest_step

from napari_firstpass.errors import OutputError
from napari_firstpass.grid import Grid, Window
from napari_firstpass.inner_regions import (
    KINDS,
    broad_regions,
    inner_regions,
    inner_regions_steps,
)
from napari_firstpass.io.label_file import read_segmentation
from napari_firstpass.io.suggestion_file import SuggestionFile
from napari_firstpass.progress import run
from napari_firstpass.provenance import Provenance
from napari_firstpass.suggestions import Suggestions, key_dtype, keys_of
from napari_firstpass.taxonomy import LabelClass, Taxonomy

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SHAPE = (120, 160)
GREEN, BROWN = (0.35, 0.5, 0.3), (0.5, 0.4, 0.3)


def halves() -> NDArray[np.int64]:
    """Class 3 on the left, class 7 on the right."""
    labels = np.full(SHAPE, 3, np.int64)
    labels[:, 80:] = 7
    return labels


def picture(grain: float = 0.03, **patches: tuple[float, float, float]) -> NDArray[np.float32]:
    """Both classes in one colour each with grain; patches called ``top_left_bottom_right``."""
    image = np.empty((*SHAPE, 3))
    image[:, :80], image[:, 80:] = GREEN, BROWN
    for name, colour in patches.items():
        top, left, bottom, right = map(int, name[1:].split("_"))
        image[top:bottom, left:right] = colour
    image += np.random.default_rng(0).normal(size=image.shape) * grain
    return np.moveaxis(image.clip(0, 1), -1, 0).astype(np.float32)


@pytest.mark.parametrize(
    ("colour", "kind"),
    [((0.2, 0.3, 0.16), "darker"), ((0.6, 0.78, 0.55), "lighter"), ((0.55, 0.42, 0.3), "redder")],
)
def test_a_patch_of_another_colour_is_found_and_named(
    colour: tuple[float, float, float], kind: str
) -> None:
    found = inner_regions(halves(), picture(p20_15_70_60=colour))
    assert np.unique(found).tolist() == [0, KINDS.index(kind) + 1]
    patch = np.zeros(SHAPE, bool)
    patch[20:70, 15:60] = True
    shared = np.count_nonzero(patch & (found > 0)) / np.count_nonzero(patch | (found > 0))
    assert shared > 0.9


def test_grain_and_classes_themselves_are_no_regions() -> None:
    assert not inner_regions(halves(), picture(grain=0.1)).any()


def test_a_ramp_is_not_two_groups() -> None:
    image = picture()
    image += np.linspace(-0.2, 0.2, SHAPE[0], dtype=np.float32)[None, :, None]
    assert not inner_regions(halves(), image).any()


def test_a_difference_that_nobody_sees_is_none() -> None:
    colour = (GREEN[0] + 0.01, GREEN[1] + 0.01, GREEN[2] + 0.01)
    assert not inner_regions(halves(), picture(grain=0, p20_15_70_60=colour)).any()


def test_what_lies_off_the_labels_is_left_out() -> None:
    labels = halves()
    labels[:, :80] = 0
    assert not inner_regions(labels, picture(p20_15_70_60=(0.9, 0.9, 0.9))).any()


def test_strips_and_specks_are_not_broad() -> None:
    mask = np.zeros(SHAPE, bool)
    mask[10:50, 10:50] = True  # a square
    mask[60:66, 10:150] = True  # 6 x 140
    mask[80:84, 100:104] = True  # 16 pixels
    broad = broad_regions(np.zeros(SHAPE, np.int64), mask, 20)
    expected = np.zeros(SHAPE, bool)
    expected[10:50, 10:50] = True
    np.testing.assert_array_equal(broad, expected)


CLASSES = Taxonomy((LabelClass(3, "grass", "#112233"), LabelClass(300, "road", "#445566")))


def test_keys_tell_class_and_kind_apart() -> None:
    labels = np.array([[3, 3, 300], [300, 0, 3]], np.uint16)
    parts = np.array([[0, 2, 1], [2, 2, 2]], np.uint8)
    keys = keys_of(labels, parts, key_dtype(300))
    found = Suggestions.of([keys], CLASSES)
    assert [entry.name for entry in found.taxonomy.classes] == [
        "grass, lighter",
        "road, darker",
        "road, lighter",
    ]
    np.testing.assert_array_equal(found.labels(keys), [[0, 1, 2], [3, 0, 1]])


def test_a_file_of_suggestions_is_written_only_if_there_are_some(tmp_path: Path) -> None:
    path, grid = tmp_path / "s.tif", Grid(4, 5)
    with SuggestionFile(path, grid=grid, classes=CLASSES) as file:
        assert run(file.finish(Provenance())) == 0
    assert not list(tmp_path.iterdir())
    keys = np.zeros((2, 5), np.uint32)
    keys[1, 2:] = 300 * 256 + 1
    with SuggestionFile(path, grid=grid, classes=CLASSES) as file:
        file.write(Window(2, 0, 2, 5), keys)
        assert run(file.finish(Provenance())) == 1
    written = read_segmentation(path)
    assert [entry.name for entry in written.taxonomy.classes] == ["road, darker"]
    assert np.argwhere(written.labels).tolist() == [[3, 2], [3, 3], [3, 4]]
    with pytest.raises(OutputError, match=r"s\.tif"):
        SuggestionFile(path, grid=grid, classes=CLASSES)


def test_whoever_cancels_waits_for_no_long_step() -> None:
    labels, image = (
        np.tile(halves(), (6, 5)),
        np.tile(picture(p20_15_70_60=(0.2, 0.3, 0.16)), (6, 5)),
    )
    assert longest_step(inner_regions_steps(labels, image)) < 0.15  # all of it is 0.36
