"""Keeping work: labels and all that belongs to them are saved while somebody goes on working."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtCore import QObject, Qt, QTimer, Signal
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_firstpass.errors import FirstPassError
from napari_firstpass.grid import Grid
from napari_firstpass.io.open_projects import note_closed, note_open
from napari_firstpass.io.project_folder import ProjectFolder
from napari_firstpass.io.project_lock import ProjectLock
from napari_firstpass.io.scene_labels import SceneLabels, scene_behind
from napari_firstpass.widgets.image_layers import file_of, grid_of, source_files
from napari_firstpass.widgets.label_history import extent_of
from napari_firstpass.widgets.preferences import preferences
from napari_firstpass.widgets.project_records import LayerNow, grid_of_record, grid_record
from napari_firstpass.widgets.project_runs import (
    ImageMovedError,
    Offer,
    Work,
    find_left_steps,
    find_work_steps,
    hash_steps,
    reopen_steps,
    save_steps,
)
from napari_firstpass.widgets.prompt_layers import Standing, is_helper
from napari_firstpass.widgets.scene import mask_of
from napari_firstpass.widgets.session import Message
from napari_firstpass.widgets.unfiled import UnfiledImages, digest_in, is_unfiled
from napari_firstpass.widgets.worker import Runner, finish_anyway

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.utils.events import Event
    from napari.viewer import Viewer
    from qtpy.QtWidgets import QWidget

    from napari_firstpass.widgets.project_runs import Reopened
    from napari_firstpass.widgets.prompt_marks import Marks
    from napari_firstpass.widgets.scene import MaskInfo
    from napari_firstpass.widgets.scene_following import SceneFollowing
    from napari_firstpass.widgets.work_bar import WorkBar
    from napari_firstpass.widgets.worker import Reply

_WORK = ("paint", "set_data", "data", "features")
_LOOKS = ("colormap", "name", "visible", "opacity", "selected_label")
_EVENTS = (*_WORK, *_LOOKS)
"""What a labels layer says when there may be something to save."""

_AGAIN_MS = 300
_MOST_GONE = 3
"""Of labels that were removed from an image that is open, so many are kept, the last ones."""


class Keeping(QObject):
    """Saves labels of image files into projects beside them, and offers what was saved before.

    A change begins a countdown that later ones do not prolong. What is written is decided in a
    thread, tile by tile; the window only notes which layers there are.

    Signals
    -------
    said : Message
        Something for the status line.
    saved : Path
        A project that was written.
    marks_back : Image
        On it, marks that were not accepted are there again: see `marks_on`.

    Parameters
    ----------
    viewer : Viewer
        Holds the layers.
    bar : WorkBar
        Offers earlier work.
    following : SceneFollowing
        Shows labels of large scenes.
    """

    said = Signal(object)
    saved = Signal(object)
    marks_back = Signal(object)

    def __init__(
        self, viewer: Viewer, bar: WorkBar, following: SceneFollowing, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._following = following
        self._viewer, self._bar, self._panel = viewer, bar, parent
        self._works: dict[Path, Work] = {}
        self._changed: set[Any] = set()
        self._unfiled = UnfiledImages(self)
        self._early: dict[Any, tuple[Image, Standing | None]] = {}
        self._marks: dict[Path, Standing] = {}
        self._marked: set[Path] = set()
        self._watched: dict[Any, Labels] = {}
        self._homes: dict[Any, Path] = {}
        self._grids: dict[Path, dict[str, Any]] = {}
        self._gone: dict[Path, dict[Any, LayerNow]] = {}
        self._again: set[Any] = set()
        self._kept: dict[Any, tuple[int, MaskInfo | None]] = {}
        self._saving: Path | None = None
        self._opening: Offer | None = None
        self._right: ProjectLock | None = None
        self._declined: set[Path] = set()
        self._trouble = ""
        self._is_over = False
        self._runs = self._looks = self._opens = 0
        self._writer, self._finder = Runner(self), Runner(self)
        self._reader, self._hasher = Runner(self), Runner(self)
        self._countdown = QTimer(self)
        self._countdown.setSingleShot(True)
        self._connect()
        self._looks += 1
        self._finder.start(find_left_steps(), self._looks)

    def look_for(self, image: Image | None) -> None:
        """Look whether there is earlier work on an image."""
        if image is None or not preferences().autosave or self._unfiled.ask(image):
            return  # or once it is known what it is
        home = self._unfiled.home_of(image)
        if home is None or home in self._works:
            return
        self._looks += 1
        self._finder.start(find_work_steps(home), self._looks)

    def touch(self, layer: Labels) -> None:
        """Note that a layer holds work that is to be kept, although nobody painted on it yet."""
        self._settle(layer)
        self._note(layer.unique_id)

    def note_marks(self, image: Image, standing: Standing | None) -> None:
        """Keep what is pointed at on an image and not accepted yet; None once there is nothing."""
        if self._unfiled.ask(image):
            self._early[image.unique_id] = image, standing
            return
        home = self._unfiled.home_of(image)
        if home is None or standing == self._marks.get(home):
            return
        if standing is None:
            del self._marks[home]
        else:
            self._marks[home] = standing
        self._marked.add(home)
        self._wait()

    def marks_on(self, image: Image) -> Standing | None:
        """Return what was pointed at on an image and neither accepted nor discarded."""
        home = self._unfiled.home_of(image)
        return None if home is None else self._marks.get(home)

    def save(self, home: Path) -> None:
        """Write the work on an image, in a thread."""
        try:
            work = self._work(home)
        except FirstPassError as error:
            self._refuse(error)
            return
        now = self._now(home, work)
        self._runs += 1
        self._saving = home
        self._writer.start(save_steps(work, *now), self._runs)

    def let_go(self) -> None:
        """Give everything back; what is not saved yet is saved, and nobody waits for that."""
        if self._is_over:
            return
        self._is_over = True
        self._countdown.stop()
        for runner in (self._finder, self._reader, self._hasher):
            runner.stop()
        events = self._viewer.layers.events
        events.inserted.disconnect(self)
        events.removed.disconnect(self)
        saving = [home for home in self._works if home == self._saving]  # it may be stopped
        for home in dict.fromkeys([*self._homes_changed(), *saving]):
            self._finish(home)
        for layer in self._watched.values():
            self._disconnect(layer)
        self._watched = {}
        for work in self._works.values():
            finish_anyway(work.close)
        self._works, self._saving = {}, None
        self._unfiled.let_go()
        if self._right is not None:
            self._right.release()

    def _connect(self) -> None:
        self._writer.replied.connect(self._on_saved)
        self._finder.replied.connect(self._on_found)
        self._reader.replied.connect(self._on_reopened)
        self._hasher.replied.connect(self._on_hashed)
        self._countdown.timeout.connect(self._on_time)
        self._unfiled.found.connect(self._on_known)
        app = QApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self.let_go)
        self._panel.destroyed.connect(self.let_go)  # whoever closes the window leaves it in there
        self._bar.wanted.connect(self.reopen)
        self._bar.declined.connect(lambda offer: self._declined.add(offer.folder))
        events = self._viewer.layers.events
        events.inserted.connect(self._on_inserted)
        events.removed.connect(self._on_removed)
        for layer in self._viewer.layers:
            self._watch(layer)

    def _on_inserted(self, event: Event) -> None:
        self._watch(event.value)

    def _on_removed(self, event: Event) -> None:
        layer = self._watched.pop(event.value.unique_id, None)
        if layer is not None:
            self._disconnect(layer)
            self._leave(layer)
        for home in {*self._works, *self._gone}:
            if not any(self._belongs(other, home) for other in self._viewer.layers):
                self._finish(home)  # both image and labels were closed

    def _leave(self, layer: Labels) -> None:
        """Keep labels that were removed: perhaps by mistake, and there is no undo for that."""
        unique_id, home = layer.unique_id, self._home(layer)
        self._kept.pop(unique_id, None)
        self._homes.pop(unique_id, None)
        is_saved = home in self._works and unique_id in self._works[home].numbers
        is_changed = unique_id in self._changed
        self._changed.discard(unique_id)
        if home is None or not (is_saved or is_changed) or not preferences().autosave:
            return
        if unique_id in self._again and not is_changed:
            self._again.discard(unique_id)  # it was removed a second time
        else:
            self._gone.setdefault(home, {})[unique_id] = LayerNow.of(layer, 0, self._place(layer))
        self._marked.add(home)
        self._wait()

    def _watch(self, layer: Layer) -> None:
        if isinstance(layer, Labels) and not is_helper(layer):
            self._watched[layer.unique_id] = layer
            self._kept[layer.unique_id] = _version_of(layer)
            for name in _EVENTS:
                getattr(layer.events, name).connect(self._on_changed)

    def _disconnect(self, layer: Labels) -> None:
        for name in _EVENTS:
            getattr(layer.events, name).disconnect(self._on_changed)

    def _on_changed(self, event: Event) -> None:
        unique_id, scene = event.source.unique_id, scene_behind(event.source.data)
        if event.type in ("data", "set_data") and scene is not None:
            # Perhaps another part of it is shown, and nothing was changed.
            number, info = self._kept.get(unique_id, (0, None))
            is_work = number != scene.version or info is not mask_of(event.source.metadata)
            counts = is_work
        else:
            is_work = event.type in ("paint", "data", "features")
            # What only looks other is saved along with work, but is no work by itself.
            counts = is_work or unique_id in self._changed or bool(self._works)
        if is_work:
            self._settle(event.source)
        if counts:
            self._note(unique_id)

    def _settle(self, layer: Labels) -> None:
        """Note where work on labels belongs, as long as their image is open."""
        if layer.unique_id in self._homes:
            return
        home = self._home(layer)
        if home is not None:
            self._homes[layer.unique_id] = home
            self._grids.setdefault(home, self._grid(home))

    def _note(self, unique_id: object) -> None:
        self._changed.add(unique_id)
        self._wait()

    def _wait(self) -> None:
        """Save in a few seconds, whatever comes until then."""
        if not self._countdown.isActive():
            self._countdown.start(round(1000 * preferences().autosave_s))

    def _on_time(self) -> None:
        if not preferences().autosave:
            return
        if self._saving is not None:
            self._countdown.start(_AGAIN_MS)
            return
        home = next(iter(self._homes_changed()), None)
        if home is None and self._ask_where():
            self._countdown.start(_AGAIN_MS)
        elif home is None:
            self._changed.clear()
            self._marked.clear()
        else:
            self.save(home)

    def _ask_where(self) -> bool:
        """Find out where work belongs that is on no file; return whether there is any."""
        layers = [layer for layer in self._viewer.layers if layer.unique_id in self._changed]
        shapes = {layer.data.shape for layer in layers}
        images = [x for x in self._viewer.layers if isinstance(x, Image)]
        asked = [self._unfiled.ask(x) for x in images if grid_of(x).shape in shapes]
        return any(asked)

    def _on_known(self, image: Image) -> None:
        """Go on with what waited until it was known where an image belongs."""
        early = self._early.pop(image.unique_id, None)
        if early is not None:
            self.note_marks(*early)
        self.look_for(image)

    def _homes_changed(self) -> list[Path]:
        """Return the images on which there is work that is not saved."""
        layers = (layer for layer in self._viewer.layers if layer.unique_id in self._changed)
        homes = (self._home(layer) for layer in layers if isinstance(layer, Labels))
        marked = [h for h in self._marked if h in self._gone or self._grid(h)]  # others were closed
        return [home for home in dict.fromkeys([*homes, *marked]) if home is not None]

    def _finish(self, home: Path) -> None:
        """Write a project for the last time."""
        try:
            work = self._work(home)
        except FirstPassError as error:
            self._refuse(error)
            return
        now = self._now(home, work)
        del self._works[home]
        self._gone.pop(home, None)
        self._unfiled.forget(home)
        finish_anyway(partial(work.close_with, *now))

    def _now(self, home: Path, work: Work) -> tuple[list[LayerNow], dict[str, Any], Marks | None]:
        """Note the work on an image as it is now; it counts as saved from here on."""
        layers, standing = self._layers(home, work), self._marks.get(home)
        self._marked.discard(home)
        marks = None if standing is None else standing.told(work.numbers)
        grid = self._grid(home) or self._grids.get(home, {})
        return [*layers, *self._removed(home, work)], grid, marks

    def _removed(self, home: Path, work: Work) -> list[LayerNow]:
        """Return labels that were removed: for good, if the image is still there."""
        gone = self._gone.get(home, {})
        for unique_id, now in gone.items():
            number, removed = work.number_of(unique_id), now.removed or bool(self._grid(home))
            gone[unique_id] = replace(now, number=number, removed=removed)
        for unique_id in [i for i, now in gone.items() if now.removed][:-_MOST_GONE]:
            del gone[unique_id]
        return list(gone.values())

    def _layers(self, home: Path, work: Work) -> list[LayerNow]:
        """Note the labels of an image as they are now; they count as saved from here on."""
        found = []
        for layer in self._viewer.layers:
            if isinstance(layer, Labels) and self._home(layer) == home:
                if not (layer.visible or layer.unique_id in {*self._homes, *work.numbers}):
                    continue  # such as the truth that comes with a sample
                number = work.number_of(layer.unique_id)
                found.append(LayerNow.of(layer, number, self._place(layer)))
                self._changed.discard(layer.unique_id)
                self._kept[layer.unique_id] = _version_of(layer)
        return found

    def _work(self, home: Path) -> Work:
        if home not in self._works:
            source = self._unfiled.source_of(home)
            work = Work.begin(home, preferences().tile, source)
            self._works[home] = work
            note_open(work.folder.path)
        return self._works[home]

    def _on_saved(self, reply: Reply[Any]) -> None:
        home, self._saving = self._saving, None
        if home is None:
            return
        if isinstance(reply.outcome, FirstPassError):
            self._marked.add(home)
            self._changed.update(
                u for u, layer in self._watched.items() if self._home(layer) == home
            )
            self._refuse(reply.outcome)
            return
        work = self._works.get(home)
        if work is None:  # it was closed meanwhile
            return
        if self._trouble:
            self._trouble = ""
            self.said.emit(Message("Your work is saved again, in", path=work.folder.path))
        if work.sha256 is None and work.image.exists():
            self._hasher.start(hash_steps(work.image), id(work))
        for layer in self._watched.values():
            scene = scene_behind(layer.data)
            if scene is not None and scene.store.is_behind and self._home(layer) == home:
                self._changed.add(layer.unique_id)
        self.saved.emit(work.folder.path)
        if (self._changed or self._marked) and not self._countdown.isActive():
            self._countdown.start(_AGAIN_MS)

    def _on_hashed(self, reply: Reply[Any]) -> None:
        for home, work in self._works.items():
            if id(work) == reply.generation and isinstance(reply.outcome, str):
                work.sha256 = reply.outcome
                layers = (la for la in self._watched.values() if self._home(la) == home)
                layer = next(layers, None)
                if layer is not None:
                    self._note(layer.unique_id)

    def _refuse(self, error: FirstPassError) -> None:
        """Say at once that nothing can be saved, once; it is tried again and again."""
        if self._trouble != str(error):
            self._trouble = str(error)
            text = f"Your work is not saved: {error}. Go on; it is tried again."
            self.said.emit(Message(text, "error"))
        self._countdown.start(round(1000 * preferences().autosave_s))

    def _on_found(self, reply: Reply[Any]) -> None:
        if reply.generation != self._looks or isinstance(reply.outcome, FirstPassError):
            return
        mine = {work.folder.path for work in self._works.values()} | self._declined
        offers = [offer for offer in reply.outcome if offer.folder not in mine]
        self._bar.show_offer(next((x for x in offers if x.holder is None), None))
        held = next((x for x in offers if x.holder is not None), None)
        if held is not None:
            text = f"Somebody works on “{held.image.name}” in {held.holder}, too: what you do here "
            self.said.emit(Message(f"{text}is kept in a project of its own."))

    def reopen(self, offer: Offer, image: Path | None = None) -> None:
        """Open earlier work; ``image`` says where its image is now."""
        try:
            if self._right is None:
                self._right = ProjectLock.take(offer.folder)
        except FirstPassError as error:
            self.said.emit(Message.of(error))
            return
        home = (image or offer.image).absolute()
        is_open = any(self._is_of(x, home) for x in self._viewer.layers)
        self._opening, self._opens = offer, self._opens + 1
        self._reader.start(reopen_steps(offer.folder, home, is_open=is_open), self._opens)
        self.said.emit(Message(f"Opening {offer.folder.name} …"))

    def _on_reopened(self, reply: Reply[Any]) -> None:
        offer, right = self._opening, self._right
        if offer is None or right is None or reply.generation != self._opens:
            return
        self._opening = self._right = None
        if not isinstance(reply.outcome, FirstPassError):
            self._show(offer, right, reply.outcome)
            return
        right.release()
        self.said.emit(Message.of(reply.outcome))
        if isinstance(reply.outcome, ImageMovedError):
            self._ask_for_image(offer)

    def _show(self, offer: Offer, right: ProjectLock, found: Reopened) -> None:
        """Show what was read, and go on in its folder."""
        for data, keywords, _ in found.images:
            self._viewer.add_image(data, **keywords)
        home = found.image.absolute()
        for image in self._viewer.layers:
            if self._is_of(image, home) and file_of(image) is None:
                self._unfiled.adopt(image, home)
        work = Work(home, ProjectFolder(offer.folder, preferences().tile), right, found.sha256)
        before = self._works.get(home)
        if before is not None:
            before.right.release()
            note_closed(before.folder.path)
        self._works[home] = work
        note_open(offer.folder)
        for (data, keywords, _), number in zip(found.labels, found.numbers, strict=True):
            if isinstance(data, SceneLabels):
                layer = self._following.add(data, keywords)
            else:
                layer = self._viewer.add_labels(data, **keywords)
            work.numbers[layer.unique_id] = number
            if number in found.removed:
                self._again.add(layer.unique_id)
        count = len(found.labels)
        what = "1 labels layer is" if count == 1 else f"{count} labels layers are"
        told = [f"{what} back; your work goes on there.", *found.troubles]
        if found.removed:
            told.insert(1, "What you had removed is hidden; remove it again to be rid of it.")
        text = " ".join(told)
        self.said.emit(Message(text, "error" if found.troubles else "info"))
        if found.marks is not None:
            self._show_marks(home, found.marks, work)

    def _show_marks(self, home: Path, marks: Marks, work: Work) -> None:
        """Let somebody point on where it was left."""
        ids = [unique_id for unique_id, number in work.numbers.items() if number == marks.layer]
        layer = next((self._watched[i] for i in ids if i in self._watched), None)
        if layer is not None:
            layer.selected_label = marks.class_id
            self._viewer.layers.selection.active = layer
        self._marks[home] = Standing(marks.drawn, marks.words, layer)
        images = [x for x in self._viewer.layers if self._is_of(x, home)]
        if images:
            self.marks_back.emit(images[0])

    def _ask_for_image(self, offer: Offer) -> None:
        dialog = QFileDialog(self._panel, f"Where is {offer.image.name} now?")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setDirectory(str(offer.folder.parent))
        dialog.fileSelected.connect(lambda path: self.reopen(offer, Path(path)))
        dialog.open()

    def _home(self, layer: Labels) -> Path | None:
        """Return the image file that labels belong to, None for labels that cannot be kept."""
        if is_helper(layer) or layer.multiscale or not isinstance(layer.data, np.ndarray):
            return None
        if layer.ndim != 2 or layer.data.dtype.kind not in "ui":
            return None
        files = source_files(layer)
        if files:
            return files[0]
        if layer.unique_id in self._homes:
            return self._homes[layer.unique_id]
        below = (x for x in reversed(self._viewer.layers) if isinstance(x, Image))
        homes = (self._unfiled.home_of(x) for x in below if grid_of(x).shape == layer.data.shape)
        return next((home for home in homes if home is not None), None)

    def _place(self, layer: Labels) -> Grid:
        """Return the grid of labels that were drawn by hand."""
        home = self._home(layer)
        for image in self._viewer.layers:
            if home is not None and self._is_of(image, home):
                return grid_of(image)
        known = None if home is None else grid_of_record(self._grids.get(home))
        return known or Grid(*extent_of(layer))

    def _grid(self, home: Path) -> dict[str, Any]:
        """Return size and place of an image; empty for one that was closed."""
        images = (x for x in self._viewer.layers if self._is_of(x, home))
        return next((grid_record(grid_of(x)) for x in images), {})

    def _belongs(self, layer: Layer, home: Path) -> bool:
        """Tell whether a layer is the image of a project, or labels on it."""
        mine = isinstance(layer, Labels) and layer.unique_id in self._watched
        return self._is_of(layer, home) or (mine and self._home(layer) == home)

    def _is_of(self, layer: Layer, home: Path) -> bool:
        """Tell whether a layer is the image of a project."""
        if not isinstance(layer, Image):
            return False
        mine = self._unfiled.home_of(layer)
        if mine is None or not is_unfiled(home) or not is_unfiled(mine):
            return mine == home
        return digest_in(mine) == digest_in(home)


def _version_of(layer: Labels) -> tuple[int, MaskInfo | None]:
    """Return what differs once the labels of a scene, or what is noted of them, have changed."""
    scene = scene_behind(layer.data)
    return 0 if scene is None else scene.version, mask_of(layer.metadata)
