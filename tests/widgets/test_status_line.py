"""The one place for messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QApplication

from napari_firstpass.errors import LayerError
from napari_firstpass.widgets.session import Message
from napari_firstpass.widgets.status_line import StatusLine

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from pytestqt.qtbot import QtBot


def raised(home: Path) -> LayerError:
    try:
        try:
            open(home / "secret.tif", encoding="utf-8")  # noqa: PTH123, SIM115 - it is not there
        except OSError as error:
            raise LayerError(expected="an image", found="none", remedy="open one") from error
    except LayerError as error:
        return error


def test_an_error_has_details_that_can_be_copied(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    line = StatusLine()
    qtbot.addWidget(line)
    line.show_message(Message("Ready."))
    assert "Details" not in line.text()
    message = Message.of(raised(tmp_path))
    line.show_message(message)
    assert "Expected an image, found none; open one." in line.text()
    assert "Details" in line.text()
    line.linkActivated.emit("firstpass:details")
    assert "Copied" in line.text()
    line.show_message(message)  # the panel shows it again and again
    assert "Copied" in line.text()
    report = QApplication.clipboard().text()
    assert report.startswith("LayerError: expected an image, found none; open one")
    assert "napari-firstpass " in report
    assert "FileNotFoundError" in report
    assert str(tmp_path) not in report
    assert "~/secret.tif" in report or "~\\secret.tif" in report
    line.show_message(Message("Saved", path=tmp_path))
    assert tmp_path.name in line.text()
