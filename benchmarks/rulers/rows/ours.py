"""Our own methods, through the same functions that users call."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.api import segment_source_steps
from napari_firstpass.backbones import BACKBONES
from napari_firstpass.config import SegmentConfig
from napari_firstpass.normalize import filled, usable
from napari_firstpass.pipeline import fit_sample_steps, label_steps
from napari_firstpass.progress import run
from napari_firstpass.raster import ArraySource
from napari_firstpass.segmenters import SEGMENTERS
from napari_firstpass.tiling import spread_windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_firstpass.grid import Window
    from napari_firstpass.pipeline import FittedModel
    from napari_firstpass.raster import Raster
    from napari_firstpass.segmentation import Labels
    from rulers.pictures import Prediction

_SAMPLE_SIDE = 256
_WINDOWS_OF_AN_IMAGE = 16


class FirstPass:
    """A segmenter on a backbone, with everything that follows: sharpening, small regions."""

    def __init__(self, *, method: str, backbone: str) -> None:
        self._config = SegmentConfig(method=method, backbone=backbone, device="cpu")
        # Imported now, so that seconds are those of the work.
        SEGMENTERS.load(method)
        BACKBONES.load(backbone)

    def label(self, rasters: Sequence[Raster], clusters: int, seed: int) -> list[Prediction]:
        """See `rulers.rows.Labeller`."""
        config = replace(self._config, classes=clusters, seed=seed)
        if len(rasters) == 1:
            steps = segment_source_steps(ArraySource(rasters[0]), config, name="image")
            return [run(steps).labels.astype(np.int32)]
        model = fit_jointly(rasters, config)
        return [label_one(raster, model, config) for raster in rasters]


def fit_jointly(rasters: Sequence[Raster], config: SegmentConfig) -> FittedModel:
    """Find classes on windows of several images."""
    windows = [
        filled(usable(raster.crop(window)))
        for raster in rasters
        for window in spread_windows(
            raster.grid, side=_SAMPLE_SIDE, limit=_WINDOWS_OF_AN_IMAGE, seed=config.seed
        )
    ]
    return run(fit_sample_steps([(raster, raster.grid.window) for raster in windows], config))


def label_one(raster: Raster, model: FittedModel, config: SegmentConfig) -> Prediction:
    """Label an image with fitted classes."""
    canvas = _Canvas(np.zeros(raster.grid.shape, dtype=np.int32))
    run(label_steps(ArraySource(raster), model, config, canvas))
    return canvas.labels


@dataclass(frozen=True, slots=True)
class _Canvas:
    """A `LabelSink` in memory."""

    labels: Prediction

    def write(self, window: Window, labels: Labels, confidence: NDArray[np.uint8]) -> None:  # noqa: ARG002
        self.labels[window.slices] = labels
