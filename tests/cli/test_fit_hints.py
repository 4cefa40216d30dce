"""``firstpass fit --hints``: a few named examples, and a model with their names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from features import agreement
from grounds import SHAPE, areas, campaign, picture, tile_files, write_tile
from rasterio.warp import transform_geom
from rasters import NORTH_UP, UTM31
from scipy import ndimage

import napari_firstpass
from napari_firstpass.cli import main
from napari_firstpass.cli.codes import DONE, UNFIT, USAGE
from napari_firstpass.config import SegmentConfig
from napari_firstpass.grid import Grid
from napari_firstpass.io.label_file import read_segmentation, write_segmentation
from napari_firstpass.model_file import read_model, write_model
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy

if TYPE_CHECKING:
    from pathlib import Path

    from affine import Affine
    from numpy.typing import NDArray

NAMES = {
    20: LabelClass(20, "lawn", "#00AA00"),
    30: LabelClass(30, "shrubs", "#007700"),
    5: LabelClass(5, "roof", "#CC2200"),
    9: LabelClass(9, "lake", "#2200CC"),
}
OF_GROUND = (20, 30, 5, 9)
IN_MODEL = (3, 4, 1, 2)
"""What grounds 0 to 3 are called in hints, and in a model: ids 5, 9, 20, 30 become 1 to 4."""


def dots(ids: NDArray[np.int64], ground: int, count: int = 6, seed: int = 0) -> NDArray[np.bool_]:
    """Return (H, W) with some dots of 5 x 5 pixels, well inside one ground."""
    inside = np.argwhere(ndimage.binary_erosion(ids == ground, np.ones((9, 9))))
    painted = np.zeros(ids.shape, bool)
    for row, col in np.random.default_rng(seed).choice(inside, count):
        painted[row - 2 : row + 3, col - 2 : col + 3] = True
    return painted


def write_hints(
    path: Path, said: dict[int, NDArray[np.bool_]], transform: Affine = NORTH_UP
) -> Path:
    """Write what is said of which pixels, as the panel does."""
    shape = next(iter(said.values())).shape
    labels = np.zeros(shape, np.uint8)
    for class_id, where in said.items():
        labels[where] = class_id
    grid = Grid(*shape, transform, UTM31)
    return write_segmentation(path, Segmentation(labels, Taxonomy((*NAMES.values(),)), grid))


def write_shapes(path: Path, said: dict[int, NDArray[np.bool_]]) -> Path:
    """Write the same as squares around pixels, as GeoJSON in longitude and latitude."""
    features = []
    for class_id, where in said.items():
        told = {"landcover": NAMES[class_id].name}
        for row, col in np.argwhere(where).tolist():
            corners = [(col, row), (col + 1, row), (col + 1, row + 1), (col, row + 1), (col, row)]
            ring = [list(NORTH_UP @ corner) for corner in corners]
            square = {"type": "Polygon", "coordinates": [ring]}
            placed = transform_geom(UTM31, "EPSG:4326", square)
            features.append({"type": "Feature", "properties": told, "geometry": placed})
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


@pytest.fixture(scope="module")
def truth() -> list[NDArray[np.int64]]:
    return campaign()


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return tile_files(tmp_path_factory.mktemp("campaign"))


@pytest.fixture(scope="module")
def hints(tiles: list[Path], truth: list[NDArray[np.int64]]) -> Path:
    """All grounds, on the first tile alone."""
    said = {OF_GROUND[ground]: dots(truth[0], ground) for ground in range(4)}
    return write_hints(tiles[0].with_name("tile_0_hints.tif"), said)


@pytest.fixture(scope="module")
def model(tiles: list[Path], hints: Path) -> Path:
    out = tiles[0].with_name("hinted.firstpass")
    fit = ["fit", *map(str, tiles[:3]), "--out", str(out), "--classes", "4"]
    assert main([*fit, "--hints", str(hints)]) == DONE
    return out


def label(image: Path, model: Path, out: Path) -> NDArray[np.integer]:
    assert main(["segment", str(image), "--model", str(model), "--out", str(out)]) == DONE
    return read_segmentation(out).labels


def refused(capsys: pytest.CaptureFixture[str], *words: str, code: int = UNFIT) -> str:
    """Run ``fit`` with some words, see it refuse, and return why."""
    assert main(["fit", *words]) == code
    return " ".join(capsys.readouterr().err.split())


def test_classes_have_the_names_of_the_hints_on_every_tile(
    tiles: list[Path], truth: list[NDArray[np.int64]], model: Path, tmp_path: Path
) -> None:
    for tile, grounds in zip(tiles, truth, strict=True):
        labels = label(tile, model, tmp_path / tile.name)
        assert (labels == np.asarray(IN_MODEL)[grounds]).mean() > 0.85
    found = read_segmentation(tmp_path / "tile_3.tif")
    classes = [(c.id, c.name, c.color) for c in found.taxonomy.classes]
    in_order = [NAMES[i] for i in (5, 9, 20, 30)]
    assert classes == [(i, c.name, c.color) for i, c in enumerate(in_order, start=1)]
    assert found.provenance.config["hints"] == ["tile_0_hints.tif"]
    assert found.provenance.config["hinted"] == ["roof", "lake", "lawn", "shrubs"]


def test_the_same_hints_give_the_same_bytes_and_others_do_not(
    tiles: list[Path], hints: Path, model: Path, truth: list[NDArray[np.int64]], tmp_path: Path
) -> None:
    config = SegmentConfig(classes=4, device="cpu")
    again = napari_firstpass.fit_files(tiles[:3], config, hints=[hints])
    assert write_model(tmp_path / "a.firstpass", again).read_bytes() == model.read_bytes()
    said = {OF_GROUND[ground]: dots(truth[0], ground, seed=1) for ground in range(4)}
    other = write_hints(tmp_path / "tile_0_hints.tif", said)
    moved = napari_firstpass.fit_files(tiles[:3], config, hints=[other])
    assert write_model(tmp_path / "b.firstpass", moved).read_bytes() != model.read_bytes()


def test_shapes_teach_what_the_same_pixels_do_when_they_are_painted(
    tiles: list[Path], truth: list[NDArray[np.int64]], hints: Path, tmp_path: Path
) -> None:
    said = {OF_GROUND[ground]: dots(truth[0], ground) for ground in range(4)}
    shapes = write_shapes(tmp_path / "places.geojson", said)
    clusters, by_shapes = tmp_path / "clusters.tif", [str(shapes), "--attribute", "landcover"]
    found = {}
    for way, words in {"painted": [str(hints)], "drawn": by_shapes}.items():
        # All tiles lie on one place of the map, and shapes are for every image below them.
        fit = ["fit", str(tiles[0]), "--out", str(tmp_path / f"{way}.firstpass"), "--classes", "4"]
        assert main([*fit, "--hints", *words]) == DONE
        out = tmp_path / f"{way}.tif"
        label(tiles[3], tmp_path / f"{way}.firstpass", out)
        labels = read_segmentation(out)
        ids = np.array([labels.taxonomy.named(NAMES[i].name).id for i in OF_GROUND])
        found[way] = np.argmax(labels.labels[..., None] == ids, axis=2)
    assert (found["drawn"] == found["painted"]).mean() > 0.99
    assert (found["drawn"] == truth[3]).mean() > 0.8
    # And they name clusters of the image that they lie on.
    assert main(["segment", str(tiles[0]), "--classes", "8", "--out", str(clusters)]) == DONE
    align = ["align", str(clusters), "--with", "reference", "--reference", *by_shapes]
    assert main([*align, "--out", str(tmp_path / "named.tif")]) == DONE
    named = read_segmentation(tmp_path / "named.tif")
    ids = np.array([named.taxonomy.named(NAMES[i].name).id for i in OF_GROUND])
    assert (named.labels == ids[truth[0]]).mean() > 0.8


def test_what_has_no_hints_is_found_as_clusters_beside_the_named(
    tiles: list[Path], truth: list[NDArray[np.int64]], tmp_path: Path
) -> None:
    said = {OF_GROUND[ground]: dots(truth[0], ground) for ground in (1, 2)}
    hints = write_hints(tmp_path / "tile_0.tif", said)
    out = tmp_path / "m.firstpass"
    fit = ["fit", *map(str, tiles[:3]), "--out", str(out), "--classes", "4", "--method", "kmeans"]
    assert main([*fit, "--hints", str(hints)]) == DONE
    names = [entry.name for entry in read_model(out).taxonomy.classes]
    assert names == ["roof", "shrubs", "cluster 3", "cluster 4"]
    labels = label(tiles[0], out, tmp_path / "l.tif")
    assert (labels[truth[0] == 2] == 1).mean() > 0.85
    assert (labels[truth[0] == 1] == 2).mean() > 0.85
    assert agreement(labels, truth[0]) > 0.85


def test_a_class_may_be_two_grounds_that_look_nothing_alike(
    tiles: list[Path], truth: list[NDArray[np.int64]], tmp_path: Path
) -> None:
    said = {
        5: dots(truth[0], 0) | dots(truth[0], 2),
        9: dots(truth[0], 1) | dots(truth[0], 3),
    }
    hints = write_hints(tmp_path / "tile_0.tif", said)
    config = SegmentConfig(classes=2, device="cpu")
    fitted = napari_firstpass.fit_files(tiles[:3], config, hints=[hints])
    model = write_model(tmp_path / "m.firstpass", fitted)
    labels = label(tiles[0], model, tmp_path / "l.tif")
    assert (labels == np.array([1, 2, 1, 2])[truth[0]]).mean() > 0.85


def test_hints_of_another_name_are_paired_by_place(
    tiles: list[Path], truth: list[NDArray[np.int64]], hints: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    east = NORTH_UP @ NORTH_UP.translation(SHAPE[1], 0)
    moved = write_tile(tmp_path / "east.tif", picture(areas((3, 1), 2), 1), east)
    other = write_hints(tmp_path / "anna.tif", {9: dots(areas((3, 1), 2), 3)}, east)
    out = tmp_path / "m.firstpass"
    fit = [str(tiles[0]), str(moved), "--out", str(out), "--classes", "4", "--json", "--hints"]
    assert main(["fit", *fit, str(hints), str(other)]) == DONE
    assert json.loads(capsys.readouterr().out)["hinted"] == ["roof", "lake", "lawn", "shrubs"]
    told = refused(capsys, str(tiles[0]), str(tiles[1]), *fit[2:], str(other), "--overwrite")
    assert "an image in the list that anna.tif belongs to" in told
    here = write_hints(tmp_path / "bert.tif", {9: dots(truth[0], 3)})
    told = refused(capsys, *map(str, tiles[:2]), *fit[2:], str(here), "--overwrite", code=USAGE)
    assert "one image that bert.tif belongs to, found tile_0.tif, tile_1.tif" in told


def test_hints_that_cannot_help_are_refused(
    tiles: list[Path], truth: list[NDArray[np.int64]], hints: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "m.firstpass"
    fit = [*map(str, tiles[:2]), "--out", str(out), "--hints"]
    told = refused(capsys, *fit, str(hints), "--classes", "3", code=USAGE)
    assert "at least 4 classes, those with hints (roof, lake, lawn, shrubs), found 3" in told
    again = write_hints(tmp_path / "tile_0.tif", {5: dots(truth[0], 2)})
    told = refused(capsys, *fit, str(hints), str(again), code=USAGE)
    assert "one file of hints for tile_0.tif" in told
    empty = write_hints(tmp_path / "tile_1.tif", {5: np.zeros(SHAPE, bool)})
    assert "hints in tile_1.tif, found no labelled pixel" in refused(capsys, *fit, str(empty))
    small = write_hints(tmp_path / "tile_1_hints.tif", {5: np.ones((9, 9), bool)})
    assert "tile_1_hints.tif on the grid of tile_1.tif, 160 x 192" in refused(
        capsys, *fit, str(small)
    )
    assert "a label map: one band" in refused(capsys, *fit, str(tiles[0]))
    assert not out.exists()


def test_hints_that_contradict_each_other_are_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    halves = np.full((3, 64, 64), 90, np.uint8)
    halves[:, :, 32:] = 160
    image = write_tile(tmp_path / "a.tif", halves)
    left, right = np.zeros((2, 64, 64), bool)
    left[8:56, 8:24], right[8:56, 40:56] = True, True
    above, below = left.copy(), left.copy()
    above[32:], below[:32] = False, False
    same = write_hints(tmp_path / "a_hints.tif", {5: above, 9: below, 20: right})
    fit = [str(image), "--out", str(tmp_path / "m.firstpass"), "--classes", "3", "--hints"]
    told = refused(capsys, *fit, str(same))
    assert "that differ from all others, found none: they look like" in told
    outvoted = left.copy()
    outvoted[:, 9:] = False
    hidden = write_hints(tmp_path / "a_labels.tif", {5: left, 9: outvoted, 20: right})
    assert "expected hints on 'lake' where there is data" in refused(capsys, *fit, str(hidden))
