"""The controls of the dock and where they stand; what they do is decided in the panel."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_firstpass.config import SegmentConfig
from napari_firstpass.widgets.choice_box import shortened
from napari_firstpass.widgets.class_box import ClassBox
from napari_firstpass.widgets.classes_box import ClassesBox
from napari_firstpass.widgets.desk_keys import CANCEL_KEY, FoldKey, PassedKeys
from napari_firstpass.widgets.dock import WIDTH
from napari_firstpass.widgets.export_box import ExportBox
from napari_firstpass.widgets.features_box import FeaturesBox
from napari_firstpass.widgets.image_box import ImageBox
from napari_firstpass.widgets.learn_box import LearnBox
from napari_firstpass.widgets.more_options import MoreOptions
from napari_firstpass.widgets.note import note
from napari_firstpass.widgets.preferences import preferences
from napari_firstpass.widgets.prompt_box import PromptBox
from napari_firstpass.widgets.refine_box import RefineBox
from napari_firstpass.widgets.region_box import RegionBox
from napari_firstpass.widgets.review_box import ReviewBox
from napari_firstpass.widgets.rows import beside
from napari_firstpass.widgets.session import capitalised
from napari_firstpass.widgets.several_box import SeveralBox
from napari_firstpass.widgets.status_line import StatusLine
from napari_firstpass.widgets.tall_part import TallPart

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_firstpass.widgets.choice_box import Choice
    from napari_firstpass.widgets.model_runs import ModelFacts
    from napari_firstpass.widgets.session import Standing

MAX_CLASSES = 255
_LARGEST_INT = 2**31 - 1
"""The largest number that Qt can show."""

WHERE = WHOLE, VIEW, RECTANGLE = ("whole image", "this view", "this rectangle")

_BAR_STEPS = 1000
TIPS = {
    "image": "The image to segment. An image you open is chosen by itself. Hold {hide} to see it "
    "without labels.",
    "classes_from": "Where the classes come from. Those of a model mean the same in every image; "
    "“Several images” makes one.",
    "method": "How classes are found. Every method needs nothing but the image.",
    "classes": "Into how many classes the image is divided. Rather too many than too few: two "
    "classes are merged faster than one is taken apart.",
    "suggest": "Looks at the image and sets a number of classes that can be told apart. Nothing is "
    "segmented yet.",
    "where": "What is looked at: the whole image, what the window shows of it, or a rectangle that "
    "you draw. Elsewhere, nothing is labelled.",
    "segmenting": "How the image is divided into classes.",
    "more": "Options that rarely need a change.",
    "features": "What places are compared by: those that look alike to it become one class. "
    "A network sees things where the others see colour and texture, and takes longer. "
    "“firstpass models fetch” gets networks; then they are listed here.",
    "several": "For a series of images that shall share their classes.",
    "refining": "For labels that are there already: moves their borders to where the image has "
    "them.",
    "classing": "The classes of the selected labels: name, merge and hide them, and choose one to "
    "paint with.",
    "fixing": "For what is wrong or missing: point at a thing, and its outline becomes a class; or "
    "click on a region of the labels, and give it another.",
    "learning": "Looks for what else has to change after you corrected some regions.",
    "reviewing": "Goes through the regions of the selected labels, the most doubtful first, "
    "and keeps which were looked at.",
    "exporting": "Writes the selected labels in a form that other programs read.",
    "decided": "The model has decided this. Choose “this image” above to decide it yourself.",
    "network": "The model was fitted on features of the network “{name}”: choose its folder.",
    "run": "Divides the image into classes and shows them as a new labels layer. Layers that are "
    "already there are not touched. Key: {key}",
    "apply": "Gives the image the classes of the model, as a new labels layer. Layers that are "
    "already there are not touched. Key: {key}",
    "cancel": "Stops at once, and goes on with what waits. Of a segmentation, the tiles that are "
    "ready are kept; else nothing is changed. Key: Esc",
    "bar": "How far the run is.",
    "save": "Writes “{name}” as it is now, with your edits, to a GeoTIFF: at the image's place, "
    "with class names and colours.",
}


@dataclass(frozen=True, slots=True)
class _Settings:
    """What the user decided before a model did."""

    method: str
    classes: int
    seed: int
    features: Choice


class SegmentForm(QWidget):
    """Image, method, classes, run, cancel, progress, save and the status line.

    Attributes
    ----------
    keys : Keys
        What is pressed for what.
    image : ImageBox
        The images of the viewer.
    facts, about, standing : QLabel
        What the image is; what the method does; what is computed now.
    classes_from : ClassesBox
        Found in the image, or of a model.
    method : QComboBox
        Its items hold the method's name as their data.
    classes : QSpinBox
        How many.
    suggest : QPushButton
        Looks how many there are.
    where : QComboBox
        One of `WHERE`.
    segmenting : QToolButton
        Unfolds these five, and the next two. Open while no other fold is.
    more : QToolButton
        Unfolds `features` and `options`.
    several : QToolButton
        Unfolds `fit`.
    fit : SeveralBox
        Makes models.
    refining : QToolButton
        Unfolds `refine`.
    refine : RefineBox
        Refines labels.
    classing : QToolButton
        Unfolds `class_list`.
    class_list : ClassBox
        The classes of the labels.
    fixing : QToolButton
        Unfolds `prompts`.
    prompts : PromptBox
        Points at things.
    regions : RegionBox
        Changes whole regions.
    learning : QToolButton
        Unfolds `learn`.
    learn : LearnBox
        Learns from corrections.
    reviewing : QToolButton
        Unfolds `review`.
    review : ReviewBox
        Looks through what was labelled.
    exporting : QToolButton
        Unfolds `export`.
    export : ExportBox
        Writes labels in a form that others read.
    features : FeaturesBox
        The backbones.
    features_about : QLabel
        What the chosen one is.
    options : MoreOptions
        What else a run can be told.
    run, cancel, save : QPushButton
        What can be done.
    bar : QProgressBar
        How far it is.
    status : StatusLine
        What happened.
    """

    def __init__(
        self, viewer: Viewer, methods: tuple[str, ...], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        defaults, keys = SegmentConfig(), preferences().keys
        self.keys = keys
        self.image = ImageBox(viewer)
        self.facts, self.about, self.standing = note(lines=2), note(lines=2), note(lines=1)
        self.classes_from = ClassesBox()
        self._own: _Settings | None = None
        self.method = _choice(methods, defaults.method)
        self.classes = _spin(2, MAX_CLASSES, defaults.classes)
        self.suggest, self._curve = _button("Suggest"), ""
        self.where = _choice(WHERE, WHERE[0])
        self.segmenting, self.more = QToolButton(), QToolButton()
        self.several, self.fit = QToolButton(), SeveralBox()
        self.refining, self.refine = QToolButton(), RefineBox()
        self.classing, self.class_list = QToolButton(), ClassBox(keys)
        self.fixing, self.prompts = QToolButton(), PromptBox(keys)
        self.regions = RegionBox(keys)
        self._fix = _stacked(self.regions, self.prompts)
        self.learning, self.learn = QToolButton(), LearnBox(keys.accept)
        self.reviewing, self.review = QToolButton(), ReviewBox(keys)
        self.exporting, self.export = QToolButton(), ExportBox()
        self.features, self.features_about = FeaturesBox(defaults.backbone), note(lines=2)
        self.options = MoreOptions()
        self.run = _button("Run", keys.run)
        self.cancel = QPushButton(f"Cancel   {CANCEL_KEY}")  # see `CancelKey`
        self.save = _button("Save mask…")
        self.bar = QProgressBar()
        self.bar.setRange(0, _BAR_STEPS)
        self.status = StatusLine()
        for widget, tip in self._fixed_tips():
            widget.setToolTip(tip.replace("{hide}", keys.hide))
        self._fold = self._make_fold()
        self._segment = self._make_segment()
        self._name_folds()
        self._arrange()
        letters = [key for name, key in asdict(keys).items() if name != "run"]
        self._passed = PassedKeys(self, letters)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return a width that leaves a small screen to the image."""
        return QSize(WIDTH, super().sizeHint().height())

    def _fixed_tips(self) -> list[tuple[QWidget, str]]:
        names = (
            "image",
            "classes_from",
            "method",
            "classes",
            "where",
            "segmenting",
            "more",
            "several",
            "refining",
            "classing",
            "fixing",
            "learning",
            "reviewing",
            "exporting",
        )
        others = ("features", "bar")
        return [(getattr(self, name), TIPS[name]) for name in (*names, *others)]

    def show_subject(self, facts: str) -> None:
        """Say what the chosen image is."""
        self.facts.setText(facts)

    def show_run(self, obstacle: str | None) -> None:
        """Offer to run, or say why that is not possible."""
        self.run.setEnabled(obstacle is None)
        what = "run" if self.classes_from.chosen_model is None else "apply"
        self.run.setToolTip(obstacle or TIPS[what].format(key=self.keys.run))

    def show_suggest(self, obstacle: str | None) -> None:
        """Offer to suggest a number of classes, or say why that is not possible."""
        self.suggest.setEnabled(obstacle is None)
        self.suggest.setToolTip(obstacle or TIPS["suggest"] + self._curve)

    def take_suggestion(self, classes: int, curve: str) -> None:
        """Set the number of classes, and keep what it rests on for who asks."""
        if self._own is None:
            self.classes.setValue(classes)
        else:  # a model was chosen meanwhile; it comes back with the user's other settings
            self._own = replace(self._own, classes=classes)
        self._curve = f"\n\n{curve}"

    def show_model(self) -> None:
        """Show what the chosen model has decided; without one, what the user had."""
        model = self.classes_from.chosen_model
        if model is not None:
            self._own = self._own or self._settings()
            self._set_decided(model)
        elif self._own is not None:
            self._set(self._own)
            self._own = None
        for name in ("method", "classes", "features"):
            widget: QWidget = getattr(self, name)
            widget.setEnabled(model is None)
            widget.setToolTip(TIPS[name if model is None else "decided"])
        self.options.show_decided(None if model is None else TIPS["decided"])
        if model is not None and model.needs_folder:
            self.features.setEnabled(True)
            self.features.setToolTip(TIPS["network"].format(name=model.backbone))

    def _settings(self) -> _Settings:
        method, seed = self.method.currentData(), self.options.seed.value
        return _Settings(method, self.classes.value(), seed, self.features.choice)

    def _set(self, settings: _Settings) -> None:
        self.method.setCurrentIndex(self.method.findData(settings.method))
        self.classes.setMaximum(max(MAX_CLASSES, settings.classes))  # the command line allows more
        self.classes.setValue(settings.classes)
        self.options.take_seed(settings.seed)
        if settings.features != self.features.choice:
            self.features.choose(settings.features)

    def _set_decided(self, model: ModelFacts) -> None:
        """Show the settings of a model."""
        self.features.choose_named(model.backbone)
        seed = min(model.seed, _LARGEST_INT)
        self._set(_Settings(model.method, model.classes, seed, self.features.choice))

    def show_running(self, running: bool) -> None:
        """Offer what can be done while something runs, or while nothing does."""
        self.cancel.setEnabled(running)
        self.cancel.setToolTip(TIPS["cancel"] if running else "Nothing is running.")

    def show_standing(self, standing: Standing | None, name: str = "") -> None:
        """Say how far the computation of this name is; None while nothing is computed."""
        # No moving bar while the end is unknown: it redraws the window for ever, which without a
        # graphics card takes the processor from the run.
        self.bar.setValue(0 if standing is None else round(_BAR_STEPS * standing.share))
        self.bar.setTextVisible(standing is not None)
        self.bar.setFormat(f"{shortened(name)} · %p%" if name else "%p%")
        text = "" if standing is None else standing.text
        self.standing.setText(text[:1].upper() + text[1:])

    def show_save(self, name: str | None, saving: bool) -> None:
        """Say what would be saved, or why nothing can be."""
        self.save.setEnabled(name is not None and not saving)
        if saving:
            self.save.setToolTip("A mask is being written.")
        elif name is None:
            self.save.setToolTip("There are no labels yet: run, or select a labels layer.")
        else:
            self.save.setToolTip(TIPS["save"].format(name=name))

    def _name_folds(self) -> None:
        _folds(self.more, "More", self._fold)
        _folds(self.several, "Several images", self.fit)
        sections = (
            (self.segmenting, "Segment", self._segment),
            (self.classing, "Classes", self.class_list),
            (self.fixing, "Fix", self._fix),
            (self.refining, "Refine", self.refine),
            (self.learning, "Learn", self.learn),
            (self.reviewing, "Review", self.review),
            (self.exporting, "Export", self.export),
        )
        for number, (fold, name, part) in enumerate(sections, start=1):
            _folds(fold, name, part)
            FoldKey(f"Alt+{number}", fold, part)

    def _arrange(self) -> None:
        # One tool at a time: together they would be taller than a small screen.
        self.regions.unfolded.connect(lambda on: self.prompts.setVisible(not on))
        column = QVBoxLayout(self)
        column.addWidget(TallPart(self._parts()))
        buttons = QHBoxLayout()
        buttons.addWidget(self.run, 2)
        buttons.addWidget(self.cancel, 1)
        column.addLayout(buttons)
        for widget in (self.bar, self.standing, self.save):
            column.addWidget(widget)
        column.addWidget(self.status, 1)

    def _parts(self) -> QWidget:
        """Return what stands above the buttons, which are always in sight."""
        parts = QWidget()
        column = QVBoxLayout(parts)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(_rows(("Image", self.image), ("", self.facts)))
        make = (self.segmenting, self.classing, self.fixing, self.refining)
        check = (self.learning, self.reviewing, self.exporting)
        for row in (make, check):
            column.addLayout(_side_by_side(*row))
        for fold in (*make[1:], *check):
            fold.toggled.connect(lambda: self._make_room(*make[1:], *check))
        self.segmenting.setChecked(True)
        made = (self._segment, self.class_list, self._fix, self.refine)
        for part in (*made, self.learn, self.review, self.export):
            column.addWidget(part)
        column.addStretch(1)
        return parts

    def _make_room(self, *others: QToolButton) -> None:
        """Fold how to segment while another fold is open: a small screen has room for one."""
        self.segmenting.setChecked(not any(fold.isChecked() for fold in others))

    def _make_segment(self) -> QWidget:
        """Return the part under "Segment"."""
        rows = _rows(
            ("Classes from", self.classes_from),
            ("Method", self.method),
            ("", self.about),
            ("Classes", beside(self.classes, self.suggest)),
            ("Where", self.where),
        )
        part = QWidget()
        column = QVBoxLayout(part)
        column.setContentsMargins(0, 0, 0, 0)
        for layout in (rows, _side_by_side(self.more, self.several)):
            column.addLayout(layout)
        for folded in (self._fold, self.fit):
            column.addWidget(folded)
        return part

    def _make_fold(self) -> QWidget:
        """Return the part under "More", hidden until it is asked for."""
        fold = QWidget()
        rows = _rows(
            ("Features", self.features),
            ("", self.features_about),
            *self.options.rows,
        )
        rows.setContentsMargins(0, 0, 0, 0)
        fold.setLayout(rows)
        self.features.chosen.connect(self._on_features)
        self._on_features()
        return fold

    def _on_features(self) -> None:
        self.features_about.setText(capitalised(self.features.about))


def _folds(button: QToolButton, text: str, part: QWidget) -> None:
    """Let a button show and hide a part, which is hidden at first."""

    def unfold(unfolded: bool) -> None:
        arrows = Qt.ArrowType
        button.setArrowType(arrows.DownArrow if unfolded else arrows.RightArrow)
        part.setVisible(unfolded)

    button.setText(text)
    button.setCheckable(True)
    button.setAutoRaise(True)
    button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    button.toggled.connect(unfold)
    unfold(unfolded=False)


def _rows(*rows: tuple[str, QWidget]) -> QGridLayout:
    """Return captions beside controls; a control without a caption belongs to the one above."""
    grid = QGridLayout()
    grid.setColumnStretch(1, 1)
    for row, (text, field) in enumerate(rows):
        if text:
            grid.addWidget(QLabel(text), row, 0)
            grid.addWidget(field, row, 1)
        else:
            grid.addWidget(field, row, 0, 1, 2)
    return grid


def _side_by_side(*folds: QToolButton) -> QHBoxLayout:
    """Return the buttons of folds in one row."""
    row = QHBoxLayout()
    row.setSpacing(0)
    for fold in folds:
        row.addWidget(fold)
    row.addStretch(1)
    return row


def _stacked(*parts: QWidget) -> QWidget:
    """Return parts one below the other."""
    together = QWidget()
    column = QVBoxLayout(together)
    column.setContentsMargins(0, 0, 0, 0)
    for part in parts:
        column.addWidget(part)
    return together


def _choice(items: tuple[str, ...], default: str) -> QComboBox:
    box = QComboBox()
    for name in items:
        box.addItem(name, name)
    box.setCurrentIndex(max(0, box.findData(default)))
    return box


def _spin(low: int, high: int, value: int) -> QSpinBox:
    spin = QSpinBox()
    spin.setRange(low, high)
    spin.setValue(value)
    return spin


def _button(text: str, key: str = "") -> QPushButton:
    """Return a button that shows its key."""
    shown = QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText)
    button = QPushButton(f"{text}   {shown}".strip())
    if key:
        # Setting the text clears the shortcut: first the one, then the other.
        button.setShortcut(QKeySequence(key))
    return button
