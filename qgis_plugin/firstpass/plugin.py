"""What QGIS loads: it registers the algorithms, and takes them away again."""

from __future__ import annotations

from qgis.core import QgsApplication

from firstpass.provider import FirstPassProvider


class FirstPassPlugin:
    """The plugin; there is nothing of it but its group of the Processing toolbox."""

    def __init__(self) -> None:
        self._provider: FirstPassProvider | None = None

    def initProcessing(self) -> None:
        """Register the algorithms; all that happens in ``qgis_process``."""
        self._provider = FirstPassProvider()
        QgsApplication.processingRegistry().addProvider(self._provider)

    def initGui(self) -> None:
        """Do the same when QGIS has a window."""
        self.initProcessing()

    def unload(self) -> None:
        """Take the algorithms away."""
        if self._provider is not None:
            QgsApplication.processingRegistry().removeProvider(self._provider)
            self._provider = None
