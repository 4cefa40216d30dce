"""Lists of classes that others have fixed, with their codes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_firstpass.errors import UnknownNameError
from napari_firstpass.taxonomies import built_in

if TYPE_CHECKING:
    from napari_firstpass.taxonomy import Taxonomy


@dataclass(frozen=True, slots=True)
class Preset:
    """What a reader of other data sets expects.

    Attributes
    ----------
    summary : str
        One line for users, without a full stop.
    taxonomy : str
        Name of the built-in taxonomy with its classes.
    codes : tuple of int
        The code of each class, in order.
    ignore : int
        The code of pixels that say nothing.
    reduce_zero_label : bool
        Whether readers subtract 1 from codes, 0 being ignored.
    as_colors : bool
        Whether readers expect colours instead of codes.
    """

    summary: str
    taxonomy: str
    codes: tuple[int, ...]
    ignore: int
    reduce_zero_label: bool = False
    as_colors: bool = False

    @property
    def classes(self) -> Taxonomy:
        """The classes, each with its code as ``export_code``."""
        found = built_in(self.taxonomy)
        pairs = zip(found.classes, self.codes, strict=True)
        return replace(
            found, classes=tuple(replace(entry, export_code=code) for entry, code in pairs)
        )


PRESETS: dict[str, Preset] = {
    "potsdam-mmseg": Preset(
        "ISPRS Potsdam as mmsegmentation counts: impervious 1 to clutter 6, 0 ignored",
        "potsdam",
        (1, 2, 3, 4, 5, 6),
        ignore=0,
        reduce_zero_label=True,
    ),
    "potsdam-torchgeo": Preset(
        "ISPRS Potsdam as TorchGeo counts: clutter 0, impervious 1 to car 5",
        "potsdam",
        (1, 2, 3, 4, 5, 0),
        ignore=255,
    ),
    "isprs-rgb": Preset(
        "ISPRS Potsdam and Vaihingen as colours, ignored pixels black",
        "potsdam",
        (1, 2, 3, 4, 5, 6),
        ignore=0,
        as_colors=True,
    ),
    "loveda": Preset(
        "LoveDA: background 1 to agriculture 7, 0 ignored",
        "loveda",
        (1, 2, 3, 4, 5, 6, 7),
        ignore=0,
        reduce_zero_label=True,
    ),
}


def preset_named(name: str) -> Preset:
    """Return a preset.

    Raises
    ------
    UnknownNameError
        If there is none of this name; lists the known ones.
    """
    if name not in PRESETS:
        raise UnknownNameError.of("preset", name, PRESETS)
    return PRESETS[name]
