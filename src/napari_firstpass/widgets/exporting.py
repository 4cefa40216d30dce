"""Exporting the selected labels: counted when something changes, written when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_firstpass.errors import FirstPassError
from napari_firstpass.widgets.export_runs import Asked, export_labels, preview_lines
from napari_firstpass.widgets.image_layers import source_files, subject_of
from napari_firstpass.widgets.runs import LabelsNow
from napari_firstpass.widgets.session import Message, capitalised
from napari_firstpass.widgets.worker import Runner

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Image, Labels

    from napari_firstpass.grid import Grid
    from napari_firstpass.progress import Steps
    from napari_firstpass.widgets.export_box import ExportBox
    from napari_firstpass.widgets.worker import Reply

_COUNTING = "Counting …"


@dataclass(frozen=True, slots=True)
class ExportDesk:
    """What exporting asks of the rest of the panel.

    Attributes
    ----------
    image : callable
        Returns the chosen image layer, None for none.
    labels : callable
        Returns the labels that are meant, None for none.
    place : callable
        Returns the grid of labels that do not know it.
    """

    image: Callable[[], Image | None]
    labels: Callable[[], Labels | None]
    place: Callable[[Labels], Grid | None]


class Exporting(QObject):
    """Counts what would be written, asks where to, and writes in a thread.

    Signals
    -------
    said : Message
        Something for the status line.

    Parameters
    ----------
    box : ExportBox
        The controls.
    desk : ExportDesk
        The rest of the panel.
    parent : QWidget
        The panel.
    """

    said = Signal(object)

    def __init__(self, box: ExportBox, desk: ExportDesk, parent: QWidget) -> None:
        super().__init__(parent)
        self._box, self._desk, self._panel = box, desk, parent
        self._open = self._writing = False
        self._shown: tuple[Any, ...] = ()
        self._counted = self._written = 0
        self._counter, self._writer = Runner(self), Runner(self)
        self._counter.replied.connect(self._on_counted)
        self._writer.replied.connect(self._on_written)
        box.changed.connect(self.count)
        box.wanted.connect(self.ask)

    def unfold(self, unfolded: bool) -> None:
        """Count what would be written, or stop doing so."""
        self._open = unfolded
        self._shown = ()
        self._counter.stop()
        self.follow()

    def follow(self) -> None:
        """Follow the panel to other labels."""
        labels = self._desk.labels()
        busy = "An export is being written." if self._writing else None
        self._box.show_labels(None if labels is None else labels.name, busy)
        if self._open and self._shown != self._subject():
            self.count()

    def let_go(self) -> None:
        """Hold nothing of the viewer any more; what is being written is not finished."""
        self._open, self._shown = False, ()
        self._counter.stop()
        self._writer.stop()

    def count(self) -> None:
        """Count anew what would be written, while the box is open."""
        if not self._open:
            return
        self._shown = self._subject()
        steps = self._steps(None)
        if steps is not None:
            self._counted += 1
            self._box.show_preview([_COUNTING])
            self._counter.start(steps, self._counted)

    def ask(self) -> None:
        """Let the user name a folder that is to be made."""
        labels, image = self._desk.labels(), self._desk.image()
        if labels is None or image is None:
            return
        dialog = QFileDialog(self._panel, f"Export “{labels.name}” into a new folder")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setLabelText(QFileDialog.DialogLabel.FileName, "New folder:")
        files = source_files(image)
        if files:
            dialog.setDirectory(str(files[0].parent))
        dialog.selectFile(f"{files[0].stem if files else labels.name}_{self._box.format_name}")
        dialog.fileSelected.connect(lambda path: self.write(Path(path)))
        dialog.open()

    def write(self, out: Path) -> None:
        """Write the labels as they are now into a folder."""
        steps = self._steps(out)
        if steps is None:
            return
        self._written += 1
        self._writing = True
        self._writer.start(steps, self._written)
        self.follow()
        self.said.emit(Message(f"Exporting into {out.name} …"))

    def _subject(self) -> tuple[Any, ...]:
        """Return what a count was made of; layers are told apart by their pixels."""
        labels, image = self._desk.labels(), self._desk.image()
        return (
            None if labels is None else id(labels.data),
            None if image is None else id(image.data),
        )

    def _steps(self, out: Path | None) -> Steps[Any] | None:
        """Return the work on what is chosen; None, and say so, where there is nothing."""
        labels = self._desk.labels()
        try:
            subject = subject_of(self._desk.image())
            rules = self._box.rules
        except FirstPassError as error:
            self._box.show_preview([capitalised(str(error))])
            return None
        if labels is None:
            self._box.show_preview([])
            return None
        asked = Asked(self._box.format_name, rules, self._box.given, out)
        return export_labels(subject, LabelsNow.of(labels, self._desk.place(labels)), asked)

    def _on_counted(self, reply: Reply[Any]) -> None:
        if reply.generation != self._counted or not self._open:
            return
        outcome = reply.outcome
        if isinstance(outcome, FirstPassError):
            self._box.show_preview([capitalised(str(outcome))])
        else:
            self._box.show_preview(preview_lines(outcome))

    def _on_written(self, reply: Reply[Any]) -> None:
        self._writing = False
        self.follow()
        if isinstance(reply.outcome, FirstPassError):
            self.said.emit(Message.of(reply.outcome))
            return
        if self._open:
            self._box.show_preview(preview_lines(reply.outcome))
        self.said.emit(Message("Exported.", path=reply.outcome.folder))
