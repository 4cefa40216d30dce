"""Rows of the table: methods, ours and what users would otherwise pick."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_firstpass.raster import Raster
    from rulers.datasets import DataSet
    from rulers.pictures import Picture, Prediction


class Labeller(Protocol):
    """A method, ready to run."""

    def label(self, rasters: Sequence[Raster], clusters: int, seed: int) -> list[Prediction]:
        """Label images with clusters that mean the same in all of them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A method of the table.

    Attributes
    ----------
    name : str
        As `--rows` takes it, and as the table shows it.
    about : str
        What it does and with which settings, for the caption.
    target : str
        ``module:attribute`` of its class: only the process that measures it imports it, so that
        its memory is its own.
    options : mapping
        Arguments of the class.
    most_seeds : int or None
        1 where nothing is drawn at random, more where time forbids; None for no limit.
    classes, regions : bool
        Which kinds of data sets it makes sense on.
    """

    name: str
    about: str
    target: str
    options: Mapping[str, Any] = field(default_factory=dict)
    most_seeds: int | None = None
    classes: bool = True
    regions: bool = True

    def fits(self, data: DataSet) -> bool:
        """Return whether it is measured on a data set."""
        return self.regions if data.regions else self.classes

    def load(self) -> Labeller:
        """Import it, with all that it needs."""
        module, _, attribute = self.target.partition(":")
        make = cast("Callable[..., Labeller]", getattr(import_module(module), attribute))
        return make(**self.options)


def predict(
    labeller: Labeller, pictures: Sequence[Picture], *, joint: bool, clusters: int, seed: int
) -> list[Prediction]:
    """Label the images of a set, together or each by itself."""
    rasters = [picture.raster for picture in pictures]
    if joint:
        return labeller.label(rasters, clusters, seed)
    return [labeller.label([raster], clusters, seed)[0] for raster in rasters]
