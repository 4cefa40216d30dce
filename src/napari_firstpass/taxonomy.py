"""Closed, named, coloured lists of classes."""

from __future__ import annotations

from collections import Counter
from colorsys import hsv_to_rgb
from dataclasses import asdict, dataclass, field
from typing import Any

from napari_firstpass.errors import TaxonomyError

UNLABELLED = 0
"""Id of pixels without a class: not yet labelled, or no data."""

MAX_CLASS_ID = 65_535

BLACK = "#000000"

# Okabe & Ito (2008), "Color Universal Design": told apart with every common colour blindness.
# Black is left out (it hides the image), grey comes last.
_OKABE_ITO = (
    "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#999999",
)  # fmt: skip

# Shades of the same hues, so that neighbours in the list stay far apart.
_SHADES = (1.0, 0.6, 1.35, 0.4, 0.8)

_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True, slots=True)
class LabelClass:
    """A named entry of a taxonomy.

    Attributes
    ----------
    id : int
        The integer in a labelled pixel, 1 to 65535.
    name : str
        What users read; unique within a taxonomy.
    color : str
        ``#RRGGBB``.
    parent : int or None
        Id of the class this one belongs to.
    aliases : tuple of str
        Other names of the same thing.
    export_code : int or None
        The value written for a consumer that counts otherwise; None for the id itself.
    phrases : tuple of str
        What to call it in front of a model that compares pictures with words; the name where there
        are none.
    """

    id: int
    name: str
    color: str
    parent: int | None = None
    aliases: tuple[str, ...] = ()
    export_code: int | None = None
    phrases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.id <= MAX_CLASS_ID:
            raise TaxonomyError(
                expected=f"a class id in [1, {MAX_CLASS_ID}]",
                found=str(self.id),
                remedy="0 is reserved for unlabelled pixels; renumber the class",
            )
        if not self.name.strip():
            raise TaxonomyError(
                expected="a class name", found=f"an empty one for id {self.id}", remedy="name it"
            )
        _require_color(self.color, f"class {self.name!r}")

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue in [0, 255]."""
        return rgb_of(self.color)


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """The classes that labels may hold, in the order users see them.

    Attributes
    ----------
    classes : tuple of LabelClass
        The classes.
    unlabelled_color : str
        ``#RRGGBB`` of pixels without a class, in pictures whose colours are the labels.
    """

    classes: tuple[LabelClass, ...]
    unlabelled_color: str = BLACK
    _by_id: dict[int, LabelClass] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for what, values in (("id", self.ids), ("name", tuple(c.name for c in self.classes))):
            repeated = sorted(str(v) for v, count in Counter(values).items() if count > 1)
            if repeated:
                raise TaxonomyError(
                    expected=f"every class {what} once",
                    found=f"{', '.join(repeated[:8])} more than once",
                    remedy=f"give each class its own {what}",
                )
        _require_color(self.unlabelled_color, "pixels without a class")
        object.__setattr__(self, "_by_id", {entry.id: entry for entry in self.classes})
        for entry in self.classes:
            self._check_ancestors(entry)

    def _check_ancestors(self, entry: LabelClass) -> None:
        seen = {entry.id}
        parent = entry.parent
        while parent is not None:
            if parent not in self._by_id or parent in seen:
                raise TaxonomyError(
                    expected="parents that exist and do not form a circle",
                    found=f"parent {parent} of class {entry.name!r}",
                    remedy="correct the parent ids",
                )
            seen.add(parent)
            parent = self[parent].parent

    def __getitem__(self, class_id: int) -> LabelClass:
        return self._by_id[class_id]

    def __contains__(self, class_id: int) -> bool:
        return class_id in self._by_id

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def ids(self) -> tuple[int, ...]:
        """Class ids in order."""
        return tuple(entry.id for entry in self.classes)

    @property
    def max_id(self) -> int:
        """Largest id, 0 for an empty taxonomy."""
        return max(self.ids, default=UNLABELLED)

    def lineage(self, class_id: int) -> tuple[LabelClass, ...]:
        """Return a class and those it belongs to, the topmost first.

        Raises
        ------
        KeyError
            If there is no such class.
        """
        found = [self[class_id]]
        while (parent := found[-1].parent) is not None:
            found.append(self[parent])
        return tuple(reversed(found))

    def at_level(self, class_id: int, level: int) -> LabelClass:
        """Return what a class counts as on a level of the tree: 1 is the top.

        A class that lies above that level stands for itself.
        """
        lineage = self.lineage(class_id)
        return lineage[min(level, len(lineage)) - 1]

    def children(self, class_id: int | None = None) -> tuple[LabelClass, ...]:
        """Return the classes right below one, in order; those at the top without an id."""
        return tuple(entry for entry in self.classes if entry.parent == class_id)

    def named(self, name: str) -> LabelClass | None:
        """Return the class of this name, or else the only one with this alias; None without.

        Capitals and spaces around the name do not matter where no class is written just so.
        """
        for entry in self.classes:
            if entry.name == name:
                return entry
        wanted = name.strip().casefold()
        by_name = [c for c in self.classes if c.name.strip().casefold() == wanted]
        aliased = [c for c in self.classes if wanted in {a.strip().casefold() for a in c.aliases}]
        found = by_name or aliased
        return found[0] if len(found) == 1 else None

    def to_dict(self) -> dict[str, Any]:
        """Return plain containers, fit for JSON."""
        plain: dict[str, Any] = {"classes": [_plain(entry) for entry in self.classes]}
        if self.unlabelled_color != BLACK:
            plain["unlabelled_color"] = self.unlabelled_color
        return plain

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Taxonomy:
        """Read what `to_dict` wrote.

        Raises
        ------
        TaxonomyError
            If a field is missing or unknown, or the classes contradict each other.
        """
        try:
            entries = tuple(
                LabelClass(**{**entry, **_texts(entry, "aliases"), **_texts(entry, "phrases")})
                for entry in data["classes"]
            )
            unlabelled_color = data.get("unlabelled_color", BLACK)
        except (KeyError, TypeError, AttributeError) as error:
            raise TaxonomyError(
                expected="a list of classes with id, name and color",
                found=f"{type(error).__name__}: {error}",
                remedy="correct or remove the class list",
            ) from error
        return cls(entries, unlabelled_color)


def numbered_taxonomy(count: int, noun: str = "cluster") -> Taxonomy:
    """Return ``count`` classes named ``cluster 1`` … with colours that tell them apart."""
    return Taxonomy(tuple(LabelClass(i, f"{noun} {i}", color_of(i)) for i in range(1, count + 1)))


def color_of(class_id: int) -> str:
    """Return a fixed colour for a class id.

    Eight hues, then lighter and darker shades of them; from the 41st id on, hues as far from each
    other as so many allow. No two of the first thousand ids share a colour.
    """
    index = class_id - 1
    if index >= len(_OKABE_ITO) * len(_SHADES):
        return _spread_color(index)
    base = _OKABE_ITO[index % len(_OKABE_ITO)]
    factor = _SHADES[(index // len(_OKABE_ITO)) % len(_SHADES)]
    channels = (int(base[i : i + 2], 16) for i in (1, 3, 5))
    shaded = (min(255, round(c * factor)) for c in channels)
    return "#" + "".join(f"{c:02X}" for c in shaded)


def _spread_color(index: int) -> str:
    # Steps of the golden ratio never come back to a hue and leave no large gap.
    hue = index * _GOLDEN % 1
    saturation, value = 0.45 + 0.25 * (index % 3), 0.95 - 0.2 * (index // 3 % 3)
    return "#" + "".join(f"{round(255 * c):02X}" for c in hsv_to_rgb(hue, saturation, value))


def rgb_of(color: str) -> tuple[int, int, int]:
    """Return red, green and blue in [0, 255] of ``#RRGGBB``."""
    value = int(color[1:], 16)
    return value >> 16, (value >> 8) & 255, value & 255


def _plain(entry: LabelClass) -> dict[str, Any]:
    plain = asdict(entry)
    if not entry.phrases:
        # Files were written before there were any; those without stay the same.
        del plain["phrases"]
    return plain


def _texts(entry: dict[str, Any], key: str) -> dict[str, tuple[str, ...]]:
    return {key: tuple(entry.get(key, ()))}


def _require_color(text: str, whose: str) -> None:
    digits = "0123456789abcdefABCDEF"
    if len(text) != 7 or text[0] != "#" or not all(c in digits for c in text[1:]):
        raise TaxonomyError(
            expected="a colour like #1F77B4",
            found=f"{text!r} for {whose}",
            remedy="write six hexadecimal digits after #",
        )
