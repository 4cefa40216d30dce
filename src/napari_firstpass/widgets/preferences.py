"""What the user set in napari's Preferences; declared in ``napari.yaml``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari.settings import get_plugin_settings

if TYPE_CHECKING:
    from napari_firstpass.config import Device

PAGE = "File ▸ Preferences ▸ firstpass"
"""Where users find it."""

_PLUGIN = "napari-firstpass"


@dataclass(frozen=True, slots=True)
class Preferences:
    """Settings of ours in napari; environment variables win over the folders.

    Attributes
    ----------
    weights, cache : Path or None
        Folders for the weights of networks and for their features; None for the usual ones.
    device : str
        See `SegmentConfig`.
    """

    weights: Path | None = None
    cache: Path | None = None
    device: Device = "auto"


def preferences() -> Preferences:
    """Return what is set now; to be called in the GUI thread."""
    try:
        settings = get_plugin_settings(_PLUGIN)
    except KeyError:  # a panel that a script made, with the plugin disabled in napari
        return Preferences()
    folders = settings.folders
    return Preferences(_path(folders.weights), _path(folders.cache), settings.computing.device)


def _path(text: str) -> Path | None:
    return Path(text.strip()) if text.strip() else None
