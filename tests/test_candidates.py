"""What classes may be in another list: read, bound to two lists, and refused."""

from __future__ import annotations

from typing import Any

import pytest

from napari_firstpass.candidates import CandidateTable, open_choices
from napari_firstpass.errors import TaxonomyError
from napari_firstpass.taxonomy import LabelClass, Taxonomy

TABLE: dict[str, Any] = {
    "about": "three classes",
    "always": ["bench"],
    "sources": {
        "road": {"default": "street", "candidates": ["street", "water"], "padding": "120"},
        "car": {"default": "car", "aliases": ["vehicle"]},
    },
    "targets": {
        "street": {"phrases": ["a street", "asphalt"], "aliases": ["road"]},
        "water": ["a river"],
        "car": ["a car"],
        "bench": {"phrases": ["a bench"], "id": 9},
    },
}


def classes(*names: str, start: int = 1, **aliases: tuple[str, ...]) -> Taxonomy:
    return Taxonomy(
        tuple(
            LabelClass(number, name, "#000000", aliases=aliases.get(name, ()))
            for number, name in enumerate(names, start=start)
        )
    )


SOURCE = classes("Road", "vehicle")
TARGET = classes("water", "Road", "bench", "car", start=7)


def without(key: str, inner: str) -> dict[str, Any]:
    part = {name: said for name, said in TABLE[key].items() if name != inner}
    return {**TABLE, key: part}


def with_source(**said: object) -> dict[str, Any]:
    return {**TABLE, "sources": {**TABLE["sources"], "road": said}}


def test_names_and_aliases_become_ids_of_both_lists() -> None:
    choices = CandidateTable.parse(TABLE).bound(SOURCE, TARGET)
    assert choices.by_source[1].default == 8  # street is an alias of the table's for Road
    assert choices.of(1) == (8, 7, 9)
    assert choices.of(2) == (10, 9)
    assert choices.of(0) == (9,)
    assert choices.by_source[0].default == 0
    assert [choices.by_source[i].padding for i in (1, 2)] == [120, 10]
    assert choices.phrases[8] == ("a street", "asphalt")
    assert choices.compared == (7, 8, 9, 10)


def test_without_a_table_every_class_may_be_any_and_stands_for_its_name() -> None:
    target = Taxonomy(
        (LabelClass(4, "road", "#000000", phrases=("a street",)), *classes("tree").classes)
    )
    choices = open_choices(classes("cluster 1", "ROAD"), target)
    assert [choices.of(i) for i in range(3)] == [(4, 1)] * 3
    assert [choices.by_source[i].default for i in range(3)] == [0, 0, 4]
    assert choices.phrases == {4: ("a street",), 1: ("tree",)}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "a table of candidates as names"),
        ({**TABLE, "classes": {}}, "found 'classes'"),
        ({"sources": {}}, "found no targets"),
        (with_source(candidates=["street"]), "a default for the class 'road', found none"),
        (with_source(default="water", candidates=["street"]), "default of 'road' among its cand"),
        (with_source(default="street", candidates="street"), "candidates of 'road' as a list"),
        (with_source(default="street", padding=-1), "padding of 0 pixels or more for 'road'"),
        (with_source(default="street", padding=True), "whole number as the padding of 'road'"),
        (without("targets", "water"), "phrases for every candidate.* none for 'water'"),
        ({**TABLE, "always": ["sky"]}, "none for 'sky'"),
        (
            {**TABLE, "targets": {**TABLE["targets"], "water": []}},
            "phrases for the cand.* found none",
        ),
        ({**TABLE, "targets": {**TABLE["targets"], "water": [" "]}}, "found an empty one"),
        ({**TABLE, "targets": {**TABLE["targets"], "water": [3]}}, "phrases of 'water' as a list"),
        (
            {**TABLE, "targets": {"water": {"phrases": ["x"], "id": "3.0"}}},
            "number as the id of 'water'",
        ),
    ],
)
def test_a_table_that_leaves_something_open_is_refused(content: object, said: str) -> None:
    with pytest.raises(TaxonomyError, match=said):
        CandidateTable.parse(content)


def test_lists_that_a_table_does_not_fit_are_refused() -> None:
    table = CandidateTable.parse(TABLE)
    with pytest.raises(TaxonomyError, match=r"default for every class .* none for 'sky'"):
        table.bound(classes("road", "sky"), TARGET)
    with pytest.raises(TaxonomyError, match="an id for the candidate 'water' in the class list"):
        table.bound(SOURCE, classes("Road", "bench", "car"))
    with pytest.raises(TaxonomyError, match=r"the id 9 for 'bench', .* found 2 in the class list"):
        table.bound(SOURCE, classes("Road", "bench", "car", "water"))
