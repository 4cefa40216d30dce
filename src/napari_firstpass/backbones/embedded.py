"""The default backbone: colours, and visual words learned without labels.

A cell is described by formula (`descriptors`); the description is then compared with 64 words, the
typical descriptions in drone mosaics, found by k-means (`training/`). What a cell is like is
averaged over neighbours of the same colour, so that classes follow edges. Bag of visual words:
Csurka et al. (2004); of dense patches: Coates, Ng and Lee (2011).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, ClassVar

import torch

from napari_firstpass import descriptors, pooling
from napari_firstpass.bands import visible_bands
from napari_firstpass.errors import WeightsError
from napari_firstpass.features import FeatureMap
from napari_firstpass.progress import Progress, Span, Steps, relay
from napari_firstpass.tensor_file import unpack
from napari_firstpass.vocabulary import Vocabulary

if TYPE_CHECKING:
    from torch import Tensor

    from napari_firstpass.bands import Role
    from napari_firstpass.normalize import BandStats
    from napari_firstpass.raster import Raster

REACH = descriptors.REACH + descriptors.STRIDE * (pooling.SAME_COLOUR_REACH + 1)
"""Largest distance in pixels at which a pixel can change a vector."""

_UNSEEN = 0.3
"""Weight of a stretched band, or of a vegetation index, beside the lightness of Oklab."""

WEIGHTS = "embedded.safetensors"
_PLACE = files("napari_firstpass.backbones") / WEIGHTS


@cache
def shipped_vocabulary() -> Vocabulary:
    """Read the words in the package.

    Raises
    ------
    WeightsError
        If the file is missing or damaged.
    """
    content = _shipped_bytes()
    try:
        return vocabulary_of(content)
    except WeightsError as error:
        raise _unusable(error.found) from error


def _shipped_bytes() -> bytes:
    try:
        return _PLACE.read_bytes()
    except OSError as error:
        raise _unusable(error.strerror or str(error)) from error


def _unusable(found: str) -> WeightsError:
    return WeightsError(
        expected=f"the words of the embedded backbone in {_PLACE}",
        found=found,
        remedy="install napari-firstpass again, or choose the backbone 'texture'",
    )


def vocabulary_of(content: bytes) -> Vocabulary:
    """Read words from the bytes of a safetensors file.

    Raises
    ------
    WeightsError
        If it holds anything else.
    """
    arrays = unpack(content, WEIGHTS)
    shapes = {name: array.shape for name, array in arrays.items()}
    words, inner = (*shapes.get("words", ()), 0, 0)[:2]
    described = 2 * 3 + descriptors.TEXTURES
    wanted = {"mean": (described,), "projection": (inner, described), "words": (words, inner)}
    if shapes != wanted or words < 2 or inner < 1:
        raise WeightsError(
            expected=f"arrays mean ({described},), projection (E, {described}) and words (K, E) "
            f"with at least two words in {WEIGHTS}",
            found=str(shapes),
            remedy="get the file again",
        )
    return Vocabulary(**{name: torch.from_numpy(array) for name, array in arrays.items()})


@dataclass(frozen=True, slots=True)
class EmbeddedBackbone:
    """Features of any image that need no download.

    Attributes
    ----------
    stats : BandStats
        The stretch of the bands.
    roles : tuple of C str or None
        What the bands show. Red, green and blue together become a perceptual colour, red and near
        infrared a vegetation index; every other band is used as it is.
    device : torch.device
        Where to compute.
    vocabulary : Vocabulary
        The words; those in the package by default.
    """

    stats: BandStats
    roles: tuple[Role | None, ...]
    device: torch.device
    vocabulary: Vocabulary = field(default_factory=shipped_vocabulary)

    reentrant: ClassVar[bool] = True

    @staticmethod
    def weights_sha256() -> str | None:
        """Return the hash of the file in the package."""
        return sha256(_shipped_bytes()).hexdigest()

    @staticmethod
    def identity() -> str | None:
        """Return None: its features are cheaper than a disk."""
        return None

    def extract(self, raster: Raster) -> Steps[FeatureMap]:
        """Return about 67 features for each 4 x 4 pixels; see `Backbone`."""
        yield Progress(0, 20, "reading colours")
        stretched = torch.from_numpy(self.stats.stretch(raster.bands)).to(self.device)
        bands = descriptors.whole_cells(stretched)
        brightness = descriptors.luminance(bands, self.roles)
        rough = yield from relay(descriptors.textures(brightness), Span(1, 9, 20))
        look = descriptors.look(_picture(bands, brightness, self.roles))
        colours = descriptors.colours(bands, raster, self.roles)
        yield Progress(9, 20, "comparing with words")
        words = self.vocabulary.to(look).memberships(described(look, rough))
        alike = pooling.same_colour_mean(torch.cat([colours, words]), _guide(look, colours, bands))
        vectors = yield from relay(alike, Span(11, 20, 20))
        valid = descriptors.any_valid(raster, self.device)
        stride = descriptors.STRIDE
        groups = (len(colours), len(words))
        return FeatureMap(vectors, valid, raster.grid.coarsen(stride), stride, groups)


def described(look: Tensor, rough: Tensor) -> Tensor:
    """Return what words are made of: (22, h, w) of a look (3, h, w) and textures (16, h, w)."""
    return torch.cat([look, descriptors.blurred(look), rough])


def _guide(look: Tensor, colours: Tensor, bands: Tensor) -> Tensor:
    """Return (k, h, w): what must be alike for two cells to be one thing.

    Bands that the picture does not show count all together like a band of colour: something seen
    only in near infrared keeps its edges.
    """
    shown = {1: 1, 2: 0}.get(len(bands), 3)
    unseen = colours[shown:]
    return torch.cat([look, unseen * (_UNSEEN / max(len(unseen), 1) ** 0.5)])


def _picture(bands: Tensor, brightness: Tensor, roles: tuple[Role | None, ...]) -> Tensor:
    """Return (3, H, W): the visible bands, else the first three as false colours, else grey."""
    visible = visible_bands(roles)
    if len(visible) == 3:
        return bands[visible]
    return bands[:3] if len(bands) >= 3 else brightness.expand(3, -1, -1)
