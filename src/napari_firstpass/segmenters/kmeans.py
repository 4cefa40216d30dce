"""k-means on features: the honest baseline every other method has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_firstpass.clustering import DEFAULT_EFFORT, KMeansConfig, kmeans
from napari_firstpass.feature_scaling import valid_vectors
from napari_firstpass.prototypes import PrototypeModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_firstpass.features import FeatureMap
    from napari_firstpass.progress import Steps


@dataclass(frozen=True, slots=True, kw_only=True)
class KMeansSegmenter:
    """Groups the cells of a sample into classes.

    Attributes
    ----------
    classes : int
        Number of classes.
    seed : int
        Drives the first guess.
    config : KMeansConfig
        Effort.
    """

    classes: int
    seed: int
    config: KMeansConfig = DEFAULT_EFFORT

    def fit(self, sample: Sequence[FeatureMap]) -> Steps[PrototypeModel]:
        """Return classes that fit ``sample``; see `Segmenter`."""
        vectors = valid_vectors(sample)
        centres = yield from kmeans(vectors, self.classes, seed=self.seed, config=self.config)
        return PrototypeModel.of(centres, vectors)
