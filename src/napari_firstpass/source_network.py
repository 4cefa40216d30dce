"""The network that labels come from, asked once more for all that it believes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_firstpass.errors import TaxonomyError
from napari_firstpass.source_belief import SourceBelief

if TYPE_CHECKING:
    import torch

    from napari_firstpass.networks.semantic import SemanticModel
    from napari_firstpass.normalize import BandStats
    from napari_firstpass.progress import Steps
    from napari_firstpass.raster import Raster
    from napari_firstpass.taxonomy import Taxonomy


@dataclass(frozen=True, slots=True, eq=False)
class SourceNetwork:
    """A network, and what its classes are in the labels.

    Attributes
    ----------
    model : SemanticModel
        The network.
    ids : tuple of K int
        The id that each of its classes has in the labels, in the order of its outputs.
    device : torch.device
        Where to compute.
    """

    model: SemanticModel
    ids: tuple[int, ...]
    device: torch.device

    @classmethod
    def of(cls, model: SemanticModel, source: Taxonomy, device: torch.device) -> SourceNetwork:
        """Find the classes of a network among those of labels, by name.

        Raises
        ------
        TaxonomyError
            If the labels do not have one of them.
        """
        found = [source.named(entry.name) for entry in model.classes.classes]
        lacking = [
            entry.name for entry, same in zip(model.classes.classes, found, strict=True) if not same
        ]
        if lacking:
            more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
            raise TaxonomyError(
                expected=f"labels that have all classes of {model.name}",
                found=f"no {lacking[0]!r}{more}",
                remedy="name the network that made them (--source-model), or none",
            )
        return cls(model, tuple(entry.id for entry in found if entry is not None), device)

    def believe(self, raster: Raster, stats: BandStats) -> Steps[SourceBelief]:
        """Return how likely each class is in a window.

        Parameters
        ----------
        raster : Raster
            The window.
        stats : BandStats
            The stretch of the bands of the whole image.
        """
        found = yield from self.model.scores(raster, stats, self.device)
        return SourceBelief.of(found, self.ids, raster.grid.shape)
