"""Doubt over an image, as a fog: the whiter, the less sure the method was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.utils.colormaps import Colormap

from napari_firstpass.progress import Progress
from napari_firstpass.widgets.prompt_layers import Helper, affine_at
from napari_firstpass.widgets.scene import KEY

if TYPE_CHECKING:
    from napari.layers import Image, Labels
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_firstpass.grid import Window
    from napari_firstpass.progress import Steps
    from napari_firstpass.segmentation import LabelPixels

DOUBT = "doubt"
_FOG = np.array([[1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.9], [1.0, 1.0, 1.0, 0.0]])
_LEVELS = (0.0, 1 / 255, 1.0)
"""Nothing where there are no labels, dense on what is a coin toss, nothing on what is sure; no
class has this colour."""


class DoubtLayer:
    """Shows confidence as a layer of its own, or takes it away.

    Parameters
    ----------
    viewer : Viewer
        Gets the layer.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._layer: Image | None = None

    def show(
        self, labels: Labels, confidence: NDArray[np.uint8], window: Window | None = None
    ) -> None:
        """Show the confidence (h, w) of labels over them, or over a window of a large scene.

        What is active stays so.
        """
        self.hide()
        active = self._viewer.layers.selection.active
        self._layer = self._viewer.add_image(
            confidence,
            name=DOUBT,
            colormap=Colormap(_FOG, controls=_LEVELS, name="firstpass doubt"),
            contrast_limits=(0, 255),
            blending="translucent",
            affine=affine_at(labels, *((window.row, window.col) if window else (0, 0))),
            metadata={KEY: Helper()},
        )
        self._viewer.layers.selection.active = active

    def hide(self) -> None:
        """Take the layer away, if it is still there."""
        layer, self._layer = self._layer, None
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)


def window_steps(
    labels: Labels, confidence: LabelPixels, window: Window
) -> Steps[tuple[Labels, NDArray[np.uint8], Window]]:
    """Read the confidence (h, w) of a window of a large scene; return it with what it is of."""
    yield Progress(0, 1, "reading how sure the labels are")
    return labels, confidence[window.slices], window
