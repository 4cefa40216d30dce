"""``--classes auto``: the images decide how many classes there are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from features import agreement
from grounds import GROUNDS, campaign, tile_files, write_tile

import napari_firstpass
from napari_firstpass.cli import main
from napari_firstpass.cli.codes import DONE, UNFIT, USAGE
from napari_firstpass.config import SegmentConfig
from napari_firstpass.io.label_file import read_segmentation
from napari_firstpass.model_file import read_model

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = SegmentConfig(method="kmeans", device="cpu")


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return tile_files(tmp_path_factory.mktemp("campaign"))


def test_a_fit_finds_as_many_classes_as_there_are_and_says_why(
    tiles: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "m.firstpass"
    run = ["fit", *map(str, tiles), "--classes", "auto", "--method", "kmeans", "--out", str(out)]
    assert main(run) == DONE
    said = capsys.readouterr().out
    assert f"{GROUNDS} classes from 4 images" in said
    assert f"suggested   {GROUNDS} classes, by silhouette beyond chance:" in said
    model = read_model(out)
    assert (model.config.classes, len(model.taxonomy)) == (GROUNDS, GROUNDS)
    record = model.provenance.config["suggested"]
    assert record["classes"] == GROUNDS
    assert [number for number, _ in record["curve"]] == list(range(2, 21))
    assert max(record["curve"], key=lambda point: point[1])[0] == GROUNDS
    labels = tmp_path / "labels.tif"
    assert main(["segment", str(tiles[0]), "--model", str(out), "--out", str(labels)]) == DONE
    capsys.readouterr()
    found = read_segmentation(labels)
    assert agreement(found.labels, campaign()[0]) > 0.85
    assert found.provenance.config["suggested"] == record
    again = tmp_path / "again.firstpass"
    assert main([*run[:-1], str(again), "--json"]) == DONE
    printed = json.loads(capsys.readouterr().out)
    assert (printed["classes"], printed["suggested"]) == (GROUNDS, record)
    assert again.read_bytes() == out.read_bytes()


def test_an_image_is_divided_into_as_many_classes_as_it_holds(
    tiles: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "labels.tif"
    run = ["segment", str(tiles[0]), "--classes", "auto", "--method", "kmeans", "--out", str(out)]
    assert main([*run, "--json"]) == DONE
    printed = json.loads(capsys.readouterr().out)
    count = printed["suggested"]["classes"]
    assert len(printed["classes"]) == count
    found = read_segmentation(out)
    assert len(found.taxonomy) == found.provenance.config["classes"] == count
    assert found.provenance.config["suggested"] == printed["suggested"]
    suggested = napari_firstpass.suggest_classes([tiles[0]], CONFIG)
    assert suggested.to_dict() == printed["suggested"]
    chosen = tmp_path / "chosen.tif"
    assert main([*run[:3], str(count), *run[4:-1], str(chosen)]) == DONE
    assert np.array_equal(read_segmentation(chosen).labels, found.labels)
    assert "suggested" not in read_segmentation(chosen).provenance.config


def test_python_takes_the_number_from_the_image_too(tiles: list[Path]) -> None:
    fitted = napari_firstpass.fit_files(tiles, CONFIG, auto_classes=True)
    assert fitted.config.classes == GROUNDS
    array = np.full((3, 64, 96), 60, np.uint8)
    array[:, :, 48:] = 200
    found = napari_firstpass.segment_array(array, CONFIG, auto_classes=True)
    assert found.provenance is not None
    assert found.provenance.config["suggested"]["classes"] == len(found.taxonomy)


@pytest.mark.parametrize("command", ["fit", "segment"])
def test_what_cannot_be_done_is_refused_as_ever(
    tiles: list[Path], tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    flat = write_tile(tmp_path / "flat.tif", np.full((3, 64, 64), 7, np.uint8))
    out = tmp_path / ("m.firstpass" if command == "fit" else "labels.tif")
    assert main([command, str(flat), "--classes", "auto", "--out", str(out)]) == UNFIT
    assert "an image whose values differ" in capsys.readouterr().err
    assert not out.exists()
    out.write_bytes(b"kept")
    assert main([command, str(tiles[0]), "--classes", "auto", "--out", str(out)]) == UNFIT
    assert "ask to overwrite it" in " ".join(capsys.readouterr().err.split())
    assert out.read_bytes() == b"kept"
    with pytest.raises(SystemExit) as stop:
        main([command, str(tiles[0]), "--classes", "many", "--out", str(out)])
    assert stop.value.code == USAGE
    assert (
        "argument --classes: expected a whole number or auto, found 'many'"
        in capsys.readouterr().err
    )
