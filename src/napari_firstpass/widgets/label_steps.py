"""One step of a layer's history: pixels that change at once, and what is noted of them.

What is noted goes back and forth with the pixels: names of classes, which places were reviewed, and
the record of what the labels went through. So the order of Ctrl+Z is the order of the work, and a
step that is undone is told nowhere.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from napari_firstpass.io.scene_labels import scene_behind
from napari_firstpass.label_changes import reassign
from napari_firstpass.label_changes import replace as replaced
from napari_firstpass.provenance import Provenance
from napari_firstpass.taxonomy import Taxonomy
from napari_firstpass.widgets.class_layers import hidden_in, info_of, put_classes, with_taxonomy
from napari_firstpass.widgets.label_history import entry_without_pixels, keep_step
from napari_firstpass.widgets.scene import KEY, MaskInfo, mask_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_firstpass.grid import Window
    from napari_firstpass.io.scene_labels import Reassigned
    from napari_firstpass.label_changes import Change, Replacement
    from napari_firstpass.widgets.label_history import Entry

_CLASSES = "taxonomy"
_NOTED = (_CLASSES, "provenance", "reviewed", "tiles", "at")
"""Fields of `MaskInfo` that a step changes; the others belong to the layer as a whole."""


class LabelStep:
    """Whatever changes a labels layer inside a ``with`` block, as one step that Ctrl+Z takes back.

    Pixels change by the methods; what is noted, in ``layer.metadata``. Without any change there is
    no step.

    Parameters
    ----------
    layer : Labels
        Its pixels are in memory; see `require_paintable`.
    """

    def __init__(self, layer: Labels) -> None:
        self._layer = layer
        self._before = mask_of(layer.metadata)
        self._changes: list[Change | Reassigned] = []

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Keep what was changed, also by what failed later on."""
        keep_step(self._layer, self._changes, self._noted())

    def change(self, window: Window, after: NDArray[Any]) -> int:
        """Give a part other classes; return how many pixels changed.

        Parameters
        ----------
        window : Window
            The part, in pixels of the layer, or of the scene where the layer shows a part of one.
        after : (h, w) integer array
            Class ids that the part is to have; those that it has already are no change.
        """
        layer, scene = self._layer, scene_behind(self._layer.data)
        if scene is None:
            return self._took(replaced(layer.data, window, after))
        return self._took(scene.change(window, after))

    def take(self, wanted: Replacement) -> int:
        """Write what was computed in a thread; return how many pixels changed.

        Pixels that were painted since the thread began stay as they are.
        """
        layer, scene = self._layer, scene_behind(self._layer.data)
        return self._took(wanted.write(layer.data) if scene is None else scene.take(wanted))

    def reassign(self, mapping: Mapping[int, int]) -> int:
        """Replace classes by others in all pixels; return how many changed.

        Of a scene, it is as many as were counted last.
        """
        scene = scene_behind(self._layer.data)
        if scene is None:
            return self._took(*reassign(self._layer.data, mapping))
        scene.take_strokes()
        return self._took(scene.reassign(mapping))

    def _took(self, *changes: Change | Reassigned | None) -> int:
        made = [change for change in changes if change is not None]
        self._changes += made
        return sum(change.pixels for change in made)

    def _noted(self) -> Entry | None:
        """Return what takes back what is noted now, and notes it once more; None for nothing."""
        layer, after = self._layer, mask_of(self._layer.metadata)
        if after is None or after is self._before:
            return None
        unknown = MaskInfo(after.scene, after.grid, Taxonomy(()), Provenance(), after.sources)
        before = self._before or unknown
        undone, done = ({name: getattr(info, name) for name in _NOTED} for info in (before, after))
        differing = {name for name in _NOTED if undone[name] != done[name]}
        if not differing:
            return None

        changes = self._changes

        def put(noted: Mapping[str, Any]) -> None:
            if not any(packed.is_given_up for change in changes for packed in change.packed):
                _put(layer, {name: noted[name] for name in differing})

        return entry_without_pixels(lambda: put(undone), lambda: put(done))


def _put(layer: Labels, noted: dict[str, Any]) -> None:
    """Note something of a layer, in place of what is noted now."""
    now = info_of(layer, None)
    classes = noted.pop(_CLASSES, None)
    layer.metadata[KEY] = replace(now, **noted)
    if classes is not None:
        hidden = hidden_in(layer, now.taxonomy.ids)
        put_classes(layer, with_taxonomy(layer.metadata[KEY], now.taxonomy, classes), hidden)


def change_pixels(layer: Labels, window: Window, after: NDArray[Any]) -> int:
    """Give a part of a layer other classes, as a step of its own; see `LabelStep.change`."""
    with LabelStep(layer) as step:
        return step.change(window, after)
