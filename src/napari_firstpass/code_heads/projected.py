"""A backbone whose features become codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_firstpass.progress import Span, Steps, relay

if TYPE_CHECKING:
    from napari_firstpass.code_heads.head import CodeHead
    from napari_firstpass.features import FeatureMap
    from napari_firstpass.protocols import Backbone
    from napari_firstpass.raster import Raster


@dataclass(frozen=True, slots=True)
class ProjectedBackbone:
    """A backbone whose features go through a head, cell by cell.

    It stands above the cache, which keeps what the network says, and above what makes that finer.

    Attributes
    ----------
    backbone : Backbone
        What computes features.
    head : CodeHead
        What makes codes of them; on the same device.
    """

    backbone: Backbone
    head: CodeHead

    def extract(self, raster: Raster) -> Steps[FeatureMap]:
        """Return the codes of the features of the inner backbone; see `Backbone`."""
        features = yield from relay(self.backbone.extract(raster), Span(0, 95, 100))
        return (yield from relay(self.head.project(features), Span(95, 100, 100)))
