"""Lists of classes that others have fixed, with their codes."""

from __future__ import annotations

from dataclasses import dataclass

from napari_firstpass.errors import UnknownNameError
from napari_firstpass.taxonomy import LabelClass, Taxonomy


@dataclass(frozen=True, slots=True)
class Preset:
    """What a reader of other data sets expects.

    Attributes
    ----------
    summary : str
        One line for users, without a full stop.
    classes : Taxonomy
        Each with its code as ``export_code``.
    ignore : int
        The code of pixels that say nothing.
    reduce_zero_label : bool
        Whether readers subtract 1 from codes, 0 being ignored.
    as_colors : bool
        Whether readers expect colours instead of codes.
    """

    summary: str
    classes: Taxonomy
    ignore: int
    reduce_zero_label: bool = False
    as_colors: bool = False


_POTSDAM = (
    ("impervious surfaces", "#FFFFFF", ("impervious surface", "impervious", "road", "pavement")),
    ("building", "#0000FF", ("buildings", "roof", "house")),
    ("low vegetation", "#00FFFF", ("low_vegetation", "grass", "meadow")),
    ("tree", "#00FF00", ("trees", "high vegetation")),
    ("car", "#FFFF00", ("cars", "vehicle")),
    ("clutter", "#FF0000", ("clutter/background", "background")),
)
_LOVEDA = (
    ("background", "#FFFFFF", ("clutter", "other")),
    ("building", "#FF0000", ("buildings", "roof", "house")),
    ("road", "#FFFF00", ("roads", "street")),
    ("water", "#0000FF", ("river", "lake")),
    ("barren", "#9F81B7", ("bare soil", "bare ground")),
    ("forest", "#00FF00", ("tree", "trees", "woodland")),
    ("agriculture", "#FFC380", ("agricultural", "field", "cropland")),
)


def _coded(table: tuple[tuple[str, str, tuple[str, ...]], ...], codes: tuple[int, ...]) -> Taxonomy:
    return Taxonomy(
        tuple(
            LabelClass(number, name, color, aliases=aliases, export_code=code)
            for number, ((name, color, aliases), code) in enumerate(
                zip(table, codes, strict=True), start=1
            )
        )
    )


PRESETS: dict[str, Preset] = {
    "potsdam-mmseg": Preset(
        "ISPRS Potsdam as mmsegmentation counts: impervious 1 to clutter 6, 0 ignored",
        _coded(_POTSDAM, (1, 2, 3, 4, 5, 6)),
        ignore=0,
        reduce_zero_label=True,
    ),
    "potsdam-torchgeo": Preset(
        "ISPRS Potsdam as TorchGeo counts: clutter 0, impervious 1 to car 5",
        _coded(_POTSDAM, (1, 2, 3, 4, 5, 0)),
        ignore=255,
    ),
    "isprs-rgb": Preset(
        "ISPRS Potsdam and Vaihingen as colours, ignored pixels black",
        _coded(_POTSDAM, (1, 2, 3, 4, 5, 6)),
        ignore=0,
        as_colors=True,
    ),
    "loveda": Preset(
        "LoveDA: background 1 to agriculture 7, 0 ignored",
        _coded(_LOVEDA, (1, 2, 3, 4, 5, 6, 7)),
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
