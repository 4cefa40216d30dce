from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from rasters import NORTH_UP, UTM31, pixels, write_raster

from napari_firstpass.cli import main
from napari_firstpass.cli.codes import DONE, UNFIT, USAGE
from napari_firstpass.grid import Grid
from napari_firstpass.io.label_file import write_segmentation
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy

if TYPE_CHECKING:
    from pathlib import Path

CLASSES = Taxonomy((LabelClass(1, "road", "#111111"), LabelClass(2, "pond", "#222222")))


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    image = write_raster(tmp_path / "scene.tif", pixels())
    ids = np.ones((48, 64), np.uint8)
    ids[:12] = 2
    held = Segmentation(ids, CLASSES, Grid(48, 64, NORTH_UP, UTM31))
    path = write_segmentation(tmp_path / "labels.tif", held)
    out = str(tmp_path / "out")
    return [
        "export",
        "--image",
        str(image),
        "--labels",
        str(path),
        "--format",
        "geotiff",
        "--out",
        out,
    ]


def test_a_dry_run_says_what_would_be_written(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--dry-run", "--code", "road=4"]) == DONE
    told = capsys.readouterr().out
    assert "4   75.0%  road" in told
    assert "ignored: no code 25.0%" in told
    assert "'pond' has no code: 768 pixels are ignored" in told
    assert not (tmp_path / "out").exists()


def test_export_writes_a_folder_and_tells_it_as_json(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--json"]) == DONE
    told = json.loads(capsys.readouterr().out)
    assert [(c["code"], c["share"]) for c in told["classes"]] == [(1, 0.75), (2, 0.25)]
    assert (tmp_path / "out" / "scene.tif").is_file()
    assert main(command) == UNFIT
    assert main([*command, "--overwrite"]) == DONE


def test_a_loss_must_be_allowed(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--code", "road=4"]) == UNFIT
    assert "allow the loss" in capsys.readouterr().err
    assert main([*command, "--code", "road=4", "--allow-loss"]) == DONE


def test_names_and_codes_come_from_another_list_if_one_is_given(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("id,name,color,export_code\n1,street,#101010,7\n2,lake,#202020,\n")
    assert main([*command, "--dry-run", "--taxonomy", str(path)]) == DONE
    assert "7   75.0%  street" in capsys.readouterr().out


def test_wrong_options_are_told(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "-o", "size=9"]) == USAGE
    assert "size" in capsys.readouterr().err
    for wrong in (["-o", "size"], ["--code", "road"], ["--code", "road=x"]):
        with pytest.raises(SystemExit):
            main([*command, *wrong])
        assert "expected" in capsys.readouterr().err
