"""``firstpass fit``, and ``firstpass segment --model`` with what it wrote."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from features import agreement
from grounds import areas, campaign, picture, tile_files, write_tile
from models import build, save
from rasters import NORTH_UP
from stopping import stopped_at

import napari_firstpass
from napari_firstpass.cli import main
from napari_firstpass.cli.codes import DONE, INTERRUPTED, UNFIT, USAGE
from napari_firstpass.config import SegmentConfig
from napari_firstpass.io.label_file import read_segmentation
from napari_firstpass.linear_model import LinearModel
from napari_firstpass.model_file import read_model, write_model
from napari_firstpass.own_classes import load_model_steps
from napari_firstpass.progress import run as drive

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.fixture(scope="module")
def truth() -> list[NDArray[np.int64]]:
    return campaign()


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return tile_files(tmp_path_factory.mktemp("campaign"))


@pytest.fixture(scope="module")
def model(tiles: list[Path]) -> Path:
    """Fitted on all tiles but the last."""
    out = tiles[0].with_name("grounds.firstpass")
    assert main(["fit", *map(str, tiles[:3]), "--out", str(out), "--classes", "4"]) == DONE
    return out


def label(image: Path, model: Path, out: Path, *options: str) -> NDArray[np.integer]:
    run = ["segment", str(image), "--model", str(model), "--out", str(out), *options]
    assert main(run) == DONE
    return read_segmentation(out).labels


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


def test_classes_mean_the_same_in_all_images_and_in_one_never_seen(
    tiles: list[Path], truth: list[NDArray[np.int64]], model: Path, tmp_path: Path
) -> None:
    labels = [label(tile, model, tmp_path / tile.name) for tile in tiles]
    together = agreement(np.concatenate(labels), np.concatenate(truth))
    assert together > 0.9
    assert agreement(labels[3], truth[3]) > 0.85


def test_clusters_of_single_images_do_not(
    tiles: list[Path], truth: list[NDArray[np.int64]], tmp_path: Path
) -> None:
    labels = []
    for tile in tiles:
        out = tmp_path / tile.name
        assert main(["segment", str(tile), "--classes", "4", "--out", str(out)]) == DONE
        labels.append(read_segmentation(out).labels)
    assert agreement(np.concatenate(labels), np.concatenate(truth)) < 0.8


def test_the_same_seed_gives_the_same_bytes(tiles: list[Path], model: Path, tmp_path: Path) -> None:
    again, other = tmp_path / "again.firstpass", tmp_path / "other.firstpass"
    run = ["fit", *map(str, tiles[:3]), "--classes", "4"]
    assert main([*run, "--out", str(again)]) == DONE
    assert main([*run, "--out", str(other), "--seed", "1"]) == DONE
    assert again.read_bytes() == model.read_bytes() != other.read_bytes()


def test_a_file_labels_as_the_model_that_was_written(
    tiles: list[Path], model: Path, tmp_path: Path
) -> None:
    config = SegmentConfig(classes=4, device="cpu")
    fitted = napari_firstpass.fit_files(tiles[:3], config)
    written = write_model(tmp_path / "a.firstpass", fitted)
    assert written.read_bytes() == model.read_bytes()
    loaded = drive(load_model_steps(str(written), config))
    report = napari_firstpass.label_file(tiles[3], tmp_path / "labels.tif", loaded, config)
    labels = read_segmentation(report.labels)
    assert np.array_equal(labels.labels, label(tiles[3], model, tmp_path / "other.tif"))
    assert [entry.name for entry in labels.taxonomy.classes] == [
        f"cluster {i}" for i in range(1, 5)
    ]


def test_classes_as_directions_are_kept_whole(
    tiles: list[Path], truth: list[NDArray[np.int64]], tmp_path: Path
) -> None:
    config = SegmentConfig(method="primaps-em", classes=4, device="cpu")
    fitted = napari_firstpass.fit_files(tiles[:3], config)
    assert isinstance(fitted.classes, LinearModel)
    written = write_model(tmp_path / "em.firstpass", fitted)
    loaded = read_model(written).classes
    vectors = torch.randn(fitted.classes.directions.shape[1], 9, 8)
    assert torch.equal(loaded.scores(vectors), fitted.classes.scores(vectors))
    again = tmp_path / "again.firstpass"
    fit = ["fit", *map(str, tiles[:3]), "--classes", "4", "--method", "primaps-em"]
    assert main([*fit, "--out", str(again)]) == DONE
    assert again.read_bytes() == written.read_bytes()
    labels = label(tiles[3], again, tmp_path / "labels.tif")
    assert agreement(labels, truth[3]) > 0.85


def test_labels_and_model_tell_how_they_came_about(
    tiles: list[Path], model: Path, tmp_path: Path
) -> None:
    label(tiles[3], model, tmp_path / "labels.tif", "--window", "128")
    record = read_segmentation(tmp_path / "labels.tif").provenance
    assert record.source == "tile_3.tif"
    assert record.config["model"] == "grounds.firstpass"
    assert record.config["model_sha256"] == read_model(model).sha256
    assert record.config["fitted_on"] == ["tile_0.tif", "tile_1.tif", "tile_2.tif"]
    assert (record.config["method"], record.config["window"]) == ("primaps", 128)
    assert str(model.parent) not in record.to_json()
    assert str(model.parent) not in read_model(model).provenance.to_json()


@pytest.mark.parametrize("kind", ["band", "type", "size"])
def test_images_that_do_not_fit_are_refused_by_fit_and_by_segment(
    tiles: list[Path], model: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = picture(areas((0, 1), 5), 5)
    odd = tmp_path / "odd.tif"
    if kind == "band":
        write_tile(odd, np.concatenate([pixels, pixels[:1]]))
        expected = "3 bands (red, green, blue)"
    elif kind == "type":
        write_tile(odd, pixels.astype(np.uint16))
        expected = "values of type uint8"
    else:
        write_tile(odd, pixels, NORTH_UP @ NORTH_UP.scale(2.0))
        expected = "pixels of 0.1 m"
    out = tmp_path / "out.firstpass"
    assert main(["fit", str(tiles[0]), str(odd), "--out", str(out)]) == UNFIT
    assert f"expected {expected} in odd.tif, as in tile_0.tif" in said(capsys)
    labels = tmp_path / "labels.tif"
    assert main(["segment", str(odd), "--model", str(model), "--out", str(labels)]) == UNFIT
    assert "as in grounds.firstpass" in said(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["odd.tif"]


def test_what_the_model_decides_cannot_be_said_again(
    tiles: list[Path], model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["segment", str(tiles[0]), "--model", str(model), "--out", str(tmp_path / "l.tif")]
    assert main([*run, "--classes", "3", "--backbone", "texture"]) == USAGE
    assert "found --backbone and --classes; leave out" in said(capsys)


def test_damage_is_found_wherever_it_is(
    model: Path, tiles: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = model.read_bytes()
    damaged = tmp_path / "damaged.firstpass"
    run = ["segment", str(tiles[0]), "--model", str(damaged), "--out", str(tmp_path / "l.tif")]
    rng = np.random.default_rng(0)
    for place in (0, 9, len(content) - 1, *rng.integers(0, len(content), 12)):
        flipped = bytearray(content)
        flipped[place] ^= 4
        damaged.write_bytes(flipped)
        assert main(run) == UNFIT
        assert "expected" in said(capsys)
    for length in (0, 5, len(content) // 2, len(content) - 1):
        damaged.write_bytes(content[:length])
        assert main(run) == UNFIT
    assert [path.name for path in tmp_path.iterdir()] == ["damaged.firstpass"]


def test_other_versions_other_files_and_none_are_told_apart(
    model: Path, tiles: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "m.firstpass"
    run = ["segment", str(tiles[0]), "--model", str(file), "--out", str(tmp_path / "l.tif")]
    assert main(run) == UNFIT
    assert "found nothing there; give a file that" in said(capsys)
    file.write_bytes(model.read_bytes().replace(b'"firstpass":"1"', b'"firstpass":"9"'))
    assert main(run) == UNFIT
    assert "a model of format 1 in m.firstpass, found format '9'; use the version" in said(capsys)
    file.write_bytes(tiles[0].read_bytes())
    assert main(run) == UNFIT
    assert "get the file again" in said(capsys)


def test_an_existing_model_stays_and_an_input_is_never_replaced(
    tiles: list[Path], model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = model.read_bytes(), tiles[0].read_bytes()
    assert main(["fit", str(tiles[1]), "--out", str(model)]) == UNFIT
    assert "ask to overwrite it" in said(capsys)
    assert main(["fit", str(tiles[0]), "--out", str(tiles[0]), "--overwrite"]) == UNFIT
    assert (model.read_bytes(), tiles[0].read_bytes()) == before


def test_constant_images_and_too_few_places_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flat = write_tile(tmp_path / "flat.tif", np.full((3, 64, 64), 7, np.uint8))
    out = tmp_path / "m.firstpass"
    assert main(["fit", str(flat), str(flat), "--out", str(out)]) == UNFIT
    assert "an image whose values differ" in said(capsys)
    assert not out.exists()


def test_the_result_is_printed_as_json(
    tiles: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "m.firstpass"
    run = ["fit", *map(str, tiles[:2]), "--out", str(out), "--classes", "3", "--method", "kmeans"]
    assert main([*run, "--json"]) == DONE
    found = json.loads(capsys.readouterr().out)
    assert (found["images"], found["classes"], found["method"]) == (2, 3, "kmeans")
    assert found["metres_per_pixel"] == pytest.approx(0.1)
    assert found["model"] == str(out)


def test_a_model_on_a_network_needs_that_network(
    tiles: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("FIRSTPASS_CACHE", str(tmp_path / "cache"))
    network, other = save(build("DINOv2"), tmp_path / "net"), save(build("DINO"), tmp_path / "dino")
    model, out = tmp_path / "m.firstpass", tmp_path / "labels.tif"
    fit = ["fit", *map(str, tiles[:2]), "--classes", "3", "--backbone", str(network)]
    assert main([*fit, "--out", str(model)]) == DONE
    assert str(tmp_path) not in model.read_bytes().decode("latin1")
    run = ["segment", str(tiles[3]), "--model", str(model), "--out", str(out)]
    capsys.readouterr()
    assert main(run) == USAGE
    assert "found 'net'" in said(capsys)
    assert main([*run, "--backbone", str(other)]) == UNFIT
    assert "the backbone that m.firstpass was fitted with, found other weights of dino" in said(
        capsys
    )
    assert not out.exists()
    assert main([*run, "--backbone", str(network)]) == DONE
    assert set(np.unique(read_segmentation(out).labels)) <= {1, 2, 3}


def test_an_interrupted_fit_leaves_nothing_behind(tiles: list[Path], tmp_path: Path) -> None:
    command = ["fit", *map(str, tiles), "--out", str(tmp_path / "m.firstpass")]
    with stopped_at("looking at the images") as said:
        assert main(command) == INTERRUPTED
    assert "interrupted" in said.getvalue()
    assert not list(tmp_path.iterdir())


def test_what_smooseg_learned_is_kept_and_labels_as_before(
    tiles: list[Path], truth: list[NDArray[np.int64]], tmp_path: Path
) -> None:
    config = SegmentConfig(classes=4, method="smooseg", device="cpu")
    fitted = napari_firstpass.fit_files(tiles[:3], config)
    file, again = tmp_path / "smooth.firstpass", tmp_path / "again.firstpass"
    run = ["fit", *map(str, tiles[:3]), "--classes", "4", "--method", "smooseg"]
    assert main([*run, "--out", str(file)]) == DONE
    assert write_model(again, fitted).read_bytes() == file.read_bytes()
    loaded = read_model(file).classes
    vectors = torch.randn(len(fitted.scaler.projection), 9, 9)
    assert torch.equal(loaded.scores(vectors), fitted.classes.scores(vectors))
    labels = label(tiles[3], file, tmp_path / "labels.tif")
    assert agreement(labels, truth[3]) > 0.85
