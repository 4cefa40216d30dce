"""Doubt over an image: the more orange, the less sure the method was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.utils.colormaps import Colormap

from napari_firstpass.widgets.prompt_layers import Helper, affine_at
from napari_firstpass.widgets.scene import KEY

if TYPE_CHECKING:
    from napari.layers import Image, Labels
    from napari.viewer import Viewer
    from numpy.typing import NDArray

DOUBT = "doubt"
_ORANGE = np.array([[0.9, 0.35, 0.0, 0.85], [0.9, 0.35, 0.0, 0.0]])
"""Of a pixel that is a coin toss, and of one that is sure."""


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

    def show(self, labels: Labels, confidence: NDArray[np.uint8]) -> None:
        """Show the confidence (H, W) of labels over them; what is active stays so."""
        self.hide()
        active = self._viewer.layers.selection.active
        self._layer = self._viewer.add_image(
            confidence,
            name=DOUBT,
            colormap=Colormap(_ORANGE, name="firstpass doubt"),
            contrast_limits=(0, 255),
            blending="translucent",
            affine=affine_at(labels),
            metadata={KEY: Helper()},
        )
        self._viewer.layers.selection.active = active

    def hide(self) -> None:
        """Take the layer away, if it is still there."""
        layer, self._layer = self._layer, None
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)
