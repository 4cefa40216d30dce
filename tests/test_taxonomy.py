from __future__ import annotations

import json

import pytest

from napari_firstpass.errors import TaxonomyError
from napari_firstpass.taxonomy import LabelClass, Taxonomy, numbered_taxonomy

ROOF = LabelClass(1, "roof", "#FF0000", aliases=("building",))
FLAT = LabelClass(7, "flat roof", "#AA0000", parent=1, export_code=2)


def test_a_taxonomy_survives_json() -> None:
    taxonomy = Taxonomy((ROOF, FLAT))
    assert Taxonomy.from_dict(json.loads(json.dumps(taxonomy.to_dict()))) == taxonomy


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ((ROOF, LabelClass(1, "tree", "#00FF00")), "every class id once, found 1"),
        ((ROOF, LabelClass(2, "roof", "#00FF00")), "every class name once, found roof"),
        ((FLAT,), "parent 1 of class 'flat roof'"),
        (
            (LabelClass(1, "a", "#000000", parent=2), LabelClass(2, "b", "#000000", parent=1)),
            "circle",
        ),
        ((LabelClass(1, "a", "#000000", parent=1),), "circle"),
    ],
)
def test_classes_that_contradict_each_other_are_refused(
    classes: tuple[LabelClass, ...], message: str
) -> None:
    with pytest.raises(TaxonomyError, match=message):
        Taxonomy(classes)


@pytest.mark.parametrize(
    ("class_id", "name", "color", "message"),
    [
        (0, "roof", "#FF0000", "0 is reserved"),
        (65_536, "roof", "#FF0000", "65535"),
        (1, " ", "#FF0000", "a class name"),
        (1, "roof", "red", "a colour like"),
        (1, "roof", "#FF00GG", "a colour like"),
    ],
)
def test_an_impossible_class_is_refused(class_id: int, name: str, color: str, message: str) -> None:
    with pytest.raises(TaxonomyError, match=message):
        LabelClass(class_id, name, color)


@pytest.mark.parametrize("data", [{}, {"classes": [{"id": 1}]}, {"classes": [{"idd": 1}]}])
def test_a_broken_class_list_is_refused_in_one_sentence(data: dict[str, object]) -> None:
    with pytest.raises(TaxonomyError, match="a list of classes with id, name and color"):
        Taxonomy.from_dict(data)


def test_colour_channels_are_red_green_blue() -> None:
    assert LabelClass(1, "x", "#0102FF").rgb == (1, 2, 255)


def test_forty_numbered_classes_have_forty_names_and_colours() -> None:
    classes = numbered_taxonomy(40).classes
    assert len({entry.name for entry in classes}) == 40
    assert len({entry.color for entry in classes}) == 40


def test_an_unknown_id_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        numbered_taxonomy(3)[4]


def test_a_thousand_classes_have_a_thousand_colours() -> None:
    assert len({entry.color for entry in numbered_taxonomy(1000).classes}) == 1000


TOWN = Taxonomy(
    (
        LabelClass(1, "built", "#FF0000"),
        LabelClass(2, "building", "#AA0000", parent=1, aliases=("house", "hut")),
        LabelClass(
            3, "flat roof", "#880000", parent=2, phrases=("a flat roof", "gravel on a roof")
        ),
        LabelClass(4, "green", "#00FF00", aliases=("hut",)),
    )
)


def test_a_class_counts_as_what_it_belongs_to() -> None:
    assert [entry.name for entry in TOWN.lineage(3)] == ["built", "building", "flat roof"]
    names = [TOWN.at_level(3, level).name for level in (1, 2, 3, 4)]
    assert names == ["built", "building", "flat roof", "flat roof"]
    assert TOWN.at_level(4, 2).name == "green"


def test_children_are_those_right_below() -> None:
    assert [entry.id for entry in TOWN.children()] == [1, 4]
    assert [entry.id for entry in TOWN.children(1)] == [2]
    assert TOWN.children(4) == ()


@pytest.mark.parametrize(
    ("name", "found"),
    [("Flat roof ", 3), ("HOUSE", 2), ("hut", None), ("tree", None), ("built", 1)],
)
def test_classes_are_found_by_name_or_by_an_alias_of_only_one(name: str, found: int | None) -> None:
    entry = TOWN.named(name)
    assert (entry and entry.id) == found


def test_phrases_survive_json_and_classes_without_any_say_nothing_of_them() -> None:
    data = json.loads(json.dumps(TOWN.to_dict()))
    assert Taxonomy.from_dict(data) == TOWN
    assert ["phrases" in entry for entry in data["classes"]] == [False, False, True, False]
