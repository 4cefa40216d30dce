"""The algorithms of this plugin, as a group of the Processing toolbox."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from firstpass.algorithm import ToolAlgorithm
from firstpass.setting_up import SETUP
from firstpass.tools import TOOLS


class FirstPassProvider(QgsProcessingProvider):
    """Hands the algorithms to QGIS."""

    def loadAlgorithms(self) -> None:
        """Add all of them."""
        for tool in TOOLS:
            self.addAlgorithm(ToolAlgorithm(tool))
        for algorithm in SETUP:
            self.addAlgorithm(algorithm())

    def id(self) -> str:
        """Return its name for scripts."""
        return "firstpass"

    def name(self) -> str:
        """Return its name in the toolbox."""
        return "First pass"

    def longName(self) -> str:
        """Return what it is."""
        return "First pass: segmentation of aerial images"

    def icon(self) -> QIcon:
        """Return its picture."""
        return QIcon(str(Path(__file__).parent / "icon.png"))

    def supportedOutputRasterLayerExtensions(self) -> list[str]:
        """Return what label files end in."""
        return ["tif", "tiff"]

    def defaultRasterFileExtension(self, *_hints: object) -> str:
        """Return what they end in if nobody says."""
        return "tif"
