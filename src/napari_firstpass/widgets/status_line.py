"""The only place for messages."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QUrl
from qtpy.QtWidgets import QLabel, QSizePolicy

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_firstpass.widgets.session import Message

_LINK = "#2F7DE1"
"""Legible on napari's dark and light backgrounds; Qt's own blue is not on the dark one."""

_SIGNS = {"info": "", "error": "⚠ "}


class StatusLine(QLabel):
    """Shows one sentence; its text can be selected and copied, a path in it can be opened."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextBrowserInteraction
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.setOpenExternalLinks(True)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.MinimumExpanding)
        self.setToolTip("What happened last, and what to do about it. The text can be copied.")

    def show_message(self, message: Message) -> None:
        """Replace the sentence."""
        text = escape(_SIGNS[message.kind] + message.text)
        if message.kind == "error":
            text = f"<b>{text}</b>"
        if message.path is not None:
            url = bytes(QUrl.fromLocalFile(str(message.path)).toEncoded().data()).decode()
            link = f'<a href="{escape(url)}" style="color: {_LINK}">{escape(message.path.name)}</a>'
            text += f" {link}"
        self.setText(text)
