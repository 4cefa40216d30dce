"""The place of the panel in napari's window, which is there before the panel is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QSize, Qt, QTimer
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_firstpass.errors import FirstPassError
from napari_firstpass.progress import Progress
from napari_firstpass.threads import without_collecting
from napari_firstpass.widgets.worker import Runner

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_firstpass.progress import Steps
    from napari_firstpass.widgets.segment_panel import SegmentPanel
    from napari_firstpass.widgets.worker import Reply

WIDTH = 340
"""Pixels that leave a small screen to the image."""


class PanelDock(QWidget):
    """Holds the panel; a thread loads what it consists of, so that the window goes on meanwhile.

    Parameters
    ----------
    napari_viewer : Viewer
        Gives the images, takes the result.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._panel: SegmentPanel | None = None
        self._is_shown = False
        self._note = QLabel("Loading …")
        self._note.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._note.setWordWrap(True)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.addWidget(self._note)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self._show)
        self._loader = Runner(self)
        self._loader.replied.connect(self._on_loaded)
        self._loader.start(load_steps(), 0)

    @property
    def is_loaded(self) -> bool:
        """Whether the panel is there."""
        return self._is_shown

    @property
    def panel(self) -> SegmentPanel:
        """The panel; whoever asks before it is loaded waits for it."""
        made = self._made()
        self._show()
        return made

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return a width that leaves a small screen to the image."""
        return QSize(WIDTH, super().sizeHint().height())

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802 - Qt's name
        """Let go of everything when napari takes this out of its dock."""
        super().changeEvent(event)
        taken_out = event is not None and event.type() == QEvent.Type.ParentChange
        if taken_out and self.parent() is None:
            self._loader.stop()
            self._later.stop()
            if self._panel is not None:
                self._panel.let_go()

    def _on_loaded(self, reply: Reply[Any]) -> None:
        if isinstance(reply.outcome, FirstPassError):
            self._note.setText(f"{reply.outcome}.")
        else:
            self._made()
            self._later.start(0)  # the window lives between

    def _made(self) -> SegmentPanel:
        if self._panel is None:
            from napari_firstpass.widgets.segment_panel import SegmentPanel

            self._loader.stop()
            with without_collecting():
                self._panel = SegmentPanel(self._viewer)
        return self._panel

    def _show(self) -> None:
        """Put the panel in its place, which takes as long as making it."""
        if self._panel is not None and not self.is_loaded:
            self._column.replaceWidget(self._note, self._panel)
            self._panel.show()  # now, not in the next turn
            self._note.hide()
            self._note.deleteLater()
            self._is_shown = True


def load_steps() -> Steps[None]:
    """Import the panel, and look for what is installed and set."""
    yield Progress(0, 1, "loading")
    with without_collecting():
        _load()


def _load() -> None:
    import napari_firstpass.widgets.segment_panel  # noqa: F401 - imported for later
    from napari_firstpass.backbones import BACKBONES
    from napari_firstpass.io.formats import EXPORTERS
    from napari_firstpass.refiners import REFINERS
    from napari_firstpass.segmenters import SEGMENTERS
    from napari_firstpass.upsampling import UPSAMPLERS
    from napari_firstpass.widgets.preferences import preferences

    for methods in (SEGMENTERS, BACKBONES, REFINERS, UPSAMPLERS):
        _ = methods.names
    EXPORTERS.load(EXPORTERS.names[0])  # whose options are shown
    preferences()
