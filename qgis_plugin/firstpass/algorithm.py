"""One algorithm of the toolbox: a tool of the table, run in the environment of napari-firstpass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qgis.core import (
    NULL,
    QgsCoordinateReferenceSystem,
    QgsProcessingAlgorithm,
    QgsProcessingException,
    QgsProcessingOutputFile,
    QgsProcessingOutputString,
)

from firstpass.asking import definition_of, extent_definition
from firstpass.environment import find
from firstpass.errors import CanceledError, ToolError
from firstpass.layers import VIRTUAL, Styled, part_of, path_of
from firstpass.runner import Listener, run
from firstpass.settings import chosen_python
from firstpass.tools import EXTENT, OUT, OUTPUTS, Kind

if TYPE_CHECKING:
    from qgis.core import QgsProcessingContext, QgsProcessingFeedback, QgsRasterLayer

    from firstpass.tools import Parameter, Tool

_ALSO_WRITTEN = ("confidence", "overlay", "suggestions", "record")
"""Files that a command may write beside the labels, as its result calls them."""

_STYLES: list[Styled] = []
"""QGIS holds no Python object alive that it is to call later."""


class FeedbackListener(Listener):
    """Passes what a run tells on to QGIS."""

    def __init__(self, feedback: QgsProcessingFeedback) -> None:
        self._feedback = feedback
        self._shown = ""

    def is_canceled(self) -> bool:
        """Tell whether the user pressed Cancel."""
        return bool(self._feedback.isCanceled())

    def progress(self, share: float, text: str) -> None:
        """Move the bar, and show what is done at the moment."""
        self._feedback.setProgress(100 * share)
        if text != self._shown:
            self._shown = text
            self._feedback.setProgressText(text)

    def warning(self, text: str) -> None:
        """Show trouble."""
        self._feedback.pushWarning(text)


class ToolAlgorithm(QgsProcessingAlgorithm):
    """A tool for QGIS.

    Layers are read in QGIS's main thread, before the run; the run itself touches none.
    """

    def __init__(self, tool: Tool) -> None:
        super().__init__()
        self._tool = tool
        self._values: dict[str, Any] = {}
        self._crs = QgsCoordinateReferenceSystem()
        self._notes: list[str] = []

    def createInstance(self) -> ToolAlgorithm:
        """Return another one, for a run of its own."""
        return ToolAlgorithm(self._tool)

    def name(self) -> str:
        """Return its name for scripts."""
        return self._tool.name

    def displayName(self) -> str:
        """Return its name in the toolbox."""
        return self._tool.title

    def shortDescription(self) -> str:
        """Return what it does, in a sentence."""
        return self._tool.summary

    def shortHelpString(self) -> str:
        """Return what it does, and the help of the command line."""
        told = [f"<p><b>{_html(p.name)}</b>: {_html(p.help)}</p>" for p in self._told()]
        return f"<p>{_html(self._tool.summary)}</p>{''.join(told)}"

    def _told(self) -> list[Parameter]:
        return [one for one in self._tool.parameters if one.help]

    def initAlgorithm(self, _configuration: dict[str, Any] | None = None) -> None:
        """Describe parameters and outputs to QGIS."""
        for parameter in self._tool.parameters:
            if parameter.kind in OUTPUTS and self._tool.has_extent:
                self.addParameter(extent_definition())
            self.addParameter(definition_of(parameter))
        if self._writes_labels:
            for what in _ALSO_WRITTEN:
                self.addOutput(QgsProcessingOutputFile(_output(what), what.capitalize()))
        self.addOutput(QgsProcessingOutputString("RESULT", "Result, as JSON"))

    @property
    def _writes_labels(self) -> bool:
        return any(one.kind is Kind.NEW_RASTER for one in self._tool.parameters)

    def canExecute(self) -> tuple[bool, str]:
        """Tell whether there is an environment, without starting it."""
        try:
            find(chosen_python())
        except ToolError as error:
            return False, str(error)
        return True, ""

    def checkParameterValues(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> tuple[bool, str]:
        """Tell whether layers can be worked on, before anything is begun."""
        good, told = super().checkParameterValues(parameters, context)
        if good:
            try:
                for parameter in self._tool.parameters:
                    if parameter.kind in (Kind.RASTER, Kind.RASTERS):
                        self._value(parameter, parameters, context)
                self._cut(parameters, context)
            except ToolError as error:
                return False, str(error)
        return good, told

    def prepareAlgorithm(
        self,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> bool:
        """Read parameters, in QGIS's main thread."""
        self._notes.clear()
        try:
            for parameter in self._tool.parameters:
                value = self._value(parameter, parameters, context)
                self._values[parameter.name] = value
            self._cut(parameters, context)
        except ToolError as error:
            raise QgsProcessingException(str(error)) from error
        for note in self._notes:
            feedback.pushWarning(note)
        return True

    def _value(
        self, parameter: Parameter, given: dict[str, Any], context: QgsProcessingContext
    ) -> object:
        """Return what was given, files by their whole path: the run is in another folder."""
        name = parameter.name
        if parameter.kind is Kind.NEW_RASTER:
            return _whole(self.parameterAsOutputLayer(given, name, context))
        if parameter.kind in OUTPUTS:
            return _whole(self.parameterAsFileOutput(given, name, context))
        # A batch tells of an empty field with NULL.
        is_given = given.get(name) not in (None, NULL) or parameter.default is not None
        value = _READERS[parameter.kind](self, given, name, context) if is_given else None
        if parameter.is_required and value in (None, "", []):
            raise ToolError(f"expected a value of {name}, found none; give one")
        return value

    def raster(self, given: dict[str, Any], name: str, context: QgsProcessingContext) -> str:
        """Return the file of a layer."""
        layer = self.parameterAsRasterLayer(given, name, context)
        if layer is None:
            raise ToolError(f"expected a raster layer as {name}, found {given[name]}; choose one")
        return self._seen(layer)

    def rasters(self, given: dict[str, Any], name: str, context: QgsProcessingContext) -> list[str]:
        """Return the files of layers."""
        layers = self.parameterAsLayerList(given, name, context)
        if not layers:
            raise ToolError(f"expected raster layers as {name}, found none; choose some")
        return [self._seen(layer) for layer in layers]

    def _seen(self, layer: QgsRasterLayer) -> str:
        """Note the CRS of a layer, and return its file."""
        path = _whole(path_of(layer))
        if not layer.crs().isValid():
            self._notes.append(f"{layer.name()} has no CRS, and so the result will have none")
        elif not self._crs.isValid():
            self._crs = layer.crs()
        return path

    def file(self, given: dict[str, Any], name: str, context: QgsProcessingContext) -> str:
        """Return a file by its whole path, or a name that stands for one."""
        text = self.text(given, name, context)
        return _whole(text) if text and Path(text).exists() else text

    def text(self, given: dict[str, Any], name: str, context: QgsProcessingContext) -> str:
        """Return a text."""
        return str(self.parameterAsString(given, name, context)).strip()

    def lines(self, given: dict[str, Any], name: str, context: QgsProcessingContext) -> list[str]:
        """Return the lines of a text that hold something."""
        text = self.parameterAsString(given, name, context)
        return [line.strip() for line in str(text).splitlines() if line.strip()]

    def _cut(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Let the image be its part under the rectangle, if one was given."""
        if not self._tool.has_extent or not parameters.get(EXTENT):
            return
        layer = self.parameterAsRasterLayer(parameters, "IMAGE", context)
        extent = self.parameterAsExtent(parameters, EXTENT, context, layer.crs())
        self._values["IMAGE"] = part_of(layer, extent)

    def processAlgorithm(
        self,
        _parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        """Run the tool, in whatever thread QGIS chose."""
        out = Path(self._values[OUT])
        try:
            environment = find(chosen_python())
            feedback.pushInfo(f"Python: {environment.python}, from {environment.origin}")
            arguments = self._tool.arguments(self._values)
            feedback.pushCommandInfo(f"firstpass {' '.join(arguments)}")
            outputs = () if self._tool.makes_report else _written(out)
            result = run(environment, arguments, FeedbackListener(feedback), outputs)
            if self._tool.makes_report:
                _write_report(out, result)
        except CanceledError:
            return {}
        except ToolError as error:
            raise QgsProcessingException(str(error)) from error
        told = result if isinstance(result, dict) else {}
        self._style(told, context)
        also = {_output(what): told[what] for what in _ALSO_WRITTEN if told.get(what)}
        return {OUT: str(out), **also, "RESULT": json.dumps(result, ensure_ascii=False)}

    def _style(self, result: dict[str, Any], context: QgsProcessingContext) -> None:
        """Let QGIS show labels with names and colours, if it is to show them."""
        out = str(self._values[OUT])
        if result.get("style") and context.willLoadLayerOnCompletion(out):
            styled = Styled(result["style"], self._crs)
            _STYLES.append(styled)
            context.layerToLoadOnCompletionDetails(out).setPostProcessor(styled)


def _whole(path: str) -> str:
    """Return the whole path of a file; what GDAL reads inside an archive has one."""
    return path if path.startswith(VIRTUAL) else str(Path(path).absolute())


def _written(out: Path) -> tuple[Path, ...]:
    """Return the files that a command may write for one output."""
    beside = [out.with_name(f"{out.stem}_{what}{out.suffix}") for what in _ALSO_WRITTEN]
    return (out, out.with_suffix(".qml"), *beside)


def _output(what: str) -> str:
    return f"{what.upper()}_FILE"


def _write_report(path: Path, result: object) -> None:
    """Write what a command told, whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    text = json.dumps(result, indent=2, ensure_ascii=False) + "\n"
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise ToolError(
            f"expected to write {path}, found {error.strerror}; choose another folder"
        ) from error
    finally:
        if partial.exists():
            partial.unlink()


def _html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_READERS = {
    Kind.RASTER: ToolAlgorithm.raster,
    Kind.RASTERS: ToolAlgorithm.rasters,
    Kind.FILE: ToolAlgorithm.file,
    Kind.TEXT: ToolAlgorithm.text,
    Kind.LINES: ToolAlgorithm.lines,
    Kind.INTEGER: QgsProcessingAlgorithm.parameterAsInt,
    Kind.NUMBER: QgsProcessingAlgorithm.parameterAsDouble,
    Kind.SWITCH: QgsProcessingAlgorithm.parameterAsBoolean,
    Kind.CHOICE: QgsProcessingAlgorithm.parameterAsEnumString,
    Kind.CHOICES: QgsProcessingAlgorithm.parameterAsEnumStrings,
}
