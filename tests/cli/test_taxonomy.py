from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
from rasters import write_raster

from napari_firstpass import read_taxonomy, write_taxonomy
from napari_firstpass.cli import main
from napari_firstpass.cli.codes import DONE, SOME_FAILED, UNFIT, USAGE
from napari_firstpass.io.label_file import read_segmentation
from napari_firstpass.taxonomies import BUILT_IN
from napari_firstpass.taxonomy import LabelClass, Taxonomy

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_without_a_name_the_built_in_ones_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["taxonomy", "show"]) == DONE
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(BUILT_IN)


def test_a_tree_is_shown_as_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = Taxonomy(
        (
            LabelClass(2, "tree", "#007700", parent=9, aliases=("wood",), export_code=0),
            LabelClass(9, "plants", "#00AA00"),
        )
    )
    file = write_taxonomy(tmp_path / "a.json", tree)
    assert main(["taxonomy", "show", str(file)]) == DONE
    assert capsys.readouterr().out.splitlines() == [
        "    9  #00AA00  plants",
        "    2  #007700    tree  code 0  also: wood",
        "2 classes, labels of type uint8",
    ]
    assert main(["taxonomy", "show", str(file), "--json"]) == DONE
    assert Taxonomy.from_dict(json.loads(capsys.readouterr().out)) == tree


def test_validation_tells_each_file_and_ends_accordingly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("id,name\n1,a\n1,b\n")
    assert main(["taxonomy", "validate", "loveda"]) == DONE
    assert main(["taxonomy", "validate", str(bad)]) == UNFIT
    assert main(["taxonomy", "validate", "loveda", str(bad)]) == SOME_FAILED
    assert main(["taxonomy", "validate", "lovda"]) == USAGE
    told = capsys.readouterr()
    assert told.out.splitlines()[0] == "loveda: 7 classes, labels of type uint8"
    assert "expected every class id once, found 1 more than once in bad.csv" in told.err


def test_lists_are_converted_and_told_what_gets_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.csv"
    assert main(["taxonomy", "convert", "potsdam-3", str(out)]) == DONE
    assert read_taxonomy(out) == read_taxonomy("potsdam-3")
    assert main(["taxonomy", "convert", "potsdam-3", str(tmp_path / "a.clr")]) == DONE
    told = capsys.readouterr().err
    assert told == "firstpass: a colour map has no room for aliases, export_code, phrases\n"
    assert main(["taxonomy", "convert", str(out), str(out), "--overwrite"]) == UNFIT
    assert main(["taxonomy", "convert", "potsdam", str(out)]) == UNFIT


def test_the_classes_of_a_label_file_become_a_list(tmp_path: Path) -> None:
    values = write_raster(tmp_path / "a.tif", np.array([[[1, 6]]], np.uint8))
    labels, out = tmp_path / "labels.tif", tmp_path / "a.yaml"
    assert main(["import", str(values), "--taxonomy", "potsdam", "--out", str(labels)]) == DONE
    assert main(["taxonomy", "convert", str(labels), str(out)]) == DONE
    assert read_taxonomy(out) == read_taxonomy("potsdam")
    assert main(["taxonomy", "show", str(values)]) == UNFIT  # nobody named its classes


def test_import_reads_numbers_and_tells_their_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = write_raster(tmp_path / "a.tif", np.array([[[0, 5, 255, 77]]], np.uint8))
    command = ["import", str(values), "--preset", "potsdam-torchgeo", "--out"]
    assert main([*command, str(tmp_path / "no.tif")]) == UNFIT
    assert "found 77 (1 pixels), 1 pixels in all" in capsys.readouterr().err
    out = tmp_path / "labels.tif"
    assert main([*command, str(out), "--keep-unknown", "--json"]) == DONE
    told = json.loads(capsys.readouterr().out)
    assert {c["name"]: c["pixels"] for c in told["classes"] if c["pixels"]} == {
        "car": 1,
        "clutter": 1,
    }
    assert told["unknown_pixels"] == 1
    assert read_segmentation(out).labels.tolist() == [[6, 5, 0, 0]]
