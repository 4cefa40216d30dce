"""A backbone that computes nothing twice."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.metadata import version
from typing import TYPE_CHECKING, Protocol

import numpy as np

from napari_firstpass.progress import Progress, Steps

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    import torch

    from napari_firstpass.bands import Role
    from napari_firstpass.features import FeatureMap
    from napari_firstpass.grid import Grid
    from napari_firstpass.normalize import BandStats
    from napari_firstpass.protocols import Backbone
    from napari_firstpass.raster import Raster


class Digest(Protocol):
    """A hash that grows with what is added."""

    def update(self, data: memoryview, /) -> None:
        """Add bytes."""
        ...


class FeatureStore(Protocol):
    """Where features are kept, on disk or in memory."""

    def get(self, key: str, grid: Grid) -> FeatureMap | None:
        """Return those of an image of this grid, on the CPU, None if there are none."""
        ...

    def put(self, key: str, features: FeatureMap) -> None:
        """Keep features under a key that stands for all that they depend on."""
        ...


_FORMAT = 1
"""To be raised when the same key would mean other features, or other files."""


@dataclass(frozen=True, slots=True)
class CachedBackbone:
    """A backbone whose features are looked up before they are computed, and kept afterwards.

    It gives the same bytes whether they were found or not. That pays for a backbone that needs
    seconds; the cheap ones are faster than a disk.

    Attributes
    ----------
    backbone : Backbone
        What computes features; it may depend on nothing but the pixels and what is given here.
    cache : FeatureStore
        Where they are kept.
    identity : str
        Which model with which settings it is; see `identity_of`.
    stats : BandStats
        The stretch of the bands.
    roles : tuple of C str or None
        What the bands show.
    device : torch.device
        Where the backbone computes, and where features are wanted.
    """

    backbone: Backbone
    cache: FeatureStore
    identity: str
    stats: BandStats
    roles: tuple[Role | None, ...]
    device: torch.device

    def extract(self, raster: Raster) -> Steps[FeatureMap]:
        """Return the features of the inner backbone, contiguous; see `Backbone`."""
        yield Progress(0, 1, "looking for known features")
        key = self.key(raster)
        known = self.cache.get(key, raster.grid)
        if known is not None:
            vectors, valid = known.vectors.to(self.device), known.valid.to(self.device)
            return replace(known, vectors=vectors, valid=valid)
        found = yield from self.backbone.extract(raster)
        # Sums may be added in another order where memory is laid out otherwise, so what is new
        # is laid out as what is read from disk.
        found = replace(
            found, vectors=found.vectors.float().contiguous(), valid=found.valid.contiguous()
        )
        self.cache.put(key, found)
        return found

    def key(self, raster: Raster) -> str:
        """Return the hash of all that the features of ``raster`` depend on, in 64 digits.

        Its place on Earth and the names of its bands are not among that. The versions are: a
        model's arithmetic changes with those of torch. So is the kind of device, whose last
        digits differ.
        """
        said = {
            "format": _FORMAT,
            "versions": [version("napari-firstpass"), version("torch")],
            "identity": self.identity,
            "stretch": [self.stats.low, self.stats.high],
            "roles": self.roles,
            "device": self.device.type,
            "dtype": raster.bands.dtype.str,
            "shape": raster.bands.shape,
        }
        digest = sha256(json.dumps(said, sort_keys=True).encode())
        add_pixels(digest, raster)
        return digest.hexdigest()


def add_pixels(digest: Digest, raster: Raster) -> None:
    """Add values of pixels, and which are valid, to a hash."""
    for band in raster.bands:  # one by one: windows are cut from a larger array, and copied
        digest.update(np.ascontiguousarray(band).reshape(-1).view(np.uint8).data)
    digest.update(np.packbits(raster.valid).data)


def identity_of(name: str, weights_sha256: str | None, settings: Mapping[str, Any]) -> str:
    """Return a text that stands for a backbone: the same for the same values in any order.

    Parameters
    ----------
    name : str
        Of the backbone.
    weights_sha256 : str or None
        The hash of its weights, None if there are none.
    settings : mapping of str to a plain value
        All else that changes its features: layer, side of its windows, normalisation, flips, type
        of its numbers, versions of libraries other than torch. Plain values are what JSON holds.
    """
    said = {"name": name, "weights": weights_sha256, "settings": dict(settings)}
    return json.dumps(said, sort_keys=True)
