"""One cluster everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_firstpass.raster import Raster
    from rulers.pictures import Prediction


class Blank:
    """What every method must beat."""

    def label(self, rasters: Sequence[Raster], clusters: int, seed: int) -> list[Prediction]:  # noqa: ARG002
        """See `rulers.rows.Labeller`."""
        return [np.zeros(raster.grid.shape, dtype=np.int32) for raster in rasters]
