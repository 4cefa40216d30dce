"""Tables of candidates in files, and those that come with the package."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from napari_firstpass.candidate_tables import BUILT_IN_TABLES
from napari_firstpass.errors import ImageReadError, TaxonomyError, UnknownNameError
from napari_firstpass.io.candidate_file import read_candidates
from napari_firstpass.io.taxonomy_file import read_taxonomy

if TYPE_CHECKING:
    from pathlib import Path

YAML = """
always: [bench]
sources:
  road: {default: road, candidates: [road, water], padding: 120}
targets:
  road: [a road]
  water: {phrases: [a river], id: 7}
  bench: [a bench]
"""


def test_yaml_and_json_are_read_alike(tmp_path: Path) -> None:
    (tmp_path / "table.yaml").write_text(YAML)
    plain = {
        "always": ["bench"],
        "sources": {"road": {"default": "road", "candidates": ["road", "water"], "padding": 120}},
        "targets": {
            "road": ["a road"],
            "water": {"phrases": ["a river"], "id": 7},
            "bench": ["a bench"],
        },
    }
    (tmp_path / "table.json").write_text(json.dumps(plain))
    found = read_candidates(tmp_path / "table.yaml")
    assert found == read_candidates(tmp_path / "table.json")
    assert (found.sources[0].padding, found.targets[1].id) == (120, 7)


@pytest.mark.parametrize("name", BUILT_IN_TABLES)
def test_built_in_tables_go_between_built_in_lists_of_classes(name: str) -> None:
    source, target = map(read_taxonomy, name.split("-"))
    choices = read_candidates(name).bound(source, target)
    assert len(choices.by_source) == 20  # with what has no class
    entries = [choices.by_source[i] for i in source.ids]
    assert all(entry.default in entry.candidates for entry in entries)


def test_the_published_lists_are_as_long_as_published() -> None:
    mapillary = read_candidates("cityscapes-mapillary")
    counts = {entry.name: len(entry.candidates) for entry in mapillary.sources}
    # methods.md 8.3 b: the lists that are no singletons.
    assert {name: count for name, count in counts.items() if count > 1} == {
        "road": 10, "sidewalk": 3, "building": 5, "wall": 7, "fence": 2, "pole": 8,
        "traffic light": 2, "traffic sign": 3, "vegetation": 2, "terrain": 5, "rider": 2, "car": 3,
        "truck": 2,
    }  # fmt: skip
    wide = {entry.name: entry.padding for entry in mapillary.sources if entry.padding != 10}
    assert wide == {
        "road": 120, "sidewalk": 80, "vegetation": 80, "terrain": 80, "sky": 80, "building": 40,
        "fence": 40, "pole": 40,
    }  # fmt: skip
    assert mapillary.always == ("Bench",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("always: &all [bench]\nsources: {}\ntargets: {}", "found the anchor &all"),
        ("sources: {road: {candidates: [x]}}\ntargets: {x: [y]}", r"found none in table.yaml"),
        ("sources: {}\nsources: {}\ntargets: {}", "'sources' twice"),
        ("sources: !!python/name:os.system {}\ntargets: {}", "found the tag"),
    ],
)
def test_files_that_are_no_such_table_are_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "table.yaml"
    path.write_text(text)
    with pytest.raises(TaxonomyError, match=said):
        read_candidates(path)


def test_a_table_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="a table of candidates at"):
        read_candidates(tmp_path / "table.yaml")
    with pytest.raises(
        UnknownNameError, match=r"out of cityscapes-mapillary, .* found 'mapillary'"
    ):
        read_candidates("mapillary")
