"""One hint for each section of the panel, when it is opened for the first time."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_firstpass.io.open_projects import state_folder
from napari_firstpass.widgets.session import Message
from napari_firstpass.widgets.worker import finish_anyway

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtpy.QtWidgets import QToolButton

    from napari_firstpass.widgets.preferences import Keys

HINTS = {
    "segmenting": "Ready: Run ({run}) divides the image into classes; nothing has to be chosen.",
    "classing": "Double click a class to name it; drag one onto another to make them one. 1 to 9 "
    "choose what the brush paints.",
    "fixing": "{regions} selects whole regions, {point} points at a thing, {brush} takes the "
    "brush; Ctrl+Z takes each step back.",
    "refining": "Moves the borders of labels to where the image has them; Ctrl+Z takes it back.",
    "learning": "Correct a few regions under Fix first; then this shows what else would change.",
    "reviewing": "{next} flies to what is most doubtful: {accept} accepts it, 1 to 9 give it a "
    "class. Hold {hide} to see the image alone.",
    "exporting": "Choose who is to read the labels; what will be written is counted below first.",
}
"""What is said of a section, by the name of its fold."""

_FILE = "hints.json"


class FirstHints(QObject):
    """Says what a section is for when it is opened for the first time on this machine.

    Signals
    -------
    said : Message
        Something for the status line.

    Parameters
    ----------
    folds : mapping of str to QToolButton
        The sections that have hints.
    keys : Keys
        What is pressed for what.
    """

    said = Signal(object)

    def __init__(
        self, folds: Mapping[str, QToolButton], keys: Keys, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._keys = asdict(keys)
        self._seen: set[str] | None = None
        for name, fold in folds.items():
            fold.toggled.connect(partial(self._on_toggled, name))

    def _on_toggled(self, name: str, unfolded: bool) -> None:
        if unfolded and (hint := self.once(name)) is not None:
            self.said.emit(hint)

    def once(self, name: str) -> Message | None:
        """Return the hint of a section if it was not shown before, and note that it is."""
        if self._seen is None:
            self._seen = _seen_before()
        if name in self._seen:
            return None
        self._seen.add(name)
        finish_anyway(partial(_note_seen, sorted(self._seen)))
        return Message(HINTS[name].format(**self._keys))


def _seen_before() -> set[str]:
    """Return the sections whose hints were shown; a note that cannot be read shows them again."""
    with suppress(OSError, RuntimeError, ValueError):
        told = json.loads((state_folder() / _FILE).read_text(encoding="utf-8"))
        return {name for name in told if isinstance(name, str)} if isinstance(told, list) else set()
    return set()


def _note_seen(names: list[str]) -> None:
    """Note whose hints were shown; whether that can be noted is not vital."""
    with suppress(OSError, RuntimeError):
        place = state_folder() / _FILE
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(names), encoding="utf-8")
