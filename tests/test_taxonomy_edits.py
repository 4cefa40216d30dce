"""Edits of class lists."""

from __future__ import annotations

import pytest

from napari_firstpass.errors import TaxonomyError
from napari_firstpass.taxonomy import LabelClass, Taxonomy, numbered_taxonomy
from napari_firstpass.taxonomy_edits import (
    added,
    free_ids,
    is_cluster,
    joined,
    moved,
    recoloured,
    removed,
    renamed,
    renumbered,
    taken_over,
)

BUILT = LabelClass(1, "built", "#102030")
ROOF = LabelClass(2, "roof", "#203040", parent=1)
FLAT = LabelClass(3, "flat roof", "#304050", parent=2)
TREE = LabelClass(4, "tree", "#00FF00")
TOWN = Taxonomy((BUILT, ROOF, FLAT, TREE))


def shape(taxonomy: Taxonomy) -> list[tuple[int, int | None]]:
    return [(entry.id, entry.parent) for entry in taxonomy.classes]


def test_names_and_colours_change_and_nothing_else() -> None:
    edited = recoloured(renamed(TOWN, 4, "  oak "), 4, "#0000FF")
    assert edited[4] == LabelClass(4, "oak", "#0000FF")
    assert edited.classes[:3] == TOWN.classes[:3]
    with pytest.raises(TaxonomyError, match="roof more than once"):
        renamed(TOWN, 4, "roof")
    with pytest.raises(TaxonomyError, match="a class name"):
        renamed(TOWN, 4, "  ")


def test_a_new_class_gets_the_smallest_id_that_nothing_uses() -> None:
    few = Taxonomy((LabelClass(1, "a", "#000000"), LabelClass(3, "class 4", "#000001")))
    assert added(few).classes[-1].id == 2
    fresh = added(few, taken=[2]).classes[-1]
    assert (fresh.id, fresh.name) == (4, "class 4 2")
    assert added(few, " pond ").classes[-1].name == "pond"


def test_what_belonged_to_a_class_belongs_to_what_is_left_above_it_or_to_its_heir() -> None:
    assert shape(removed(TOWN, [2])) == [(1, None), (3, 1), (4, None)]
    assert shape(removed(TOWN, [1, 2])) == [(3, None), (4, None)]
    assert shape(removed(TOWN, [1], heir=4)) == [(2, 4), (3, 2), (4, None)]
    assert shape(removed(TOWN, [1], heir=3)) == [(2, None), (3, 2), (4, None)]


def test_classes_move_with_all_that_belongs_to_them() -> None:
    assert shape(moved(TOWN, [2], 4, "into")) == [(1, None), (3, 2), (4, None), (2, 4)]
    assert shape(moved(TOWN, [4], 1, "above")) == [(4, None), (1, None), (2, 1), (3, 2)]
    assert shape(moved(TOWN, [3], 1, "below")) == [(1, None), (3, None), (2, 1), (4, None)]
    assert shape(moved(TOWN, [2, 3], None, "into")) == [(1, None), (4, None), (2, None), (3, 2)]
    assert moved(TOWN, [4], 4, "into") == TOWN
    with pytest.raises(TaxonomyError, match="circle"):
        moved(TOWN, [1], 3, "into")


def test_classes_that_come_back_keep_their_ids_and_get_names_of_their_own() -> None:
    few = renamed(removed(TOWN, [1, 2]), 4, "roof")
    back = joined(few, [FLAT, ROOF])
    assert shape(back) == [(3, None), (4, None), (2, None)]
    assert back[2].name == "roof 2"


def test_ids_change_with_their_parents() -> None:
    assert shape(renumbered(TOWN, {1: 7, 3: 1})) == [(7, None), (2, 7), (1, 2), (4, None)]


def test_ids_run_out() -> None:
    assert free_ids(3, {1, 3}) == (2, 4, 5)
    with pytest.raises(TaxonomyError, match="at most 65535 classes"):
        free_ids(2, range(2, 65_536))


def test_clusters_are_those_that_nobody_named() -> None:
    assert all(map(is_cluster, numbered_taxonomy(3).classes))
    assert not is_cluster(renamed(numbered_taxonomy(3), 2, "cluster of trees")[2])


def test_a_list_keeps_its_ids_and_labels_make_room_for_it() -> None:
    shown = Taxonomy((*numbered_taxonomy(3).classes, LabelClass(5, "Tree", "#00FF00", parent=1)))
    taken = taken_over(shown, TOWN, reserved=[6])
    assert taken.mapping == {5: 4, 1: 7, 2: 8, 3: 9}
    assert taken.taxonomy.classes[:4] == TOWN.classes
    assert [(e.id, e.name) for e in taken.taxonomy.classes[4:]] == [
        (7, "cluster 1"),
        (8, "cluster 2"),
        (9, "cluster 3"),
    ]
    assert taken_over(Taxonomy((TREE,)), TOWN).mapping == {}
