from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio
from rasters import NORTH_UP, UTM31, pixels, write_raster

from napari_firstpass.errors import (
    GridMismatchError,
    OptionError,
    OutputError,
    TaxonomyError,
    UnknownNameError,
)
from napari_firstpass.export_images import (
    ExportFiles,
    export_array,
    export_file,
    preview_file,
)
from napari_firstpass.exporting.rules import ExportRules
from napari_firstpass.grid import Grid
from napari_firstpass.io.info import describe
from napari_firstpass.io.label_file import LabelFile
from napari_firstpass.provenance import Provenance
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy

if TYPE_CHECKING:
    from pathlib import Path

CLASSES = Taxonomy(
    (
        LabelClass(1, "road", "#111111"),
        LabelClass(2, "house", "#222222", aliases=("building",)),
        LabelClass(3, "pond", "#333333"),
    )
)
GRID = Grid(48, 64, NORTH_UP, UTM31)
HALF = 48 * 32


def labels() -> np.ndarray:
    """Left half road; right half house, with a pond of 8 x 8 and 16 unlabelled pixels."""
    ids = np.ones(GRID.shape, np.uint8)
    ids[:, 32:] = 2
    ids[:8, 32:40] = 3
    ids[-4:, -4:] = 0
    return ids


@pytest.fixture
def files(tmp_path: Path) -> ExportFiles:
    bands = pixels()
    bands[:, 40:, :10] = 0
    image = write_raster(tmp_path / "scene.tif", bands, nodata=0)
    sure = np.full(GRID.shape, 200, np.uint8)
    sure[20:22, :] = 10
    record = Provenance(source="scene.tif")
    place = tmp_path / "labels_confidence.tif"
    with LabelFile(
        tmp_path / "labels.tif",
        grid=GRID,
        taxonomy=CLASSES,
        provenance=record,
        confidence_path=place,
    ) as file:
        file.write(GRID.window, labels(), sure)
    return ExportFiles(image=image, labels=tmp_path / "labels.tif")


def test_pixels_are_counted_before_and_after_and_once_for_why_they_are_ignored(
    files: ExportFiles, tmp_path: Path
) -> None:
    seen = np.ones((1, *GRID.shape), np.uint8)
    seen[0, :, :5] = 0
    looked_at = write_raster(tmp_path / "seen.tif", seen)
    rules = ExportRules(min_confidence=100, reviewed_only=True, codes=(("road", 1), ("house", 9)))
    known = ExportFiles(image=files.image, labels=files.labels, reviewed=looked_at)
    found = preview_file(known, "geotiff", rules).preview
    assert dict(found.before) == {0: 16, 1: HALF, 2: HALF - 64 - 16, 3: 64}
    # 8 x 10 pixels without data lie in the road, 5 of whose columns nobody has looked at.
    ignored = {
        "no data": 80,
        "unlabelled": 16,
        "no code": 64,
        "not reviewed": 40 * 5,
        "not sure": 2 * 59,
    }
    assert dict(found.ignored) == ignored
    assert found.after[1] == HALF - 80 - 40 * 5 - 2 * 27
    assert found.after[9] == HALF - 64 - 16 - 2 * 32
    assert found.after[255] == sum(ignored.values())
    assert [note.text for note in found.losses] == ["'pond' has no code: 64 pixels are ignored"]


def test_what_is_written_is_what_was_counted(files: ExportFiles, tmp_path: Path) -> None:
    out = tmp_path / "out"
    rules = ExportRules(preset="potsdam-mmseg", allow_loss=True)
    report = export_file(files, out, "geotiff", rules)
    with rasterio.open(out / "scene.tif") as mask:
        values = mask.read(1)
        assert (mask.nodata, mask.crs.to_epsg(), mask.transform) == (0, 32631, NORTH_UP)
    expected = np.array([0, 1, 2, 0], np.uint8)[labels()]
    expected[40:, :10] = 0
    np.testing.assert_array_equal(values, expected)
    written = {int(i): int(n) for i, n in zip(*np.unique(values, return_counts=True), strict=True)}
    assert {key: n for key, n in report.preview.after.items() if n} == written
    told = json.loads((out / "export.json").read_text())
    assert told["written"][0]["name"] == "impervious surfaces"
    assert told["reduce_zero_label"] is True
    assert told["inputs"].keys() == {"image", "labels", "confidence"}


def test_codes_that_are_no_ids_are_told_with_names_and_pixels(
    files: ExportFiles, tmp_path: Path
) -> None:
    export_file(files, tmp_path / "out", "geotiff", ExportRules(renumber=True))
    listed = json.loads((tmp_path / "out" / "export.json").read_text())["written"]
    told = describe(tmp_path / "out" / "scene.tif")
    assert told.classes is not None
    assert [(c.id, c.name) for c in told.classes] == [
        (entry["code"], entry["name"]) for entry in listed
    ]
    assert told.classes[0].id == 0
    counted = {entry.id: entry.pixels for entry in told.classes}
    counted[told.unlabelled_code] = told.unlabelled
    with rasterio.open(tmp_path / "out" / "scene.tif") as mask:
        codes, pixels = np.unique(mask.read(1), return_counts=True)
    written = dict(zip(codes.tolist(), pixels.tolist(), strict=True))
    assert {code: pixels for code, pixels in counted.items() if pixels} == written


def test_nothing_is_written_where_a_class_would_get_lost(
    files: ExportFiles, tmp_path: Path
) -> None:
    with pytest.raises(TaxonomyError, match="'pond' has no code: 64 pixels"):
        export_file(files, tmp_path / "out", "geotiff", ExportRules(preset="potsdam-mmseg"))
    assert not (tmp_path / "out").exists()


def test_an_array_gives_the_bytes_of_the_file(files: ExportFiles, tmp_path: Path) -> None:
    with rasterio.open(files.image) as dataset:
        bands = dataset.read()
    held = Segmentation(labels(), CLASSES, GRID, provenance=Provenance(source="scene.tif"))
    valid = (bands != 0).any(axis=0)
    export_array(bands, held, tmp_path / "a", "geotiff", name="scene", valid=valid)
    export_file(files, tmp_path / "b", "geotiff")
    first, second = (tmp_path / name / "scene.tif" for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_other_classes_of_the_same_ids_can_be_given(files: ExportFiles, tmp_path: Path) -> None:
    renamed = Taxonomy((*CLASSES.classes[:2], LabelClass(3, "lake", "#0000FF", export_code=7)))
    given = ExportFiles(image=files.image, labels=files.labels, taxonomy=renamed)
    report = export_file(given, tmp_path / "out", "geotiff")
    assert [(c.code, c.name) for c in report.job.coding.classes][-1] == (7, "lake")
    few = ExportFiles(
        image=files.image, labels=files.labels, taxonomy=Taxonomy(renamed.classes[:2])
    )
    with pytest.raises(TaxonomyError, match="found none for 3"):
        export_file(few, tmp_path / "out2", "geotiff")


def test_choices_about_what_nobody_knows_are_refused(files: ExportFiles, tmp_path: Path) -> None:
    held = Segmentation(labels(), CLASSES, GRID)
    out = tmp_path / "out"
    with pytest.raises(OptionError, match="labels with a confidence"):
        export_array(pixels(), held, out, "geotiff", ExportRules(min_confidence=9))
    with pytest.raises(OptionError, match="a file that tells what was reviewed"):
        export_file(files, out, "geotiff", ExportRules(reviewed_only=True))
    with pytest.raises(UnknownNameError, match="a format out of"):
        export_file(files, out, "shapefile")
    with pytest.raises(UnknownNameError, match="option of this format"):
        export_file(files, out, "geotiff", options={"colour": "red"})
    with pytest.raises(OptionError, match="codes for cog"):
        export_file(files, out, "cog", ExportRules(preset="isprs-rgb", allow_loss=True))


def test_labels_of_another_grid_are_refused(files: ExportFiles, tmp_path: Path) -> None:
    small = write_raster(tmp_path / "small.tif", pixels(height=40))
    with pytest.raises(GridMismatchError, match="40 x 64"):
        export_file(ExportFiles(image=small, labels=files.labels), tmp_path / "out", "geotiff")


def test_the_folder_may_not_hold_the_image(files: ExportFiles, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="an input inside"):
        export_file(files, tmp_path, "geotiff", overwrite=True)


def test_things_to_know_are_told(tmp_path: Path) -> None:
    image = write_raster(
        tmp_path / "plain.tif", pixels(), crs=None, transform=rasterio.Affine.identity()
    )
    many = Taxonomy((LabelClass(1, "a", "#000000"), LabelClass(300, "b", "#000001")))
    grid = Grid(48, 64)
    record = Provenance(source="other.tif", source_sha256="0" * 64)
    with LabelFile(tmp_path / "l.tif", grid=grid, taxonomy=many, provenance=record):
        pass
    found = preview_file(ExportFiles(image=image, labels=tmp_path / "l.tif"), "geotiff").preview
    texts = " / ".join(note.text for note in found.notes)
    for part in ("no pixel has a class", "16 bits", "no georeference", "another image"):
        assert part in texts
    assert found.losses == ()
