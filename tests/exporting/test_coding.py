from __future__ import annotations

import numpy as np
import pytest

from napari_firstpass.errors import OptionError, TaxonomyError, UnknownNameError
from napari_firstpass.exporting.coding import coding_of
from napari_firstpass.exporting.rules import Coding, ExportRules, WrittenClass
from napari_firstpass.taxonomy import LabelClass, Taxonomy, numbered_taxonomy

TREE = Taxonomy(
    (
        LabelClass(1, "plants", "#00AA00"),
        LabelClass(2, "oak", "#00CC00", parent=1),
        LabelClass(3, "grass", "#00FF00", parent=1),
        LabelClass(4, "house", "#0000FF", aliases=("building",)),
    )
)
IDS = np.array([[0, 1, 2, 3, 4]], np.uint8)


def codes(taxonomy: Taxonomy, **rules: object) -> list[int]:
    coding = coding_of(taxonomy, ExportRules(**rules))  # type: ignore[arg-type]
    return coding.of(IDS)[0].tolist()


def test_ids_are_codes_and_unlabelled_is_ignored_unless_asked_otherwise() -> None:
    assert codes(TREE) == [255, 1, 2, 3, 4]
    assert codes(TREE, keep_unlabelled=True) == [0, 1, 2, 3, 4]
    assert codes(TREE, ignore=0) == [0, 1, 2, 3, 4]


def test_a_level_of_the_tree_puts_children_with_their_parents() -> None:
    assert codes(TREE, level=1) == [255, 1, 1, 1, 4]
    written = coding_of(TREE, ExportRules(level=1)).classes
    assert [(c.name, c.sources) for c in written] == [("plants", (1, 2, 3)), ("house", (4,))]
    assert coding_of(TREE, ExportRules()).classes[1].parents == ("plants",)


def test_codes_of_ones_own_hold_for_what_belongs_to_a_class() -> None:
    own = (("plants", 7), ("oak", 8))
    assert codes(TREE, codes=own) == [255, 7, 8, 7, 255]
    assert coding_of(TREE, ExportRules(codes=own)).dropped == (4,)


def test_presets_find_classes_by_name_alias_and_parent() -> None:
    # Potsdam has no oak; its parent "tree" is what counts.
    named = Taxonomy(
        (
            LabelClass(1, "Road", "#111111"),
            LabelClass(2, "tree", "#222222"),
            LabelClass(3, "oak", "#333333", parent=2),
            LabelClass(4, "house", "#444444", aliases=("building",)),
        )
    )
    assert codes(named, preset="potsdam-mmseg") == [0, 1, 4, 4, 2]
    assert codes(named, preset="potsdam-torchgeo") == [255, 1, 4, 4, 2]
    assert codes(named, preset="loveda") == [0, 3, 6, 6, 2]


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("potsdam-mmseg", [1, 2, 3, 4, 5, 6]),
        ("potsdam-torchgeo", [1, 2, 3, 4, 5, 0]),
    ],
)
def test_the_two_readers_of_potsdam_count_differently(preset: str, expected: list[int]) -> None:
    names = ("impervious_surface", "building", "low_vegetation", "tree", "car", "clutter")
    potsdam = Taxonomy(tuple(LabelClass(i, n, "#101010") for i, n in enumerate(names, start=1)))
    coding = coding_of(potsdam, ExportRules(preset=preset))
    assert coding.of(np.array([[1, 2, 3, 4, 5, 6]], np.uint8))[0].tolist() == expected


def test_colours_of_isprs_are_those_that_it_published() -> None:
    coding = coding_of(TREE, ExportRules(preset="isprs-rgb", allow_loss=True))
    shown = coding.colors_of(coding.of(IDS))
    # Unlabelled, plants and oak are unknown to Potsdam; grass is low vegetation, house building.
    assert shown[:, 0].T.tolist() == [[0, 0, 0]] * 3 + [[0, 255, 255], [0, 0, 255]]


def test_many_classes_are_written_in_sixteen_bits_and_ignored_where_no_class_is() -> None:
    assert coding_of(numbered_taxonomy(254), ExportRules()).dtype == np.uint8
    coding = coding_of(numbered_taxonomy(300), ExportRules())
    assert (coding.dtype, coding.ignore) == (np.uint16, 65535)


def test_classes_share_a_code_only_where_both_were_given_it() -> None:
    def pair(second: int | None) -> Taxonomy:
        return Taxonomy(
            (
                LabelClass(1, "a", "#111111", export_code=2),
                LabelClass(2, "b", "#222222", export_code=second),
            )
        )

    assert coding_of(pair(2), ExportRules()).classes[0].sources == (1, 2)
    with pytest.raises(TaxonomyError, match="found 2 for 'a' and 'b'; give 'b' another code"):
        coding_of(pair(None), ExportRules())


def test_codes_that_mean_two_things_are_refused() -> None:
    with pytest.raises(TaxonomyError, match="found 4, the code of what is ignored"):
        coding_of(TREE, ExportRules(ignore=4))
    with pytest.raises(TaxonomyError, match="found 0, the code of unlabelled pixels"):
        coding_of(TREE, ExportRules(codes=(("house", 0),), keep_unlabelled=True))
    with pytest.raises(TaxonomyError, match="found 0, the code of"):
        coding_of(TREE, ExportRules(ignore=0, keep_unlabelled=True))
    twice = (WrittenClass(1, "a", "#000000", (1,)), WrittenClass(1, "b", "#000000", (2,)))
    with pytest.raises(TaxonomyError, match="found 1 for several"):
        Coding(twice, 255)


def test_names_that_do_not_exist_are_refused() -> None:
    with pytest.raises(TaxonomyError, match="found 'pond'"):
        coding_of(TREE, ExportRules(codes=(("pond", 3),)))
    with pytest.raises(UnknownNameError, match="a preset out of isprs-rgb, loveda"):
        coding_of(TREE, ExportRules(preset="mars"))
    with pytest.raises(OptionError, match="found both"):
        ExportRules(preset="loveda", codes=(("oak", 1),))
    with pytest.raises(OptionError, match="min_confidence in"):
        ExportRules(min_confidence=300)
