"""Lists of classes from files, and back, in a thread."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_firstpass.errors import FirstPassError
from napari_firstpass.io.taxonomy_file import read_taxonomy, write_taxonomy
from napari_firstpass.progress import Progress
from napari_firstpass.widgets.session import Message
from napari_firstpass.widgets.worker import Runner

if TYPE_CHECKING:
    from napari_firstpass.progress import Steps
    from napari_firstpass.taxonomy import Taxonomy
    from napari_firstpass.widgets.worker import Reply


@dataclass(frozen=True, slots=True)
class ReadList:
    """A list of classes, and what to call it."""

    name: str
    taxonomy: Taxonomy


class ClassLists(QObject):
    """Reads and writes lists of classes, one at a time.

    Signals
    -------
    read : ReadList
        A list that was asked for.
    said : Message
        What happened.
    """

    read = Signal(object)
    said = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runner, self._run = Runner(self), 0
        self._runner.replied.connect(self._on_replied)

    def start_reading(self, name_or_path: str) -> None:
        """Read a built-in list, or a file."""
        self._start(_read_steps(name_or_path))

    def start_writing(self, path: Path, taxonomy: Taxonomy) -> None:
        """Write a list; the user has agreed to replace a file there."""
        self._start(_write_steps(path, taxonomy))

    def forget(self) -> None:
        """Drop whatever is on its way."""
        self._run += 1
        self._runner.stop()

    def _start(self, steps: Steps[Any]) -> None:
        self._run += 1
        self._runner.start(steps, self._run)

    def _on_replied(self, reply: Reply[Any]) -> None:
        outcome = reply.outcome
        if reply.generation != self._run:
            return
        if isinstance(outcome, FirstPassError):
            self.said.emit(Message.of(outcome))
        elif isinstance(outcome, ReadList):
            self.read.emit(outcome)
        else:
            self.said.emit(Message("Saved the list of classes.", path=outcome))


def _read_steps(name_or_path: str) -> Steps[ReadList]:
    yield Progress(0, 1, "reading the list")
    return ReadList(Path(name_or_path).stem, read_taxonomy(name_or_path))


def _write_steps(path: Path, taxonomy: Taxonomy) -> Steps[Path]:
    yield Progress(0, 1, "writing the list")
    return write_taxonomy(path, taxonomy, overwrite=path.exists())
