"""The algorithms inside QGIS: what they ask for, layers, rectangles, models, stops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import processing
import pytest
from osgeo import gdal
from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
    QgsProcessingParameterRasterLayer,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
)

from firstpass.layers import part_of
from firstpass.tools import EXTENT, TOOLS

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("provider")


class Notes(QgsProcessingFeedback):
    """Keeps warnings; cancels when something is begun."""

    def __init__(self, until: str = "never") -> None:
        super().__init__()
        self.warnings: list[str] = []
        self._until = until

    def pushWarning(self, text: str) -> None:  # noqa: N802 - QGIS's name
        self.warnings.append(text)

    def setProgressText(self, text: str) -> None:  # noqa: N802
        if self._until in text:
            self.cancel()


def opened(path: Path) -> QgsRasterLayer:
    layer = QgsRasterLayer(str(path), path.stem)
    assert layer.isValid()
    return layer


def legend(layer: QgsRasterLayer) -> list[tuple[int, str, str]]:
    return [(int(e.value), e.label, e.color.name()) for e in layer.renderer().classes()]


def run(name: str, notes: QgsProcessingFeedback | None = None, **given: Any) -> dict[str, Any]:  # noqa: ANN401
    return processing.run(f"firstpass:{name}", given, feedback=notes or Notes())


def test_qgis_asks_for_what_the_table_has(provider: Any) -> None:  # noqa: ANN401
    found = {one.name(): one for one in provider.algorithms()}
    assert found.keys() == {tool.name for tool in TOOLS} | {
        "install_environment", "choose_environment", "remove_environment",
    }  # fmt: skip
    for tool in TOOLS:
        asked = {one.name(): one for one in found[tool.name].parameterDefinitions()}
        extent = {EXTENT} if tool.has_extent else set()
        assert asked.keys() == {one.name for one in tool.parameters} | extent
        for one in tool.parameters:
            shown = asked[one.name].defaultValue()
            assert shown == (one.default if shown is not None else None) or shown is None
            assert asked[one.name].help() == one.help
        assert found[tool.name].canExecute()[0]


def test_a_layer_becomes_labels_with_names_the_crs_and_the_bytes_of_the_command_line(
    town: Path, firstpass: Callable[..., None]
) -> None:
    out = town.with_name("labels.tif")
    layer = opened(town)
    given = {"IMAGE": layer, "CLASSES": "4", "SEED": 3, "OUT": str(out)}
    done = processing.runAndLoadResults("firstpass:segment", given, feedback=Notes())
    told = json.loads(done["RESULT"])
    (shown,) = QgsProject.instance().mapLayersByName("Labels")
    expected = [(e["id"], e["name"], e["color"].lower()) for e in told["classes"]]
    assert legend(shown) == expected
    assert len(expected) == 4
    assert shown.crs() == layer.crs()
    assert shown.extent() == layer.extent()
    again = town.with_name("again.tif")
    firstpass("segment", str(town), "--classes", "4", "--seed", "3", "--out", str(again))
    assert again.read_bytes() == out.read_bytes()
    # What is opened without the plugin shows the same.
    assert legend(opened(out)) == expected
    QgsProject.instance().clear()


def test_a_rectangle_is_worked_on_alone_and_lies_on_the_pixels(town: Path) -> None:
    layer, out = opened(town), town.with_name("part.tif")
    west, north = layer.extent().xMinimum(), layer.extent().yMaximum()
    size = layer.rasterUnitsPerPixelX()
    # Neither side is on the border of a pixel.
    drawn = QgsRectangle(
        west + 16.4 * size, north - 95.5 * size, west + 111.5 * size, north - 32.4 * size
    )
    text = f"{drawn.xMinimum()},{drawn.xMaximum()},{drawn.yMinimum()},{drawn.yMaximum()}"
    told = run("segment", IMAGE=layer, CLASSES="2", EXTENT=text, OUT=str(out))
    part = opened(out)
    assert (part.width(), part.height()) == (96, 64)
    assert part.crs() == layer.crs()
    found = gdal.Open(str(out)).GetGeoTransform()
    assert found == pytest.approx((west + 16 * size, size, 0, north - 32 * size, 0, -size))
    # The same part is the same file, so that the same run gives the same bytes.
    parts = [Path(part_of(layer, drawn)) for _ in range(2)]
    assert parts[0].read_bytes() == parts[1].read_bytes()
    assert parts[0].name == f"{town.stem}_32_16_64_96.vrt"
    assert json.loads(told["RESULT"])["width"] == 96
    beside = "0,1,0,1"
    with pytest.raises(QgsProcessingException, match="over the image, found one beside it"):
        run("segment", IMAGE=layer, EXTENT=beside, OUT=str(out))


def test_a_model_leads_to_labels_refined_named_exported_and_judged(town: Path) -> None:
    folder, truth = town.parent, town.with_name("truth.tif")
    places = {name: str(folder / name) for name in ("m.firstpass", "a.tif", "r.tif", "n.tif")}
    run("fit", IMAGE=[str(town)], CLASSES="6", OUT=places["m.firstpass"])
    run("apply", IMAGE=str(town), MODEL=places["m.firstpass"], OUT=places["a.tif"])
    run("refine", IMAGE=str(town), LABELS=places["a.tif"], WITH="regions", OUT=places["r.tif"])
    run("align_reference", LABELS=places["r.tif"], REFERENCE=str(truth), OUT=places["n.tif"])
    named = {label for _, label, _ in legend(opened(folder / "n.tif"))}
    taxonomy = json.loads(gdal.Open(str(truth)).GetMetadataItem("FIRSTPASS_TAXONOMY"))
    assert {"building", "grass", "tree"} <= named <= {one["name"] for one in taxonomy["classes"]}
    report = folder / "figures.json"
    done = run("evaluate", TRUTH=str(truth), PRED=places["n.tif"], OUT=str(report))
    figures = json.loads(report.read_text())
    assert figures == json.loads(done["RESULT"])
    assert figures["exit_code"] == 0
    assert (folder / "n.qml").is_file()
    run("export", IMAGE=str(town), LABELS=places["n.tif"], FORMAT="geotiff", OUT=str(folder / "x"))
    assert (folder / "x" / "export.json").is_file()


def test_the_model_designer_chains_them(town: Path) -> None:
    model = QgsProcessingModelAlgorithm("first and second", "test")
    model.addModelParameter(
        QgsProcessingParameterRasterLayer("image"), QgsProcessingModelParameter("image")
    )
    source = QgsProcessingModelChildParameterSource
    first = QgsProcessingModelChildAlgorithm("firstpass:segment")
    first.setChildId("segment")
    first.addParameterSources("IMAGE", [source.fromModelParameter("image")])
    first.addParameterSources("CLASSES", [source.fromStaticValue("3")])
    second = QgsProcessingModelChildAlgorithm("firstpass:refine")
    second.setChildId("refine")
    second.addParameterSources("IMAGE", [source.fromModelParameter("image")])
    second.addParameterSources("LABELS", [source.fromChildOutput("segment", "OUT")])
    output = QgsProcessingModelOutput("Finer")
    output.setChildId("refine")
    output.setChildOutputName("OUT")
    second.setModelOutputs({"Finer": output})
    model.addChildAlgorithm(first)
    model.addChildAlgorithm(second)
    out = town.with_name("finer.tif")
    context = QgsProcessingContext()
    done, good = model.run({"image": str(town), "refine:Finer": str(out)}, context, Notes())
    assert good
    assert done["refine:Finer"] == str(out)
    assert len(legend(opened(out))) == 3


def test_a_canceled_algorithm_leaves_nothing(town: Path) -> None:
    before = {path.name for path in town.parent.iterdir()}
    out = town.with_name("labels.tif")
    assert run("segment", Notes("window 1"), IMAGE=str(town), WINDOW=64, OUT=str(out)) == {}
    left = {path.name for path in town.parent.iterdir()} - {f"{town.name}.aux.xml"}
    assert left == before


def test_a_layer_that_is_no_file_is_one_sentence(town: Path) -> None:
    tiles = QgsRasterLayer("type=xyz&url=http://localhost:1/{z}/{x}/{y}.png&zmax=1", "map", "wms")
    assert tiles.isValid()
    with pytest.raises(QgsProcessingException, match="from a file, found map from wms; save it as"):
        run("segment", IMAGE=tiles, OUT=str(town.with_name("l.tif")))
    with pytest.raises(QgsProcessingException):
        run("segment", IMAGE=str(town.with_name("no.tif")), OUT=str(town.with_name("l.tif")))
    assert not town.with_name("l.tif").exists()


def test_a_layer_without_a_crs_is_done_with_a_warning(town: Path) -> None:
    bare, image = town.with_name("bare.tif"), gdal.Open(str(town))
    size = (image.RasterXSize, image.RasterYSize)
    copy = gdal.GetDriverByName("GTiff").Create(str(bare), *size, image.RasterCount)
    copy.WriteRaster(0, 0, *size, image.ReadRaster())
    del copy
    layer = opened(bare)
    layer.setCrs(QgsCoordinateReferenceSystem())
    notes, out = Notes(), town.with_name("labels.tif")
    run("segment", notes, IMAGE=layer, CLASSES="2", OUT=str(out))
    assert notes.warnings == ["bare has no CRS, and so the result will have none"]
    assert not opened(out).crs().isValid()


def test_an_output_that_cannot_be_written_is_one_sentence(town: Path) -> None:
    sealed = "/proc/labels.tif"  # nobody may write there, not even root
    with pytest.raises(QgsProcessingException, match=r"labels\.\w+.*; (choose|create) ") as told:
        run("segment", IMAGE=str(town), OUT=sealed)
    assert "\n" not in str(told.value)


def test_without_an_environment_qgis_says_what_to_do(
    town: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("FIRSTPASS_PYTHON")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    algorithm = QgsApplication.processingRegistry().algorithmById("firstpass:segment")
    good, told = algorithm.canExecute()
    assert not good
    assert "run “Install environment” of the group Environment" in told
    with pytest.raises(QgsProcessingException, match="found none; run “Install environment”"):
        run("segment", IMAGE=str(town), OUT=str(town.with_name("l.tif")))
    with pytest.raises(QgsProcessingException, match=r"expected Python at .*found none"):
        run("choose_environment", PYTHON=str(tmp_path / "python"))
    assert run("remove_environment") == {"REMOVED": "no"}


def test_a_chosen_environment_is_kept_and_taken_back(
    environment: Any,  # noqa: ANN401
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.delenv("FIRSTPASS_PYTHON")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    chosen = str(environment.python)
    assert run("choose_environment", PYTHON=chosen)["USED"] == chosen
    from firstpass.settings import chosen_python

    assert chosen_python() == chosen
    with pytest.raises(QgsProcessingException, match="an environment with napari-firstpass, found"):
        run("choose_environment")
    assert chosen_python() == ""
