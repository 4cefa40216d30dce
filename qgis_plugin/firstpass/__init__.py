"""First pass for QGIS: label maps of aerial images, made by napari-firstpass in its own Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from firstpass.plugin import FirstPassPlugin


def classFactory(_iface: object) -> FirstPassPlugin:
    """Return the plugin; QGIS calls this."""
    from firstpass.plugin import FirstPassPlugin

    return FirstPassPlugin()
