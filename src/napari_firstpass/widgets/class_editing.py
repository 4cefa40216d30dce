"""Editing the classes of a labels layer: what the tree asks for, done to the layer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_firstpass.class_areas import counts_after
from napari_firstpass.errors import FirstPassError
from napari_firstpass.io.ground import pixel_area
from napari_firstpass.io.scene_labels import SceneLabels, scene_behind
from napari_firstpass.taxonomy import UNLABELLED, Taxonomy
from napari_firstpass.taxonomy_edits import (
    added,
    is_cluster,
    moved,
    recoloured,
    removed,
    renamed,
    taken_over,
)
from napari_firstpass.widgets.class_counts import ClassCounts
from napari_firstpass.widgets.class_layers import (
    classes_of,
    copy_keywords,
    hidden_in,
    info_of,
    put_classes,
    require_paintable,
    require_room,
    with_taxonomy,
)
from napari_firstpass.widgets.class_lists import ClassLists
from napari_firstpass.widgets.desk_keys import ButtonKeys
from napari_firstpass.widgets.image_layers import other_layer, require_there
from napari_firstpass.widgets.label_history import extent_of
from napari_firstpass.widgets.label_layers import labels_keywords
from napari_firstpass.widgets.label_steps import LabelStep
from napari_firstpass.widgets.numbering import number_steps
from napari_firstpass.widgets.pointing import class_text
from napari_firstpass.widgets.run_queue import Job
from napari_firstpass.widgets.scene import KEY
from napari_firstpass.widgets.session import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from napari.layers import Labels
    from napari.utils.events import Event
    from napari.viewer import Viewer

    from napari_firstpass.grid import Grid
    from napari_firstpass.progress import Steps
    from napari_firstpass.taxonomy_edits import Place, TakenOver
    from napari_firstpass.widgets.class_box import ClassBox
    from napari_firstpass.widgets.class_lists import ReadList
    from napari_firstpass.widgets.numbering import Numbered
    from napari_firstpass.widgets.proposal_runs import Merged

_OTHERS = "The classes have changed meanwhile, so nothing was merged: accept again."
NO_LABELS = "There are no labels yet: run, or select a labels layer."
_TYPING_MS = 300
"""After so long it is looked again whether a name is still being typed."""

_EVENTS = ("name", "features", "colormap")


@dataclass(frozen=True, slots=True)
class ClassDesk:
    """What the panel knows and the list of classes asks for.

    Attributes
    ----------
    labels : callable
        Returns the labels layer that is meant, or None.
    place : callable
        Returns the grid of the image below a layer that was drawn by hand, or None.
    add : callable
        Begins what it is given, or lets it wait for its turn.
    show : callable
        Adds a layer of a large scene.
    """

    labels: Callable[[], Labels | None]
    place: Callable[[Labels], Grid | None]
    add: Callable[[Callable[[], Job]], None]
    show: Callable[[SceneLabels, dict[str, Any]], Labels]


class ClassEditing(QObject):
    """Shows the classes of the selected labels, and changes names, colours, tree and pixels.

    Whatever changes pixels, or the list, is one step in the layer's own history. An id never
    changes its meaning within a layer.

    Signals
    -------
    said : Message
        Something for the status line.
    listed
        Other classes are shown.

    Parameters
    ----------
    viewer : Viewer
        Holds the layers.
    box : ClassBox
        The controls.
    desk : ClassDesk
        The rest of the panel.
    """

    said = Signal(object)
    listed = Signal()

    def __init__(
        self, viewer: Viewer, box: ClassBox, desk: ClassDesk, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer, self._box, self._desk = viewer, box, desk
        self._layer: Labels | None = None
        self._counts: Mapping[int, int] | None = None
        self._open = False
        self._key = ButtonKeys(viewer, box.keys.merge, box.merge, parent=self)
        self._counting, self._lists = ClassCounts(self), ClassLists(self)
        self._late = QTimer(self)
        self._late.setSingleShot(True)
        self._late.timeout.connect(self._list)
        self._connect()

    @property
    def layer(self) -> Labels | None:
        """Whose classes are shown."""
        return self._layer

    @property
    def taxonomy(self) -> Taxonomy:
        """The classes of the layer; to be asked for only where there is one.

        Raises
        ------
        LayerError
            If the layer cannot be painted on.
        TaxonomyError
            If two classes have the same name.
        """
        present = [i for i in self._counts or () if i != UNLABELLED]
        return classes_of(require_paintable(self._layer), present)

    def unfold(self, unfolded: bool) -> None:
        """Show the classes, or let go of their layer."""
        self._open = unfolded
        self._key.follow(unfolded)
        self.follow()

    def follow(self) -> None:
        """Follow the panel to another layer."""
        layer = self._desk.labels() if self._open else None
        if layer != self._layer:  # what napari hands to plugins is another wrapper each time
            self._leave()
            self._enter(layer)
        self._offer()

    def let_go(self) -> None:
        """Hold nothing of the viewer any more."""
        self._open = False
        self._key.follow(in_sight=False)
        self._lists.forget()
        self._leave()

    def merge(self, ids: Collection[int], target: int) -> None:
        """Make classes another one, in the list and in the pixels."""
        sources = [class_id for class_id in ids if class_id != target]
        layer, taxonomy = require_paintable(self._layer), self.taxonomy
        verb = "is" if len(sources) == 1 else "are"
        told = f"{_listed(taxonomy, sources)} {verb} “{taxonomy[target].name}” now"
        changed = self._reassign(layer, taxonomy, dict.fromkeys(sources, target))
        self._say(f"{told}: {changed}. Ctrl+Z undoes it.")

    def merge_all(self, mapping: Mapping[int, int]) -> None:
        """Make several classes of a large scene others, all in one step."""
        layer, taxonomy = require_paintable(self._layer), self.taxonomy
        if not {*mapping, *mapping.values()} <= set(taxonomy.ids):
            self._say(_OTHERS)
            return
        changed = self._reassign(layer, taxonomy, mapping)
        told = f"{_listed(taxonomy, mapping)} became the chosen classes"
        self._say(f"{told}: {changed}. Ctrl+Z undoes it in one step.")

    def take(self, merged: Merged) -> Message:
        """Write merges that were prepared in a thread, all in one step; return what to say."""
        mapping = merged.mapping
        layer, taxonomy = require_paintable(self._layer), self.taxonomy
        if not {*mapping, *mapping.values()} <= set(taxonomy.ids):
            return Message(_OTHERS)
        require_room(layer, mapping.values())
        with self._step(layer, taxonomy) as step:
            pixels = step.take(merged.replacement)
            changed = self._settle(layer, taxonomy, mapping, pixels)
        what = _listed(taxonomy, mapping)
        return Message(
            f"{what} became the chosen classes: {changed}. Ctrl+Z undoes it in one step."
        )

    def choose_class(self, number: int) -> None:
        """Let the brush paint a class, whether the list is in sight or not."""
        layer = self._desk.labels()
        if layer is None:
            return
        layer.selected_label = number
        name = class_text(layer, number)
        if layer == self._layer:
            known = number in self._box.tree.listed
            name = f"“{self.taxonomy[number].name}”" if known else f"class {number}, a new one"
        self._say(f"The brush paints {name}.")

    def delete(self, ids: Collection[int]) -> None:
        """Take classes out of the list; their pixels become unlabelled."""
        layer, taxonomy = require_paintable(self._layer), self.taxonomy
        changed = self._reassign(layer, taxonomy, dict.fromkeys(ids, UNLABELLED))
        self._say(f"Deleted {_listed(taxonomy, ids)}: {changed} unlabelled. Ctrl+Z undoes it.")

    def _connect(self) -> None:
        box, tree = self._box, self._box.tree
        self._counting.counted.connect(self._on_counted)
        self._counting.refused.connect(lambda error: self.said.emit(Message.of(error)))
        self._lists.said.connect(self.said)
        self._lists.read.connect(self._on_read)
        box.lists.wanted.connect(self._lists.start_reading)
        box.lists.saved_as.connect(self._on_saved_as)
        box.save.clicked.connect(self._on_save)
        tree.picked.connect(self._on_picked)
        tree.number_pressed.connect(self.choose_class)
        tree.named.connect(self._on_named)
        tree.shown.connect(self._on_shown)
        tree.dropped.connect(self._on_dropped)
        tree.undo_wanted.connect(self._on_undo)
        tree.redo_wanted.connect(self._on_redo)
        box.add.clicked.connect(self._on_add)
        box.merge.clicked.connect(self._on_merge)
        box.delete.clicked.connect(self._on_delete)
        box.color.clicked.connect(self._on_color)
        box.colored.connect(self._on_colored)
        box.only.clicked.connect(self._on_only)
        box.undo.clicked.connect(self._on_undo)

    def _enter(self, layer: Labels | None) -> None:
        self._layer, self._counts = layer, None
        if layer is None:
            self._box.tree.show_classes(Taxonomy(()), ())
            self.listed.emit()
            return
        for name in _EVENTS:
            getattr(layer.events, name).connect(self._on_event)
        layer.events.selected_label.connect(self._on_selected)
        if not layer.multiscale and layer.ndim == 2:
            self._counting.follow(layer)
        self._list()

    def _leave(self) -> None:
        layer, self._layer = self._layer, None
        self._late.stop()
        self._counting.follow(None)
        if layer is None:
            return
        for name in _EVENTS:
            getattr(layer.events, name).disconnect(self._on_event)
        layer.events.selected_label.disconnect(self._on_selected)

    def _offer(self) -> None:
        """Say whose classes are shown, or what is missing."""
        name, obstacle = None, NO_LABELS
        if self._layer is not None:
            name, obstacle = self._layer.name, ""
            try:
                require_paintable(self._layer)
            except FirstPassError as error:
                obstacle = Message.of(error).text
        self._box.show_layer(name, obstacle)

    def _list(self) -> None:
        """Show the classes as they are now."""
        layer = self._layer
        if layer is None:
            return
        if self._box.tree.is_edited:
            self._late.start(_TYPING_MS)
            return
        try:
            taxonomy = self.taxonomy
        except FirstPassError as error:
            self.said.emit(Message.of(error))
            return
        tree = self._box.tree
        tree.show_classes(taxonomy, hidden_in(layer, taxonomy.ids))
        if self._counts is not None:
            area = pixel_area(info_of(layer, self._desk.place(layer)).grid)
            height, width = extent_of(layer)
            tree.show_areas(self._counts, height * width, area)
        tree.choose(int(layer.selected_label))
        self._offer()
        self.listed.emit()

    def _change(self, shown: Taxonomy, edited: Taxonomy) -> None:
        """Give the layer other classes, as one step."""
        layer = require_paintable(self._layer)
        require_room(layer, edited.ids)
        with self._step(layer, shown):
            self._put(shown, edited)

    def _step(self, layer: Labels, shown: Taxonomy) -> LabelStep:
        """Begin a step; once it is undone, the classes are what is shown now."""
        info = info_of(layer, self._desk.place(layer))
        layer.metadata[KEY] = with_taxonomy(info, info.taxonomy, shown)
        return LabelStep(layer)

    def _put(
        self, shown: Taxonomy, edited: Taxonomy, mapping: Mapping[int, int] | None = None
    ) -> None:
        """Give the layer other classes, some of whose pixels may have become others."""
        layer = require_paintable(self._layer)
        info = with_taxonomy(info_of(layer, self._desk.place(layer)), shown, edited)
        for target, ids in _by_target(mapping or {}).items():
            names = [shown[class_id].name for class_id in ids]
            became = shown[target].name if target in shown else "unlabelled"
            told = {"classes": names, "became": became}
            info = info.reassigned(dict.fromkeys(ids, target), told)
        put_classes(layer, info, hidden_in(layer, shown.ids))
        self._list()

    def _reassign(self, layer: Labels, taxonomy: Taxonomy, mapping: Mapping[int, int]) -> str:
        """Give the pixels of classes to others, which are their heirs; return how many."""
        require_room(layer, mapping.values())
        with self._step(layer, taxonomy) as step:
            return self._settle(layer, taxonomy, mapping, step.reassign(mapping))

    def _settle(
        self, layer: Labels, taxonomy: Taxonomy, mapping: Mapping[int, int], pixels: int
    ) -> str:
        """List what is left after classes became others; return how many pixels changed."""
        if self._counts is not None:  # they are counted again soon
            self._counts = counts_after(self._counts, mapping)
        if layer.selected_label in mapping:
            left = min(set(taxonomy.ids) - set(mapping), default=1)
            layer.selected_label = mapping[layer.selected_label] or left
        self._put(taxonomy, _left(taxonomy, mapping), mapping if pixels else None)
        self._viewer.layers.selection.active = layer  # so that Ctrl+Z is meant for it
        return f"{pixels:,} pixels".replace(",", " ")

    def _on_counted(self, counts: Mapping[int, int]) -> None:
        self._counts = counts
        self._list()

    def _on_event(self, _: Event) -> None:
        self._late.start(0)

    def _on_selected(self, _: Event) -> None:
        if self._layer is not None:
            self._box.tree.choose(int(self._layer.selected_label))

    def _on_picked(self, class_id: int) -> None:
        if self._layer is not None:
            self._layer.selected_label = class_id

    def _on_named(self, class_id: int, name: str) -> None:
        self._try(lambda: self._name(class_id, name))

    def _name(self, class_id: int, name: str) -> None:
        """Name a class; the name of another one makes the two one."""
        taxonomy = self.taxonomy
        same = taxonomy.named(name)
        if same is not None and same.id != class_id:
            self.merge([class_id], same.id)
        elif name.strip() != taxonomy[class_id].name:
            self._change(taxonomy, renamed(taxonomy, class_id, name))
            self._say(f"Class {class_id} is called “{name.strip()}” now.")

    def _on_colored(self, class_id: int, color: str) -> None:
        def change() -> None:
            taxonomy = self.taxonomy
            self._change(taxonomy, recoloured(taxonomy, class_id, color))

        self._try(change)

    def _on_color(self) -> None:
        current = self._box.tree.chosen[:1]
        for class_id in current:
            self._box.ask_color(class_id, self.taxonomy[class_id].color)

    def _on_shown(self, class_id: int, seen: bool) -> None:
        def change() -> None:
            layer = require_paintable(self._layer)
            hidden = hidden_in(layer, self.taxonomy.ids)
            self._hide(hidden - {class_id} if seen else hidden | {class_id})

        self._try(change)

    def _on_only(self) -> None:
        def change() -> None:
            layer, ids = require_paintable(self._layer), set(self.taxonomy.ids)
            others = ids - set(self._box.tree.chosen)
            self._hide(set() if hidden_in(layer, ids) == others else others)

        self._try(change)

    def _hide(self, hidden: Collection[int]) -> None:
        layer = require_paintable(self._layer)
        info = info_of(layer, self._desk.place(layer))
        put_classes(layer, with_taxonomy(info, self.taxonomy, self.taxonomy), hidden)
        self._list()

    def _on_dropped(self, ids: list[int], target: int | None, place: Place) -> None:
        self._try(lambda: self._drop(ids, target, place))

    def _drop(self, ids: list[int], target: int | None, place: Place) -> None:
        """Make clusters the class they were dragged onto; move classes in the tree."""
        taxonomy = self.taxonomy
        known = [class_id for class_id in ids if class_id in taxonomy and class_id != target]
        if not known:
            return
        clusters = all(is_cluster(taxonomy[class_id]) for class_id in known)
        if target is not None and place == "into" and clusters:
            self.merge(known, target)
        else:
            self._change(taxonomy, moved(taxonomy, known, target, place))

    def _on_add(self) -> None:
        def change() -> None:
            layer = require_paintable(self._layer)
            info = info_of(layer, None)
            taken = [entry.id for entry in info.retired]
            taxonomy = self.taxonomy
            edited = added(taxonomy, taken=taken)
            self._change(taxonomy, edited)
            fresh = edited.classes[-1]
            layer.selected_label = fresh.id
            self._box.tree.edit_name(fresh.id)
            self._say(f"Added class {fresh.id}; type its name.")

        self._try(change)

    def _on_merge(self) -> None:
        tree = self._box.tree
        if len(tree.chosen) > 1 and self._layer is not None:
            selected = int(self._layer.selected_label)
            target = selected if selected in tree.chosen else tree.chosen[0]
            self._try(lambda: self.merge(tree.chosen, target))

    def _on_delete(self) -> None:
        ids = self._box.tree.chosen
        layer = self._layer
        if not ids or layer is None:
            return

        def delete() -> None:
            if self._layer == layer:
                self._try(lambda: self.delete([i for i in ids if i in self.taxonomy]))

        pixels = sum((self._counts or {}).get(class_id, 0) for class_id in ids)
        if self._counts is not None and not pixels:
            delete()
            return
        what = _listed(self.taxonomy, ids)
        count = f"{pixels:,} pixels".replace(",", " ")
        self._box.ask_to_delete(f"Delete {what}? {count} become unlabelled.", delete)

    def _on_read(self, found: ReadList) -> None:
        self._try(lambda: self._take(found))

    def _take(self, found: ReadList) -> None:
        """List other classes before those of the layer; if ids clash, in a copy of it."""
        layer = require_paintable(self._layer)
        taken, clashes = self._taken_over(layer, found)
        if clashes:
            self._desk.add(lambda: self._numbering(layer, found))
            return
        self._change(self.taxonomy, taken.taxonomy)
        self._say(f"“{layer.name}” has the classes of {found.name} now.")

    def _taken_over(self, layer: Labels, found: ReadList) -> tuple[TakenOver, bool]:
        """Return the classes of a list before those of the layer, and whether ids clash."""
        shown, info = self.taxonomy, info_of(layer, self._desk.place(layer))
        past = {entry.id for entry in info.retired} - set(shown.ids)
        taken = taken_over(shown, found.taxonomy, past)
        return taken, bool(taken.mapping or past & set(found.taxonomy.ids))

    def _numbering(self, layer: Labels, found: ReadList) -> Job:
        """Return what lists other classes in a copy of a layer."""

        def begin() -> Steps[Numbered]:
            require_there(self._viewer, layer)
            if layer != self._layer:
                raise other_layer(layer, "that the classes of another layer are listed")
            (taken, _), scene = self._taken_over(layer, found), scene_behind(layer.data)
            info = info_of(layer, self._desk.place(layer))
            labels = layer.data.copy() if scene is None else scene
            return number_steps(labels, info, found.name, taken)

        take = partial(self._show_numbered, layer, found.name)
        return Job(f"Numbering the classes of {layer.name}", begin, take, (layer,))

    def _show_numbered(self, layer: Labels, classes: str, numbered: Numbered) -> Message:
        """Show a copy of a layer in place of it; return what to say."""
        name = f"{layer.name} · {classes}"
        if isinstance(numbered.labels, SceneLabels):
            self._desk.show(numbered.labels, labels_keywords(numbered.info, name))
        else:
            keywords = copy_keywords(layer, numbered.info, name)
            self._viewer.add_labels(numbered.labels, **keywords)
        layer.visible = False
        return Message(
            f"“{name}” has the classes of {classes}: drag clusters onto them. “{layer.name}” is "
            "hidden, as it was."
        )

    def _on_save(self) -> None:
        if self._layer is not None:
            files = info_of(self._layer, None).sources
            folder = str(files[0].parent) if files else ""
            self._box.lists.ask_where_to_save(folder, info_of(self._layer, None).scene)

    def _on_saved_as(self, path: Path) -> None:
        self._try(lambda: self._lists.start_writing(path, self.taxonomy))

    def _on_undo(self) -> None:
        if self._layer is not None:
            self._layer.undo()

    def _on_redo(self) -> None:
        if self._layer is not None:
            self._layer.redo()

    def _try(self, change: Callable[[], None]) -> None:
        """Change something, or say why that is not possible and show what is there."""
        if self._layer is None:
            return
        try:
            change()
        except FirstPassError as error:
            self.said.emit(Message.of(error))
            self._list()

    def _say(self, text: str) -> None:
        self.said.emit(Message(text))


def _left(taxonomy: Taxonomy, mapping: Mapping[int, int]) -> Taxonomy:
    """Return the classes that are left after some became others, or nothing."""
    edited = taxonomy
    for target, ids in _by_target(mapping).items():
        edited = removed(edited, ids, None if target == UNLABELLED else target)
    return edited


def _by_target(mapping: Mapping[int, int]) -> dict[int, list[int]]:
    """Return which classes become each of those that some become."""
    found: dict[int, list[int]] = {}
    for before, after in mapping.items():
        found.setdefault(after, []).append(before)
    return found


def _listed(taxonomy: Taxonomy, ids: Collection[int]) -> str:
    """Return ``“roof”, “road” and 3 others``."""
    names = [f"“{taxonomy[class_id].name}”" for class_id in ids]
    if len(names) > 3:
        return f"{', '.join(names[:2])} and {len(names) - 2} others"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
