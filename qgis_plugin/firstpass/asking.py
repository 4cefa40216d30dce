"""Parameters of the table of tools as parameters of QGIS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)

from firstpass.tools import EXTENT, Kind

if TYPE_CHECKING:
    from firstpass.tools import Parameter


def definition_of(parameter: Parameter) -> QgsProcessingParameterDefinition:
    """Return what QGIS makes a field, a column of a batch, or an input of a model of."""
    made = _MAKERS[parameter.kind](parameter)
    made.setHelp(parameter.help)
    if parameter.is_advanced:
        advanced = QgsProcessingParameterDefinition.Flag.FlagAdvanced
        made.setFlags(made.flags() | advanced)
    return made


def extent_definition() -> QgsProcessingParameterDefinition:
    """Return the rectangle that an image is cut to."""
    title = "Extent: the part of the image to work on; empty for all of it"
    made = QgsProcessingParameterExtent(EXTENT, title, optional=True)
    made.setHelp("Results lie on the pixels of the image.")
    return made


def _usual(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "description": parameter.title,
        "defaultValue": parameter.default,
        "optional": not parameter.is_required and parameter.default is None,
    }


def _raster(parameter: Parameter) -> QgsProcessingParameterDefinition:
    return QgsProcessingParameterRasterLayer(**_usual(parameter))


def _rasters(parameter: Parameter) -> QgsProcessingParameterDefinition:
    kind = QgsProcessing.SourceType.TypeRaster
    return QgsProcessingParameterMultipleLayers(layerType=kind, **_usual(parameter))


def _file(parameter: Parameter) -> QgsProcessingParameterDefinition:
    # Names that stand for files have no ending; QGIS's own filter wants one.
    return QgsProcessingParameterFile(fileFilter="All files (*)", **_usual(parameter))


def _new_raster(parameter: Parameter) -> QgsProcessingParameterDefinition:
    return QgsProcessingParameterRasterDestination(parameter.name, "Labels")


def _new_model(parameter: Parameter) -> QgsProcessingParameterDefinition:
    return QgsProcessingParameterFileDestination(
        parameter.name, "Model", "Models (*.firstpass)", optional=False
    )


def _new_report(parameter: Parameter) -> QgsProcessingParameterDefinition:
    return QgsProcessingParameterFileDestination(parameter.name, "Figures", "JSON (*.json)")


def _new_folder(parameter: Parameter) -> QgsProcessingParameterDefinition:
    return QgsProcessingParameterFolderDestination(parameter.name, "Folder")


def _number(parameter: Parameter) -> QgsProcessingParameterDefinition:
    types = QgsProcessingParameterNumber.Type
    kind = types.Integer if parameter.kind is Kind.INTEGER else types.Double
    return QgsProcessingParameterNumber(type=kind, **_usual(parameter))


def _switch(parameter: Parameter) -> QgsProcessingParameterDefinition:
    return QgsProcessingParameterBoolean(**_usual(parameter))


def _choice(parameter: Parameter) -> QgsProcessingParameterDefinition:
    option = parameter.option
    return QgsProcessingParameterEnum(
        options=option["choices"] or option["known"],
        allowMultiple=parameter.kind is Kind.CHOICES,
        usesStaticStrings=True,
        **_usual(parameter),
    )


def _text(parameter: Parameter) -> QgsProcessingParameterDefinition:
    return QgsProcessingParameterString(multiLine=parameter.kind is Kind.LINES, **_usual(parameter))


_MAKERS = {
    Kind.RASTER: _raster, Kind.RASTERS: _rasters, Kind.FILE: _file,
    Kind.NEW_RASTER: _new_raster, Kind.NEW_MODEL: _new_model, Kind.NEW_FOLDER: _new_folder,
    Kind.NEW_REPORT: _new_report, Kind.INTEGER: _number, Kind.NUMBER: _number,
    Kind.SWITCH: _switch, Kind.CHOICE: _choice, Kind.CHOICES: _choice, Kind.TEXT: _text,
    Kind.LINES: _text,
}  # fmt: skip
