"""What images must have in common to share classes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from napari_firstpass.bands import ROLES
from napari_firstpass.errors import ImageryError

if TYPE_CHECKING:
    from napari_firstpass.bands import Role
    from napari_firstpass.raster import RasterSource

AUTO: Final = "auto"
"""The pixel size of the coarsest of several images, or of the images of a model."""

Metres: TypeAlias = float | Literal["auto"] | None
"""Which pixel size to read images with; None for their own."""

_SAME_SIZE = 1.1
"""Up to this factor, pixels count as equally large: resampling and map projections stretch so."""


@dataclass(frozen=True, slots=True)
class Imagery:
    """A kind of images.

    Attributes
    ----------
    roles : tuple of C str or None
        What the bands show.
    dtype : str
        Type of the raw values, such as ``uint8``.
    metres : float or None
        Side of a pixel on the ground; None where unknown.
    """

    roles: tuple[Role | None, ...]
    dtype: str
    metres: float | None = None

    def __post_init__(self) -> None:
        sound = self.roles and all(role is None or role in ROLES for role in self.roles)
        if not sound or not (self.metres is None or self.metres > 0):
            raise ImageryError(
                expected=f"roles out of {', '.join(ROLES)}, and a positive size of pixels",
                found=f"{self.roles} and {self.metres}",
                remedy="check where they come from",
            )

    @classmethod
    def of(cls, source: RasterSource, metres: float | None) -> Imagery:
        """Return what kind an image is; ``metres`` as in the class."""
        return cls(source.roles, str(source.dtype), metres)

    def require(self, other: Imagery, *, name: str, like: str) -> None:
        """Refuse an image of another kind.

        Parameters
        ----------
        other : Imagery
            Of the image.
        name : str
            What to call the image.
        like : str
            What to call what it must be like.

        Raises
        ------
        ImageryError
            If bands, type of values or size of pixels differ.
        """
        if other.roles != self.roles:
            expected, found = (self._bands(roles) for roles in (self.roles, other.roles))
            remedy = "say what the bands are (--bands), or leave the image out"
        elif other.dtype != self.dtype:
            expected, found = f"values of type {self.dtype}", other.dtype
            remedy = "convert the image, or leave it out"
        elif not self._as_large(other):
            expected, found = f"pixels of {self.metres:.3g} m", f"{other.metres:.3g} m"
            remedy = "resample it (--resample, in Python metres=), or leave it out"
        else:
            return
        raise ImageryError(
            expected=f"{expected} in {name}, as in {like}", found=found, remedy=remedy
        )

    def _as_large(self, other: Imagery) -> bool:
        if self.metres is None or other.metres is None:
            return True
        return as_large(self.metres, other.metres)

    @staticmethod
    def _bands(roles: tuple[Role | None, ...]) -> str:
        count = f"{len(roles)} band" + "s" * (len(roles) > 1)
        return f"{count} ({', '.join(role or 'unnamed' for role in roles)})"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Imagery:
        """Read what `to_dict` wrote, perhaps by way of JSON.

        Raises
        ------
        ImageryError, TypeError, KeyError
            If it is anything else.
        """
        return cls(tuple(data["roles"]), str(data["dtype"]), data["metres"])


def as_large(one: float, other: float) -> bool:
    """Tell whether two sizes of pixels count as the same."""
    return 1 / _SAME_SIZE <= one / other <= _SAME_SIZE
