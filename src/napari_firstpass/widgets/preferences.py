"""What the user set in napari's Preferences; declared in ``napari.yaml``."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from napari.settings import get_plugin_settings
from qtpy.QtGui import QKeySequence

from napari_firstpass.feature_cache import KEPT, KeptFeatures

if TYPE_CHECKING:
    from napari_firstpass.config import Device

PAGE = "File ▸ Preferences ▸ firstpass"
"""Where users find it."""

_PLUGIN = "napari-firstpass"

_GB = 10**9


@dataclass(frozen=True, slots=True)
class Keys:
    """What is pressed for what, the same in every section of the panel.

    Attributes
    ----------
    run : str
        Begins a run; the others are one letter each.
    accept : str
        What is shown is as it should be. Enter writes an outline, too.
    candidates : str
        Shows the other outlines while it is held, or the other part of a region.
    point, line, box : str
        Point at things with this tool.
    regions : str
        Begins or ends selecting regions.
    brush : str
        Takes the brush, or lays it down.
    next : str
        Flies to the next region.
    merge : str
        Makes one class of several, or a region what its neighbour is.
    hide : str
        Hides the labels while it is held.
    """

    run: str = "Ctrl+R"
    accept: str = "A"
    candidates: str = "C"
    point: str = "P"
    line: str = "L"
    box: str = "B"
    regions: str = "X"
    brush: str = "D"
    next: str = "N"
    merge: str = "M"
    hide: str = "H"


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
    keys : Keys
        What is pressed for what.
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
    keys: Keys = Keys()
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
        keys_of({field.name: getattr(settings.keys, field.name) for field in fields(Keys)}),
        bool(settings.saving.autosave),
        min(max(float(settings.saving.seconds), 1.0), 60.0),
        int(settings.saving.tile),
    )


def keys_of(wanted: dict[str, str]) -> Keys:
    """Return letters that are all different, and a key to run that is none; else the usual ones."""
    letters = {name: text.strip().upper() for name, text in wanted.items() if name != "run"}
    plain = all(len(text) == 1 and text.isascii() and text.isalpha() for text in letters.values())
    if not plain or len(set(letters.values())) < len(letters):
        letters = {}
    run = QKeySequence(wanted.get("run", "").strip()).toString()
    return Keys(**letters, **({"run": run} if len(run) > 1 else {}))


def _path(text: str) -> Path | None:
    return Path(text.strip()) if text.strip() else None
