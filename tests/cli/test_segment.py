from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import rasterio
import torch
from features import landscape
from skimage.io import imread

from napari_firstpass import __version__
from napari_firstpass.cli import main
from napari_firstpass.cli.codes import DONE, SOME_FAILED, UNFIT, USAGE
from napari_firstpass.cli.segment import output_paths
from napari_firstpass.errors import OptionError
from napari_firstpass.grid import Grid
from napari_firstpass.io.raster_file import write_raster
from napari_firstpass.raster import Raster

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    raster = Raster.from_array(
        landscape(96, 112), Grid(96, 112, crs="EPSG:3857"), roles=("red", "green", "blue")
    )
    return write_raster(tmp_path / "scene.tif", raster)


def test_segment_writes_labels_and_says_what_it_did(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "labels.tif"
    code = main(["segment", str(scene), "--out", str(out), "--classes", "3", "--confidence"])
    assert code == DONE
    said = capsys.readouterr()
    assert "96 x 112 pixels, EPSG:3857" in said.out
    assert str(out) in said.out
    assert "scene.tif: " in said.err
    assert {p.name for p in tmp_path.glob("labels*.tif")} == {"labels.tif", "labels_confidence.tif"}


def test_json_is_one_document_on_standard_output(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "labels.tif"
    assert main(["segment", str(scene), "--out", str(out), "--classes", "3", "--json"]) == DONE
    result = json.loads(capsys.readouterr().out)
    assert result["labels"] == str(out)
    assert sum(entry["share"] for entry in result["classes"]) == pytest.approx(1, abs=1e-4)
    assert result["peak_memory_mb"] > 50


def test_the_overlay_shows_classes_over_the_image(scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels.tif"
    assert main(["segment", str(scene), "--out", str(out), "--classes", "2", "--overlay"]) == DONE
    picture = imread(tmp_path / "labels_overlay.png")
    assert picture.shape == (96, 112, 4)
    assert len(np.unique(picture[..., 0])) > 20


def test_the_style_for_qgis_has_the_classes_and_is_never_that_of_older_labels(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, style = tmp_path / "labels.tif", tmp_path / "labels.qml"
    command = ["segment", str(scene), "--out", str(out), "--json", "--classes"]
    assert main([*command, "3", "--qml"]) == DONE
    result = json.loads(capsys.readouterr().out)
    assert result["style"] == str(style)
    expected = [(str(c["id"]), c["name"], c["color"].lower()) for c in result["classes"]]
    entries = ET.parse(style).getroot().iter("paletteEntry")  # noqa: S314 - our own file
    assert [(e.get("value"), e.get("label"), e.get("color")) for e in entries] == expected
    assert len(expected) == 3
    assert main([*command, "2", "--qml"]) == UNFIT  # nothing is replaced unasked
    assert main([*command, "2", "--overwrite"]) == DONE
    entries = ET.parse(style).getroot().iter("paletteEntry")  # noqa: S314
    assert [entry.get("value") for entry in entries] == ["1", "2"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["--classes", "1"],
            USAGE,
            "classes in [2, 1000], a whole number, found 1; change classes",
        ),
        (
            ["--method", "magic"],
            USAGE,
            "a method out of diffseg, kmeans, primaps, primaps-em, smooseg, found 'magic'",
        ),
        (["--backbone", "magic"], USAGE, "a backbone out of embedded, texture, a name"),
        (["--upsample", "magic"], USAGE, "a way to upsample out of none, bilinear, guided, anyup"),
        (["--upsample", "guided"], USAGE, "cells of 4 pixels, which upsampling cannot make finer"),
        (["--bands", "r,g,pink"], UNFIT, "found 'pink'"),
        (["--bands", "r,g,b,n"], UNFIT, "at most 3 entries"),
        (["--window", "100"], USAGE, "a multiple of 16, found 100"),
        pytest.param(
            ["--device", "cuda"],
            USAGE,
            "scene.tif: expected a CUDA device, found none that torch can use; choose cpu or auto",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device"),
        ),
        (["--out", "nowhere/labels.tif"], UNFIT, "create the folder first"),
        (["--out", "labels.xyz"], UNFIT, ".tif"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_a_code(
    scene: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["segment", str(scene), "--out", "labels.tif", *arguments]) == code
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert {path.name for path in tmp_path.iterdir()} == {"scene.tif"}


@pytest.mark.usefixtures("two_threads")  # so that images are segmented side by side
def test_the_good_images_of_a_list_are_done_and_the_bad_ones_named(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.tif"
    broken.write_bytes(scene.read_bytes()[:900])
    out = tmp_path / "out"
    images = [str(broken), str(scene), str(tmp_path / "missing.tif")]
    assert main(["segment", *images, "--out", str(out), "--classes", "2"]) == SOME_FAILED
    said = capsys.readouterr().err
    assert f"firstpass: {broken}: expected" in said
    assert "missing.tif" in said
    assert {path.name for path in out.iterdir()} == {"scene_labels.tif", "scene_labels.tif.aux.xml"}


def test_images_of_one_name_cannot_share_a_folder(tmp_path: Path) -> None:
    images = [tmp_path / "a" / "tile.tif", tmp_path / "b" / "tile.tif"]
    with pytest.raises(OptionError, match=r"tile_labels.tif more than once; run images"):
        output_paths(images, tmp_path / "out")


def test_several_images_cannot_go_into_one_file(scene: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="expected a folder"):
        output_paths([scene, tmp_path / "other.tif"], scene)


def test_a_label_map_among_the_images_is_never_replaced(scene: Path, tmp_path: Path) -> None:
    other = tmp_path / "scene_labels.tif"
    other.write_bytes(scene.read_bytes())
    arguments = [str(scene), str(other), "--out", str(tmp_path), "--overwrite"]
    assert main(["segment", *arguments]) == USAGE
    assert other.read_bytes() == scene.read_bytes()


def test_an_output_that_exists_is_found_before_the_work(scene: Path, tmp_path: Path) -> None:
    (tmp_path / "labels_overlay.png").write_text("precious")
    out = tmp_path / "labels.tif"
    assert main(["segment", str(scene), "--out", str(out), "--overlay"]) == UNFIT
    assert not out.exists()


def test_a_folder_is_not_left_behind_empty(tmp_path: Path) -> None:
    missing = [str(tmp_path / "a.tif"), str(tmp_path / "b.tif")]
    assert main(["segment", *missing, "--out", str(tmp_path / "new" / "out")]) == UNFIT
    assert not (tmp_path / "new" / "out").exists()


def test_a_folder_that_cannot_be_made_is_one_sentence(
    scene: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["segment", str(scene), str(scene.with_name("b.tif")), "--out", f"{scene}/x"]) == 3
    assert "choose another folder" in capsys.readouterr().err


def test_info_tells_what_a_file_holds(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(scene)]) == DONE
    said = capsys.readouterr().out
    assert "EPSG:3857" in said
    assert "green" in said


def test_info_as_json_is_json(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(scene), "--json"]) == DONE
    assert json.loads(capsys.readouterr().out)["width"] == 112


def test_info_on_what_is_no_image_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "notes.tif"
    text.write_text("not an image")
    assert main(["info", str(text)]) == UNFIT
    assert capsys.readouterr().err.startswith("firstpass: expected")


def test_the_sample_is_written_with_its_truth(tmp_path: Path) -> None:
    image, truth = tmp_path / "town.tif", tmp_path / "truth.tif"
    arguments = ["--out", str(image), "--truth", str(truth), "--size", "128"]
    assert main(["sample", *arguments]) == DONE
    with rasterio.open(image) as scene, rasterio.open(truth) as classes:
        assert scene.descriptions == ("red", "green", "blue", "nir")
        assert scene.transform == classes.transform
        assert int(classes.read(1).min()) > 0


def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "napari_firstpass.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_version_is_that_of_the_package() -> None:
    assert run_command("--version").stdout == f"firstpass {__version__}\n"


def test_help_is_there_without_loading_torch() -> None:
    code = (
        "import sys\nfrom napari_firstpass.cli import main\n"
        "try: main(['segment', '--help'])\nexcept SystemExit: pass\n"
        "print('torch' in sys.modules, 'rasterio' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "primaps: finds coherent regions" in " ".join(done.stdout.split())
    assert done.stdout.endswith("False False\n")


def test_a_terminated_run_leaves_nothing_behind(scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels.tif"
    command = [
        sys.executable,
        "-m",
        "napari_firstpass.cli",
        "segment",
        str(scene),
        "--out",
        str(out),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        child.stderr.readline()
        os.kill(child.pid, signal.SIGTERM)
        said = child.stderr.read()
    assert child.returncode == 130
    assert "interrupted" in said
    assert [path.name for path in tmp_path.iterdir()] == ["scene.tif"]
