"""Lists of classes from files into a labels layer, and back, in a thread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_firstpass.errors import FirstPassError
from napari_firstpass.io.taxonomy_file import read_taxonomy, write_taxonomy
from napari_firstpass.label_changes import relabelled
from napari_firstpass.progress import Progress
from napari_firstpass.segmentation import label_dtype
from napari_firstpass.widgets.session import Message
from napari_firstpass.widgets.worker import Runner

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.progress import Steps
    from napari_firstpass.taxonomy import Taxonomy
    from napari_firstpass.taxonomy_edits import TakenOver
    from napari_firstpass.widgets.scene import MaskInfo
    from napari_firstpass.widgets.worker import Reply


@dataclass(frozen=True, slots=True)
class ReadList:
    """A list of classes, and what to call it."""

    name: str
    taxonomy: Taxonomy


@dataclass(frozen=True, slots=True)
class Renumbered:
    """Labels (H, W) whose ids make room for a list of classes, and what is noted of them."""

    name: str
    labels: NDArray[Any]
    info: MaskInfo


class ClassLists(QObject):
    """Reads and writes lists of classes, one at a time.

    Signals
    -------
    read : ReadList
        A list that was asked for.
    renumbered : Renumbered
        Labels that were.
    said : Message
        What happened.
    """

    read = Signal(object)
    renumbered = Signal(object)
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

    def start_renumbering(
        self, name: str, labels: NDArray[Any], info: MaskInfo, taken: TakenOver
    ) -> None:
        """Give labels (H, W), a copy of a layer's, the ids that a list leaves them."""
        self._start(_renumber_steps(name, labels, info, taken))

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
        elif isinstance(outcome, Renumbered):
            self.renumbered.emit(outcome)
        else:
            self.said.emit(Message("Saved the list of classes.", path=outcome))


def _read_steps(name_or_path: str) -> Steps[ReadList]:
    yield Progress(0, 1, "reading the list")
    return ReadList(Path(name_or_path).stem, read_taxonomy(name_or_path))


def _write_steps(path: Path, taxonomy: Taxonomy) -> Steps[Path]:
    yield Progress(0, 1, "writing the list")
    return write_taxonomy(path, taxonomy, overwrite=path.exists())


def _renumber_steps(
    name: str, labels: NDArray[Any], info: MaskInfo, taken: TakenOver
) -> Steps[Renumbered]:
    yield Progress(0, 1, "numbering classes")
    wide = labels.astype(label_dtype(taken.taxonomy.max_id), copy=False)
    told = info.reassigned(taken.mapping, {"classes": name, "became": "renumbered"})
    made = () if told.state is None else (told.state,)
    fresh = replace(told, taxonomy=taken.taxonomy, made=made, retired=())
    return Renumbered(name, relabelled(wide, taken.mapping), fresh)
