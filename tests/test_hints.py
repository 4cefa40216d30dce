"""Where hints lie, and what they are turned into."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_firstpass.errors import ImageContentError, OptionError, TaxonomyError
from napari_firstpass.grid import Grid
from napari_firstpass.hints import (
    SILENT,
    ArrayHints,
    HintedBlock,
    HintSet,
    NamedHints,
    cell_classes,
    chosen_blocks,
    hint_set_steps,
)
from napari_firstpass.progress import run
from napari_firstpass.taxonomy import LabelClass, Taxonomy

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROOF, TREE, LAKE = (
    LabelClass(7, "roof", "#AA0000"),
    LabelClass(3, "tree", "#00AA00", parent=7),
    LabelClass(300, "lake", "#0000AA"),
)


def hints(labels: NDArray[np.uint16], *classes: LabelClass, name: str = "a") -> NamedHints:
    source = ArrayHints(labels, Taxonomy(classes or (ROOF, TREE, LAKE)), Grid(*labels.shape))
    return NamedHints(name, lambda: nullcontext(source))


def painted(*dots: tuple[int, int, int], shape: tuple[int, int] = (300, 200)) -> NDArray[np.uint16]:
    """Return labels with 5 x 5 pixels of an id from a row and a column on."""
    labels = np.zeros(shape, np.uint16)
    for row, col, said in dots:
        labels[row : row + 5, col : col + 5] = said
    return labels


def found(*painting: NDArray[np.uint16]) -> HintSet:
    return run(hint_set_steps([(i, hints(labels)) for i, labels in enumerate(painting)]))


def test_every_block_with_hints_is_found_even_at_ragged_borders() -> None:
    labels = painted((0, 0, 7), (62, 100, 3), (295, 195, 300))
    together = found(np.zeros_like(labels) + painted((10, 10, 3)), labels)
    places = [
        (block.image, block.window.row, block.window.col, set(block.ids))
        for block in together.blocks
    ]
    assert places == [
        (0, 0, 0, {3}),
        (1, 0, 0, {7}),
        (1, 0, 64, {3}),
        (1, 64, 64, {3}),
        (1, 256, 192, {300}),
    ]
    assert (together.blocks[-1].window.height, together.blocks[-1].window.width) == (44, 8)


def test_classes_are_those_with_hints_in_order_of_ids() -> None:
    together = found(painted((0, 0, 300)), painted((0, 0, 3)))
    assert [entry.name for entry in together.classes] == ["tree", "lake"]
    ids = np.array([[0, 3], [300, 7]], np.uint16)
    assert together.indexes(ids).tolist() == [[SILENT, 0], [1, SILENT]]


def test_a_model_gets_names_and_colours_then_clusters_unlike_them() -> None:
    blue = LabelClass(1, "cluster 3", "#56b4e9")
    labels = painted((0, 0, 1), (100, 100, 3), (50, 50, 7))
    together = run(hint_set_steps([(0, hints(labels, blue, ROOF, TREE))]))
    made = together.taxonomy(6)
    assert made.ids == (1, 2, 3, 4, 5, 6)
    assert [entry.name for entry in made.classes[:3]] == ["cluster 3", "tree", "roof"]
    assert [entry.color for entry in made.classes[:3]] == ["#56b4e9", "#00AA00", "#AA0000"]
    assert made.classes[1].parent == 3
    assert len({entry.color.upper() for entry in made.classes}) == 6
    alone = run(hint_set_steps([(0, hints(painted((0, 0, 3))))])).taxonomy(2)
    assert alone.classes[0].parent is None


def test_an_id_or_a_name_must_mean_the_same_everywhere() -> None:
    here, there = hints(painted((0, 0, 3))), painted((0, 0, 3))
    other = LabelClass(3, "lawn", "#00AA00")
    with pytest.raises(TaxonomyError, match=r"class 3 to be 'tree' in all hints, found 'lawn'"):
        run(hint_set_steps([(0, here), (1, hints(there, other, name="b"))]))
    tree = LabelClass(9, "tree", "#00AA00")
    with pytest.raises(TaxonomyError, match="one id for 'tree' in all hints, found 3 and 9"):
        run(hint_set_steps([(0, here), (1, hints(painted((0, 0, 9)), tree))]))


def test_hints_that_say_nothing_are_refused_by_name() -> None:
    empty = hints(painted(), name="b_hints.tif")
    with pytest.raises(ImageContentError, match=r"hints in b_hints\.tif, found no labelled pixel"):
        run(hint_set_steps([(0, hints(painted((0, 0, 3)))), (1, empty)]))


def test_more_classes_than_a_model_is_to_have_are_refused() -> None:
    together = found(painted((0, 0, 3), (9, 9, 7), (20, 20, 300)))
    together.require_room(3)
    with pytest.raises(OptionError, match=r"at least 3 classes, .*\(tree, roof, lake\), found 2"):
        together.require_room(2)


def test_of_very_many_blocks_some_of_each_class_and_image_are_taken() -> None:
    window = found(painted((0, 0, 3))).blocks[0].window
    blocks = [HintedBlock(0, window, frozenset({1}))] * 400
    blocks += [HintedBlock(1, window, frozenset({1, 2}))] * 5
    chosen = chosen_blocks(blocks, 0, limit=20)
    assert len(chosen) == 20
    assert sum(block.image == 1 for block in chosen) == 5
    numbered = [HintedBlock(i, window, frozenset({1})) for i in range(50)]
    first = chosen_blocks(numbered, 0, limit=20)
    assert first == chosen_blocks(numbered, 0, limit=20) != chosen_blocks(numbered, 1, limit=20)
    assert [block.image for block in first] == sorted(block.image for block in first)
    assert chosen_blocks(numbered, 0, limit=50) == numbered


def test_a_cell_takes_what_most_of_its_pixels_say_and_silence_does_not_count() -> None:
    classes = np.full((6, 9), SILENT)
    classes[0, 0] = 2
    classes[0, 4:7], classes[1, 4:6] = 1, 0
    classes[4:6, 8] = [0, 1]
    assert cell_classes(classes, 4).tolist() == [[2, 1, SILENT], [SILENT, SILENT, 0]]
    assert cell_classes(np.full((8, 8), SILENT), 4).tolist() == [[SILENT] * 2] * 2
