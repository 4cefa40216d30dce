"""Our own methods, through the same functions that users call."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.api import segment_source_steps
from napari_firstpass.backbones import BACKBONES
from napari_firstpass.config import SegmentConfig
from napari_firstpass.pipeline import fit_set_steps, label_steps
from napari_firstpass.progress import run
from napari_firstpass.raster import ArraySource
from napari_firstpass.refiners import NO_REFINER
from napari_firstpass.segmentation import ArraySink
from napari_firstpass.segmenters import SEGMENTERS
from napari_firstpass.taxonomy import numbered_taxonomy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from napari_firstpass.pipeline import FittedModel
    from napari_firstpass.raster import Raster
    from rulers.pictures import Prediction


class FirstPass:
    """A segmenter on a backbone, with everything that follows: sharpening, small regions."""

    def __init__(self, *, method: str, backbone: str, refine: str = NO_REFINER) -> None:
        self._config = SegmentConfig(method=method, backbone=backbone, refine=refine, device="cpu")
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
    """Find classes that several images share, as ``firstpass fit`` does."""
    return run(fit_set_steps([partial(_opened, raster) for raster in rasters], config))


def _opened(raster: Raster) -> AbstractContextManager[ArraySource]:
    return nullcontext(ArraySource(raster))


def label_one(raster: Raster, model: FittedModel, config: SegmentConfig) -> Prediction:
    """Label an image with fitted classes."""
    sink = ArraySink.of(raster.grid, numbered_taxonomy(config.classes))
    run(label_steps(ArraySource(raster), model, config, sink))
    return sink.labels.astype(np.int32)
