"""Options of ``firstpass fit`` and ``segment`` that meet: hints, auto and another size."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from grounds import GROUNDS, campaign, tile_files
from rasters import NORTH_UP, UTM31

from napari_firstpass.cli import main
from napari_firstpass.cli.codes import DONE, USAGE
from napari_firstpass.grid import Grid
from napari_firstpass.io.label_file import read_segmentation, write_segmentation
from napari_firstpass.model_file import read_model
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy

if TYPE_CHECKING:
    from pathlib import Path

NAMED = 3


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return tile_files(tmp_path_factory.mktemp("campaign"))


@pytest.fixture(scope="module")
def hints(tiles: list[Path]) -> Path:
    """The first three grounds, every fifth row of the first tile."""
    ids = campaign()[0]
    labels = np.where(ids < NAMED, ids + 1, 0).astype(np.uint8)
    labels[np.arange(len(labels)) % 5 > 0] = 0
    names = Taxonomy(tuple(LabelClass(i + 1, f"ground {i}", f"#{i}0FF00") for i in range(NAMED)))
    grid = Grid(*ids.shape, NORTH_UP, UTM31)
    path = tiles[0].with_name(f"{tiles[0].stem}_hints.tif")
    return write_segmentation(path, Segmentation(labels, names, grid))


@pytest.mark.parametrize("classes", [(), ("--classes", "auto")])
def test_with_hints_there_are_as_many_classes_as_named(
    classes: tuple[str, ...], tiles: list[Path], hints: Path, tmp_path: Path
) -> None:
    out = tmp_path / "m.firstpass"
    run = ["fit", *map(str, tiles), "--hints", str(hints), *classes, "--out", str(out)]
    assert main(run) == DONE
    model = read_model(out)
    assert [entry.name for entry in model.taxonomy.classes] == ["ground 0", "ground 1", "ground 2"]
    assert model.config.classes == model.provenance.config["classes"] == NAMED


def test_without_hints_the_usual_number_stays(
    tiles: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["fit", *map(str, tiles), "--method", "kmeans", "--json"]
    assert main([*run, "--out", str(tmp_path / "m.firstpass")]) == DONE
    assert json.loads(capsys.readouterr().out)["classes"] == 8


@pytest.mark.parametrize("other", [("--resample", "0.2"), ("--projection", "head.safetensors")])
def test_hints_do_not_go_with_what_changes_the_images_or_features(
    other: tuple[str, str],
    tiles: list[Path],
    hints: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "m.firstpass"
    head, missing = other[0] == "--projection", tmp_path / other[1]
    given = (other[0], str(missing)) if head else other
    run = ["fit", *map(str, tiles), "--hints", str(hints), *given, "--out", str(out)]
    assert main(run) != DONE
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert ("head.safetensors" if head else "leave out the hints or the other") in said
    assert not out.exists()


def test_an_image_read_at_another_size_is_divided_into_as_many_classes_as_it_holds(
    tiles: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "labels.tif"
    size = ("--resample", "0.2")
    run = ["segment", str(tiles[0]), "--classes", "auto", *size, "--method", "kmeans"]
    assert main([*run, "--out", str(out)]) == DONE
    found = read_segmentation(out)
    assert found.labels.shape == campaign()[0].shape
    assert set(np.unique(found.labels)) <= {0, *found.taxonomy.ids}
    record = found.provenance.config
    assert record["resample_m"] == 0.2
    assert record["suggested"]["classes"] == record["classes"] == len(found.taxonomy)
    assert len(found.taxonomy) == pytest.approx(GROUNDS, abs=1)


def test_a_preset_decides_what_is_said_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["fit", str(tmp_path), "--preset", "potsdam3-smooseg", "--restart", "--resample", "0.1"]
    assert main([*run, "--out", str(tmp_path / "m.firstpass")]) == USAGE
    assert "--resample and --restart only without --preset" in capsys.readouterr().err
