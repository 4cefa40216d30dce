"""What the user set in napari's Preferences; declared in ``napari.yaml``."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from napari.settings import get_plugin_settings

from napari_firstpass.feature_cache import KEPT, KeptFeatures

if TYPE_CHECKING:
    from napari_firstpass.config import Device

PAGE = "File ▸ Preferences ▸ firstpass"
"""Where users find it."""

_PLUGIN = "napari-firstpass"

_GB = 10**9


@dataclass(frozen=True, slots=True)
class PromptKeys:
    """What is pressed while the mouse points at things.

    Attributes
    ----------
    accept : str
        Writes the outline; Enter does so too.
    candidates : str
        Held, shows the other outlines.
    point, line, box : str
        Choose the tool.
    """

    accept: str = "A"
    candidates: str = "C"
    point: str = "P"
    line: str = "L"
    box: str = "B"


@dataclass(frozen=True, slots=True)
class Preferences:
    """Settings of ours in napari; environment variables win over the folders.

    Attributes
    ----------
    weights : Path or None
        The folder for the weights of networks; None for the usual one.
    cache : KeptFeatures
        Where features of networks are kept, and in how much room.
    device : str
        See `SegmentConfig`.
    keys : PromptKeys
        Keys for prompts.
    autosave : bool
        Whether work is saved while it is done.
    autosave_s : float
        Seconds after a change until then.
    tile : int
        Side in pixels of the tiles that it is saved in.
    """

    weights: Path | None = None
    cache: KeptFeatures = KEPT
    device: Device = "auto"
    keys: PromptKeys = PromptKeys()
    autosave: bool = True
    autosave_s: float = 3.0
    tile: int = 512


def preferences() -> Preferences:
    """Return what is set now; to be called in the GUI thread."""
    try:
        settings = get_plugin_settings(_PLUGIN)
    except KeyError:  # a panel that a script made, with the plugin disabled in napari
        return Preferences(autosave=False)  # a script's files are its own business
    folders = settings.folders
    return Preferences(
        _path(folders.weights),
        KeptFeatures(_path(folders.cache), max(int(folders.room), 0) * _GB),
        settings.computing.device,
        keys_of({field.name: getattr(settings.keys, field.name) for field in fields(PromptKeys)}),
        bool(settings.saving.autosave),
        min(max(float(settings.saving.seconds), 1.0), 60.0),
        int(settings.saving.tile),
    )


def keys_of(wanted: dict[str, str]) -> PromptKeys:
    """Return keys that are one letter each, and all different; else the usual ones."""
    letters = {name: text.strip().upper() for name, text in wanted.items()}
    plain = all(len(text) == 1 and text.isascii() and text.isalpha() for text in letters.values())
    if not plain or len(set(letters.values())) < len(letters):
        return PromptKeys()
    return PromptKeys(**letters)


def _path(text: str) -> Path | None:
    return Path(text.strip()) if text.strip() else None
