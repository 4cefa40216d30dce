"""The only place for messages."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices, QGuiApplication
from qtpy.QtWidgets import QLabel, QSizePolicy

from napari_firstpass.widgets.error_report import report_of

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_firstpass.widgets.session import Message

_LINK = "#2F7DE1"
"""Legible on napari's dark and light backgrounds; Qt's own blue is not on the dark one."""

_DETAILS = "firstpass:details"
_COPIED = "Copied: paste it where you ask."

_SIGNS = {"info": "", "error": "⚠ "}


class StatusLine(QLabel):
    """Shows one sentence; its text can be selected and copied, a path in it can be opened.

    An error has details: a click copies a report of it.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextBrowserInteraction
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self._message: Message | None = None
        self.linkActivated.connect(self._on_link)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.MinimumExpanding)
        self.setToolTip("What happened last, and what to do about it. The text can be copied.")

    def show_message(self, message: Message) -> None:
        """Replace the sentence."""
        if message == self._message:
            return  # what was copied is still said
        self._message = message
        self._show(message, "Details")

    def _show(self, message: Message, details: str) -> None:
        text = escape(_SIGNS[message.kind] + message.text)
        if message.kind == "error":
            text = f"<b>{text}</b>"
        if message.path is not None:
            url = bytes(QUrl.fromLocalFile(str(message.path)).toEncoded().data()).decode()
            link = f'<a href="{escape(url)}" style="color: {_LINK}">{escape(message.path.name)}</a>'
            text += f" {link}"
        if message.error is not None:
            link = f'<a href="{_DETAILS}" style="color: {_LINK}">{details}</a>'
            text += f" {link}"
        self.setText(text)

    def _on_link(self, link: str) -> None:
        message = self._message
        if link != _DETAILS:
            QDesktopServices.openUrl(QUrl(link))
        elif message is not None and message.error is not None:
            clipboard = QGuiApplication.clipboard()
            if clipboard is not None:
                clipboard.setText(report_of(message.error))
                self._show(message, _COPIED)
