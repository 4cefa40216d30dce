"""Features of many pictures of one size: computed once where there is room, again where not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from napari_firstpass.cached_backbone import CachedBackbone
from napari_firstpass.features import FeatureMap
from napari_firstpass.grid import Grid
from napari_firstpass.networks.viewing import scaled
from napari_firstpass.normalize import BandStats
from napari_firstpass.progress import Progress, Span, Steps, relay, run
from napari_firstpass.raster import Raster

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_firstpass.bands import Role
    from napari_firstpass.feature_cache import FeatureCache
    from napari_firstpass.networks.vision import VisionModel
    from napari_firstpass.protocols import Backbone

PLAIN_STRETCH = BandStats((0.0,) * 3, (255.0,) * 3)
"""Bytes as they are, in [0, 1]: recipes stretch nothing."""


@dataclass(frozen=True, slots=True)
class WholeBackbone:
    """A network that looks at a picture whole, as papers do, with 32-bit numbers.

    Attributes
    ----------
    model : VisionModel
        The network.
    device : torch.device
        Where to compute.
    """

    model: VisionModel
    device: torch.device

    def extract(self, raster: Raster) -> Steps[FeatureMap]:
        """Return one vector for each patch of three bands of bytes; see `Backbone`."""
        yield Progress(0, 1, "computing features")
        picture = torch.from_numpy(PLAIN_STRETCH.stretch(raster.bands)).to(self.device)
        vectors = self.see(picture)
        valid = torch.ones(vectors.shape[1:], dtype=torch.bool, device=self.device)
        patch = self.model.patch
        return FeatureMap(vectors, valid, raster.grid.coarsen(patch), patch)

    def see(self, picture: Tensor) -> Tensor:
        """Return features (D, H / patch, W / patch) of a picture (3, H, W) in [0, 1]."""
        self.model.module.to(self.device)
        return self.model.maps(scaled(picture, self.model.scaling)[None])[0]


@dataclass(slots=True)
class Room:
    """So many bytes that stores may share."""

    bytes: int

    def take(self, wanted: int) -> bool:
        """Take some, if there are so many left; return whether there were."""
        if wanted > self.bytes:
            return False
        self.bytes -= wanted
        return True


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where features may be kept.

    Attributes
    ----------
    identity : str
        Stands for the network; see `identity_of`.
    cache : FeatureCache or None
        A folder on disk.
    memory, disk : Room
        What may be used of each.
    """

    identity: str
    cache: FeatureCache | None
    memory: Room
    disk: Room


@dataclass(slots=True)
class FeatureStore:
    """Features of pictures by number.

    They are held in memory, or else read from disk again and again, or else computed each time:
    what fits, for all of them alike.

    Attributes
    ----------
    count : int
        How many pictures.
    picture : callable
        Returns one by number: (3, H, W) uint8, all of one size.
    roles : tuple of 3 str
        What its bands show.
    backbone : WholeBackbone
        Computes features.
    keeping : Keeping
        Where to keep them.
    """

    count: int
    picture: Callable[[int], NDArray[np.uint8]]
    roles: tuple[Role, ...]
    backbone: WholeBackbone
    keeping: Keeping
    _held: dict[int, Tensor] = field(default_factory=dict)
    _in_memory: bool = False
    _source: Backbone | None = None
    _on_disk: bool = False

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Tensor:
        """Return the features (D, h, w) of a picture."""
        return run(self.get_steps(index))

    def get_steps(self, index: int) -> Steps[Tensor]:
        """Do the work of indexing in steps."""
        known = self._held.get(index)
        if known is not None:
            return known
        raster = self.raster(index)
        if self._source is None:
            found = yield from self._first(raster)
        else:
            found = yield from self._source.extract(raster)
        if self._in_memory:
            self._held[index] = found.vectors
        return found.vectors

    def fill_steps(self) -> Steps[None]:
        """Compute all features once, if they can be kept."""
        for index in range(self.count):
            told = f"features of picture {index + 1} of {self.count}"
            yield from relay(self.get_steps(index), Span(index, index + 1, self.count), told)
            if not (self._in_memory or self._on_disk):
                return

    @property
    def kept(self) -> str:
        """Where features are, in words; known after the first was asked for."""
        if self._in_memory:
            return "held in memory"
        return "kept on disk" if self._on_disk else "computed each time, for want of room"

    def _first(self, raster: Raster) -> Steps[FeatureMap]:
        """Compute the features of one picture, and decide where those of all go."""
        found = yield from self.backbone.extract(raster)
        needed = self.count * found.vectors.nbytes
        keeping = self.keeping
        self._in_memory = keeping.memory.take(needed)
        self._on_disk = keeping.cache is not None and keeping.disk.take(needed)
        self._source = self.backbone
        if self._on_disk and keeping.cache is not None:
            own = keeping.identity, PLAIN_STRETCH, self.roles, self.backbone.device
            self._source = CachedBackbone(self.backbone, keeping.cache, *own)
            # This one too, so that it is found by the next run.
            found = yield from self._source.extract(raster)
        return found

    def raster(self, index: int) -> Raster:
        """Return a picture by number, without a place."""
        bands = self.picture(index)
        return Raster.from_array(bands, Grid(*bands.shape[1:]), roles=self.roles)


@dataclass(frozen=True, slots=True)
class Cells:
    """The pictures of a store as windows of cells (D, n)."""

    store: FeatureStore

    def __len__(self) -> int:
        return self.store.count

    def __getitem__(self, index: int) -> Tensor:
        return self.store[index].flatten(1)
