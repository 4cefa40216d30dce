"""The dock on a small screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QSpinBox, QVBoxLayout, QWidget

from napari_firstpass.widgets.tall_part import TallPart

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from napari_firstpass.widgets.segment_panel import SegmentPanel

FOLDS = ("more", "several", "refining", "classing", "fixing", "exporting")


@pytest.mark.parametrize("fold", ["classing", "all"])
def test_the_window_fits_a_small_screen_with_any_fold_open(
    panel: SegmentPanel, qtbot: QtBot, fold: str
) -> None:
    window = panel.window()
    window.resize(1366, 728)  # 768 without the title and a bar of the desktop
    window.show()
    for name in FOLDS if fold == "all" else (fold,):
        getattr(panel.form, name).setChecked(True)
    qtbot.wait(50)
    assert (window.width(), window.height()) == (1366, 728)
    low = panel.form.status.mapTo(window, QPoint(0, panel.form.status.height()))
    assert low.y() <= window.height()
    assert panel.form.run.isVisible()


def test_what_fits_is_shown_whole(panel: SegmentPanel, qtbot: QtBot) -> None:
    window = panel.window()
    window.resize(1366, 960)
    window.show()
    panel.form.refining.setChecked(True)
    qtbot.wait(50)
    part = panel.form.findChild(TallPart)
    assert isinstance(part, TallPart)
    qtbot.waitUntil(lambda: part.height() == part.sizeHint().height())
    assert part.verticalScrollBar().maximum() == 0
    # Run follows what stands above it, not the foot of the window.
    assert panel.form.run.mapTo(panel.form, QPoint(0, 0)).y() < part.sizeHint().height() + 40


def test_a_small_screen_shows_all_of_what_is_unfolded(panel: SegmentPanel, qtbot: QtBot) -> None:
    window = panel.window()
    window.resize(1366, 728)
    window.show()
    form = panel.form
    assert form.method.isVisible()
    part = form.findChild(TallPart)
    assert isinstance(part, TallPart)
    for fold, last in (
        (form.fixing, form.prompts.accept),
        (form.reviewing, form.review.report),
        (form.refining, form.refine.run),
        (form.exporting, form.export.run),
        (form.classing, form.class_list.propose),
    ):
        fold.setChecked(True)
        assert not form.method.isVisible()
        qtbot.waitUntil(lambda: part.verticalScrollBar().maximum() == 0)
        low = last.mapTo(part, QPoint(0, last.height()))
        assert last.isVisible()
        assert low.y() <= part.height()
        fold.setChecked(False)
        assert form.method.isVisible()


def test_the_wheel_scrolls_and_turns_no_number_that_was_not_chosen(qtbot: QtBot) -> None:
    inner = QWidget()
    spins = [QSpinBox() for _ in range(12)]
    column = QVBoxLayout(inner)
    for spin in spins:
        spin.setValue(5)
        spin.setFixedHeight(40)
        column.addWidget(spin)
    part = TallPart(inner)
    qtbot.addWidget(part)
    part.resize(200, 200)
    part.show()
    qtbot.waitExposed(part)
    QApplication.sendEvent(spins[1], wheel(spins[1]))
    assert spins[1].value() == 5
    assert part.verticalScrollBar().value() > 0


def wheel(at: QWidget) -> QWheelEvent:
    middle, still = at.rect().center(), Qt.ScrollPhase.NoScrollPhase
    return QWheelEvent(
        QPointF(middle), QPointF(at.mapToGlobal(middle)), QPoint(), QPoint(0, -120),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, still, False,
    )  # fmt: skip
