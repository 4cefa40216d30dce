"""``firstpass segment`` on a network, from its folder or its name, with features kept on disk."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from features import landscape
from models import build, save

from napari_firstpass.backbones import backbone_factory
from napari_firstpass.cli import main
from napari_firstpass.cli.codes import DONE, USAGE
from napari_firstpass.grid import Grid
from napari_firstpass.io.label_file import read_segmentation
from napari_firstpass.io.raster_file import write_raster
from napari_firstpass.raster import Raster

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    grid = Grid(120, 136, crs="EPSG:3857")
    raster = Raster.from_array(landscape(120, 136), grid, roles=("red", "green", "blue"))
    return write_raster(tmp_path / "scene.tif", raster)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FIRSTPASS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save(build("DINOv2"), tmp_path / "my model")


def segment(scene: Path, name: str, *options: str) -> Path:
    out = scene.with_name(f"{name}.tif")
    assert main(["segment", str(scene), "--out", str(out), "--classes", "3", *options]) == DONE
    return out


def entries(cache: Path) -> dict[Path, int]:
    return {path: path.stat().st_ino for path in cache.rglob("*.safetensors")}


def test_the_labels_say_which_weights_made_them_but_not_where_they_were(
    scene: Path, folder: Path, cache: Path
) -> None:
    found = read_segmentation(segment(scene, "labels", "--backbone", str(folder)))
    assert set(found.labels.ravel()) == {1, 2, 3}
    assert found.provenance.config["backbone"] == "my model"
    assert found.provenance.weights_sha256 == backbone_factory(str(folder)).weights_sha256()
    assert entries(cache)


def test_another_method_or_number_of_classes_computes_no_features_again(
    scene: Path, folder: Path, cache: Path
) -> None:
    segment(scene, "one", "--backbone", str(folder))
    before = entries(cache)
    segment(scene, "two", "--backbone", str(folder), "--method", "kmeans")
    segment(scene, "three", "--backbone", str(folder), "--classes", "4")
    assert entries(cache) == before


def test_the_bytes_are_the_same_from_the_cache_and_without_it(
    scene: Path, folder: Path, cache: Path
) -> None:
    fresh = segment(scene, "labels", "--backbone", str(folder), "--no-cache").read_bytes()
    assert not cache.exists()
    again = ("--backbone", str(folder), "--overwrite")
    assert segment(scene, "labels", *again).read_bytes() == fresh
    assert entries(cache)
    assert segment(scene, "labels", *again).read_bytes() == fresh


def test_our_own_backbone_keeps_nothing(scene: Path, cache: Path) -> None:
    segment(scene, "labels")
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_is_said_once_and_stops_nothing(
    scene: Path, folder: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache.write_text("a file where the folder should be")
    segment(scene, "labels", "--backbone", str(folder))
    assert capsys.readouterr().err.count("FIRSTPASS_CACHE") == 1


def test_a_known_name_tells_how_to_get_the_weights_and_works_once_they_are_there(
    scene: Path,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FIRSTPASS_WEIGHTS", str(tmp_path / "weights"))
    out = tmp_path / "labels.tif"
    run = ["segment", str(scene), "--out", str(out), "--backbone", "dinov2-s", "--no-cache"]
    assert main(run) != DONE
    said = capsys.readouterr().err
    assert 'run "firstpass models fetch dinov2-s"' in said
    assert "--from-folder" in said
    assert not out.exists()
    assert main(["models", "fetch", "dinov2-s", "--from-folder", str(folder)]) == DONE
    assert main(run) == DONE
    assert read_segmentation(out).provenance.config["backbone"] == "dinov2-s"


@pytest.mark.parametrize("name", ["resnet", "facebook/dinov2-small", "./nothing"])
def test_what_is_no_backbone_is_refused_in_one_sentence(
    scene: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = scene.with_name("labels.tif")
    assert main(["segment", str(scene), "--out", str(out), "--backbone", name]) != DONE
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.match(r"firstpass: .*expected .*, found .*; ", said)
    assert not out.exists()


def test_openvino_gives_features_and_entries_of_its_own(
    scene: Path, folder: Path, cache: Path
) -> None:
    segment(scene, "torch", "--backbone", str(folder))
    of_torch = entries(cache)
    out = segment(scene, "openvino", "--backbone", str(folder), "--runtime", "openvino")
    found = read_segmentation(out)
    assert found.provenance.config["runtime"] == "openvino"
    assert set(found.labels.ravel()) == {1, 2, 3}
    assert len(entries(cache)) == 2 * len(of_torch)


def test_openvino_runs_networks_only(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = scene.with_name("labels.tif")
    assert main(["segment", str(scene), "--out", str(out), "--runtime", "openvino"]) == USAGE
    assert "a network as the backbone for the runtime openvino" in capsys.readouterr().err
    assert not out.exists()


HIDING = """
import sys
from importlib.machinery import PathFinder
from napari_firstpass.cli import main

class Hiding(PathFinder):
    # As if OpenVINO were not installed.
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.startswith("openvino") else super().find_spec(name, path, target)

    @classmethod
    def find_distributions(cls, context):
        return [] if context.name == "openvino" else super().find_distributions(context)

sys.meta_path[sys.meta_path.index(PathFinder)] = Hiding
print([main([*sys.argv[1:], "--runtime", "openvino"]), main(sys.argv[1:])])
"""


def test_where_openvino_is_missing_one_sentence_tells_how_to_get_it(
    scene: Path, folder: Path
) -> None:
    out = scene.with_name("labels.tif")
    command = ["segment", str(scene), "--out", str(out), "--backbone", str(folder), "--no-cache"]
    done = subprocess.run(
        [sys.executable, "-c", HIDING, *command, "--classes", "3"],
        check=True,
        capture_output=True,
        text=True,
    )
    said = [line for line in done.stderr.splitlines() if line.startswith("firstpass: ")]
    assert len(said) == 1
    assert 'pip install "napari-firstpass[openvino]"' in said[0]
    # Only what needs it is refused.
    assert done.stdout.endswith(f"{[USAGE, DONE]}\n")
    assert set(read_segmentation(out).labels.ravel()) == {1, 2, 3}
