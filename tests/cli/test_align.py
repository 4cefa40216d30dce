from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from affine import Affine
from alignments import TARGET, reference, three_regions
from borders import agreement, areas, picture
from rasters import write_raster
from scipy import ndimage

from napari_firstpass.cli import main
from napari_firstpass.cli.codes import DONE, UNFIT, USAGE
from napari_firstpass.grid import Grid
from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.io.label_file import read_segmentation, write_segmentation
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy, numbered_taxonomy

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def clusters(tmp_path: Path) -> Path:
    return write_segmentation(tmp_path / "town_labels.tif", three_regions())


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    path = tmp_path / "classes.json"
    path.write_text(json.dumps(TARGET.to_dict()))
    return path


def test_a_table_in_a_file_names_labels_and_the_record_says_why(
    clusters: Path, classes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = clusters.with_name("table.csv")
    table.write_text("source,target\ncluster 1,tree\n2,building\ncluster 77,water\n")
    out = clusters.with_name("named.tif")
    command = ["align", str(clusters), "--taxonomy", str(classes), "--with", "table"]
    command += ["--table", str(table), "--out", str(out), "--confidence"]
    assert main(command) == DONE
    said = capsys.readouterr().out
    assert "cluster 1 → tree (table, 100%)" in said
    assert "unlabelled  cluster 9 (id 9): 11 pixels" in said
    found = read_segmentation(out)
    assert found.taxonomy == TARGET
    np.testing.assert_array_equal(found.labels[:, 0], [7, 7, 4, 4, 0, 0])
    record = json.loads(out.with_name("named_alignment.json").read_text())
    assert record["report"] == {"not_in_labels": ["cluster 77"]}
    assert record["lost"]["unlabelled"] == [{"id": 9, "name": "cluster 9", "pixels": 11}]
    assert [entry["reason"] for entry in record["classes"]] == ["table", "table", "unknown"]
    assert record["regions"] == []
    assert out.with_name("named_confidence.tif").is_file()
    assert main(command) == UNFIT
    assert "does not exist yet" in capsys.readouterr().err


def test_a_reference_brings_its_own_classes(
    clusters: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = reference((0, 0, 7), (2, 0, 4), (4, 0, 300))
    hints = write_segmentation(clusters.with_name("town_hints.tif"), said)
    out = clusters.with_name("named.tif")
    command = ["align", str(clusters), "--reference", str(hints), "--with", "reference"]
    assert main([*command, "--out", str(out), "--json"]) == DONE
    result = json.loads(capsys.readouterr().out)
    assert [entry["target"] for entry in result["became"]] == ["tree", "building", "water"]
    found = read_segmentation(out).labels
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found[:, 0], [7, 7, 4, 4, 300, 300])


def test_several_files_go_to_a_folder_and_one_reference_names_all(
    clusters: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_segmentation(clusters.with_name("wood_labels.tif"), three_regions())
    said = reference((0, 0, 7), (2, 0, 4), (4, 0, 300))
    hints = write_segmentation(clusters.with_name("town_hints.tif"), said)
    out = clusters.with_name("named")
    command = ["align", str(clusters), str(other), "--reference", str(hints)]
    assert main([*command, "--with", "reference", "--out", str(out)]) == DONE
    told = capsys.readouterr().out
    assert "wood_labels.tif: 6 x 6 pixels, by reference" in told
    for name in ("town_labels", "wood_labels"):
        found = read_segmentation(out / f"{name}.tif").labels
        np.testing.assert_array_equal(found[:, 0], [7, 7, 4, 4, 300, 300])
        assert (out / f"{name}_alignment.json").is_file()


def test_shapes_name_the_clusters_of_all_files_under_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = []
    for place in (0, 1):
        grid = Grid(8, 8, Affine(1, 0, 500_000 + 8 * place, 0, -1, 5_000_000), "EPSG:32631")
        labels = np.full((8, 8), 1 + place, np.uint8)
        labels[4:] = 3
        path = tmp_path / f"{place}_labels.tif"
        files.append(write_segmentation(path, Segmentation(labels, numbered_taxonomy(3), grid)))
    features = [
        {
            "type": "Feature",
            "properties": {"landuse": name},
            "geometry": {
                "type": "LineString",
                "coordinates": [[500_000 + left, 5_000_000 - y], [500_000 + right, 5_000_000 - y]],
            },
        }
        for name, y, left, right in (("tree", 2.5, 1, 7), ("roof", 1.5, 9, 15), ("road", 6.5, 2, 5))
    ]
    content = {"features": features, "crs": {"properties": {"name": "EPSG:32631"}}}
    drawn = tmp_path / "drawn.geojson"
    drawn.write_text(json.dumps(content))
    command = ["align", *map(str, files), "--with", "reference", "--reference", str(drawn)]
    command += ["--out", str(tmp_path / "named")]
    assert main(command) == USAGE
    assert "none of that name; it has landuse" in capsys.readouterr().err
    assert main([*command, "--attribute", "landuse"]) == DONE
    for path, above in zip(files, ("tree", "roof"), strict=True):
        found = read_segmentation(tmp_path / "named" / path.name)
        names = {entry.id: entry.name for entry in found.taxonomy.classes}
        assert [names[i] for i in found.labels[[0, 7], 0].tolist()] == [above, "road"]


def test_images_of_other_bands_are_refused_before_anything_is_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = Grid(64, 64)
    half = np.repeat(np.array([1, 2], np.uint8), 32)[:, None] * np.ones((1, 64), np.uint8)
    files, images = [], []
    for name, bands in (("a", 3), ("b", 1)):
        labels = Segmentation(half, numbered_taxonomy(2), grid)
        files.append(str(write_segmentation(tmp_path / f"{name}_labels.tif", labels)))
        pixels = np.full((bands, 64, 64), 50, np.uint8) * half
        images.append(str(write_raster(tmp_path / f"{name}.tif", pixels)))
    command = ["align", *files, "--image", *images, "--with", "reference"]
    command += ["--reference", files[0], "--out", str(tmp_path / "named")]
    assert main(command) == UNFIT
    assert "in b.tif, as in a.tif, found" in capsys.readouterr().err
    assert not (tmp_path / "named").exists()


def test_the_labels_themselves_are_never_replaced(
    clusters: Path, classes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = clusters.read_bytes()
    command = ["align", str(clusters), "--taxonomy", str(classes), "--with", "table"]
    assert main([*command, "--out", str(clusters), "--overwrite"]) == UNFIT
    assert "which is an input" in capsys.readouterr().err
    assert clusters.read_bytes() == before


def test_a_list_of_classes_is_asked_for(
    clusters: Path, classes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = clusters.with_name("named.tif")
    assert main(["align", str(clusters), "--with", "table", "--out", str(out)]) == USAGE
    assert "give one (--taxonomy)" in capsys.readouterr().err
    command = ["align", str(clusters), "--taxonomy", str(classes), "--out", str(out)]
    assert main([*command, "--with", "magic"]) == USAGE
    assert "way to align" in capsys.readouterr().err
    assert not out.exists()


def test_what_is_sure_trains_a_model_with_two_commands(tmp_path: Path) -> None:
    truth = areas(96, 112)
    scene = write_raster(tmp_path / "scene.tif", picture(truth), photometric="RGB")
    with open_raster(scene) as source:
        grid = source.grid
    found = Segmentation(np.where(truth == 3, 2, 1).astype(np.uint8), numbered_taxonomy(2), grid)
    clusters = write_segmentation(tmp_path / "scene_labels.tif", found)
    names = Taxonomy(
        tuple(LabelClass(i, name, f"#{i}{i}0000") for i, name in ((1, "a"), (2, "b"), (3, "c")))
    )
    inside = [ndimage.binary_erosion(truth == i, np.ones((21, 21))) * i for i in (1, 2, 3)]
    said = Segmentation(np.sum(inside, axis=0).astype(np.uint8), names, grid)
    strokes = write_segmentation(tmp_path / "scene_strokes.tif", said)
    hints, model = tmp_path / "scene_hints.tif", tmp_path / "named.firstpass"
    command = ["align", str(clusters), "--image", str(scene), "--reference", str(strokes)]
    command += ["--with", "reference", "--least", "0.8", "--out", str(hints)]
    assert main(command) == DONE
    sure = read_segmentation(hints).labels
    assert 0.1 < (sure > 0).mean() < 1
    assert agreement(sure[sure > 0], truth[sure > 0]) > 0.97
    assert main(["fit", str(scene), "--hints", str(hints), "--out", str(model)]) == DONE
    out = tmp_path / "again.tif"
    assert main(["segment", str(scene), "--model", str(model), "--out", str(out)]) == DONE
    again = read_segmentation(out)
    assert [entry.name for entry in again.taxonomy.classes] == ["a", "b", "c"]
    assert agreement(again.labels, truth) > 0.9
