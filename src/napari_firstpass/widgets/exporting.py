"""Exporting the selected labels: counted when something changes, written when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Qt
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_firstpass.errors import FirstPassError, LayerError
from napari_firstpass.exporting.job import is_resumable
from napari_firstpass.io.formats import EXPORTERS
from napari_firstpass.widgets.export_runs import Asked, export_labels, preview_lines
from napari_firstpass.widgets.image_layers import source_files, subject_of
from napari_firstpass.widgets.run_queue import UNCHANGED, Job
from napari_firstpass.widgets.runs import LabelsNow
from napari_firstpass.widgets.session import Message, capitalised
from napari_firstpass.widgets.worker import Runner

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Image, Labels, Layer

    from napari_firstpass.export_images import ExportReport
    from napari_firstpass.grid import Grid
    from napari_firstpass.progress import Steps
    from napari_firstpass.widgets.export_box import ExportBox
    from napari_firstpass.widgets.worker import Reply

_COUNTING = "Counting …"
_RESUMABLE = "Cancelled; what was finished is kept: the same export goes on from there."


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
    add : callable
        Begins what it is given, or lets it wait for its turn; says so if it cannot be asked for.
    require : callable
        Raises an error if a layer is not there any more.
    """

    image: Callable[[], Image | None]
    labels: Callable[[], Labels | None]
    place: Callable[[Labels], Grid | None]
    add: Callable[[Callable[[], Job]], None]
    require: Callable[[Layer], None]


class Exporting(QObject):
    """Counts what would be written, asks where to, and writes when its turn comes.

    Parameters
    ----------
    box : ExportBox
        The controls.
    desk : ExportDesk
        The rest of the panel.
    parent : QWidget
        The panel.
    """

    def __init__(self, box: ExportBox, desk: ExportDesk, parent: QWidget) -> None:
        super().__init__(parent)
        self._box, self._desk, self._panel = box, desk, parent
        self._open = False
        self._shown: tuple[Any, ...] = ()
        self._counter, self._counted = Runner(self), 0
        self._counter.replied.connect(self._on_counted)
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
        self._box.show_labels(None if labels is None else labels.name, None)
        if self._open and self._shown != self._subject():
            self.count()

    def let_go(self) -> None:
        """Hold nothing of the viewer any more."""
        self._open, self._shown = False, ()
        self._counter.stop()

    def count(self) -> None:
        """Count anew what would be written, while the box is open."""
        if not self._open:
            return
        self._shown = self._subject()
        try:
            steps = None if self._desk.labels() is None else self._job(None).begin()
        except FirstPassError as error:
            self._box.show_preview([capitalised(str(error))])
            return
        self._box.show_preview([] if steps is None else [_COUNTING])
        if steps is not None:
            self._counted += 1
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
        usual = self._usual(image)
        if usual is not None:
            dialog.setDirectory(str(usual.parent))
        dialog.selectFile(usual.name if usual else f"{labels.name}_{self._box.format_name}")
        dialog.fileSelected.connect(lambda path: self.write(Path(path)))
        dialog.open()

    def write(self, out: Path) -> None:
        """Write the labels into a folder, as they are when its turn comes."""
        self._desk.add(lambda: self._job(out))

    def _labels(self) -> Labels:
        labels = self._desk.labels()
        if labels is None:
            raise LayerError(
                expected="labels to export", found="none", remedy="run first, or select some"
            )
        return labels

    def _subject(self) -> tuple[Any, ...]:
        """Return what a count was made of; layers are told apart by their pixels."""
        labels, image = self._desk.labels(), self._desk.image()
        return (
            None if labels is None else id(labels.data),
            None if image is None else id(image.data),
        )

    def _usual(self, image: Image | None) -> Path | None:
        """Return the folder that is proposed: beside the image, if that is a file."""
        files = () if image is None else source_files(image)
        name = f"{files[0].stem}_{self._box.format_name}" if files else ""
        return files[0].with_name(name) if files else None

    def _job(self, out: Path | None) -> Job:
        """Return the work on what is chosen; None for a folder only counts.

        Raises
        ------
        FirstPassError
            If something is missing, or the rules contradict each other.
        """
        labels, image = self._labels(), self._desk.image()
        subject = subject_of(image)
        usual = self._usual(image)
        asked = Asked(self._box.format_name, self._box.rules, self._box.given, out, usual)

        def begin() -> Steps[ExportReport]:
            self._desk.require(labels)
            now = LabelsNow.of(labels, self._desk.place(labels))
            return export_labels(subject, now, asked)

        name = "Counting" if out is None else f"Exporting into {out.name}"
        keeps = isinstance(subject.source, Path) and is_resumable(EXPORTERS.load(asked.format_name))
        told = _RESUMABLE if keeps else UNCHANGED
        return Job(name, begin, self._on_written, (labels,), self._recount, told)

    def _recount(self) -> None:
        """Tell what a run that was cancelled has finished: the same export goes on from there."""
        self.count()

    def _on_counted(self, reply: Reply[Any]) -> None:
        if reply.generation != self._counted or not self._open:
            return
        outcome = reply.outcome
        if isinstance(outcome, FirstPassError):
            self._box.show_preview([capitalised(str(outcome))])
        else:
            self._box.show_preview(preview_lines(outcome))

    def _on_written(self, report: ExportReport) -> Message:
        if self._open:
            self._box.show_preview(preview_lines(report))
        return Message("Exported.", path=report.folder)
