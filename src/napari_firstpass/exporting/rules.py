"""What a reader of exported labels gets: the choices, and the classes they lead to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import numpy as np

from napari_firstpass.config import check_number
from napari_firstpass.errors import OptionError, TaxonomyError
from napari_firstpass.segmentation import SURE, label_dtype
from napari_firstpass.taxonomy import MAX_CLASS_ID, UNLABELLED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.segmentation import Labels

_BLACK = (0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRules:
    """Choices of an export that hold for every format.

    Attributes
    ----------
    preset : str or None
        A list of classes with fixed codes that is written instead (`presets.PRESETS`); classes
        find theirs by name.
    codes : tuple of (str, int)
        The code of each class by name, where no preset fits; a class takes that of the nearest
        class it belongs to.
    level : int or None
        Level of the tree that classes are written on: 1 is the top. None writes each as it is.
    ignore : int or None
        The code of pixels that say nothing. None takes that of the preset, else 255, or 65535
        where codes are as large as that.
    renumber : bool
        Whether classes get the codes 0, 1, 2 … in the order of those that they would have had (1,
        2, 3 … with ``keep_unlabelled``).
    keep_unlabelled : bool
        Whether unlabelled pixels are written as 0 rather than ignored.
    min_confidence : int
        Labels less sure than this, 0 to 255, are ignored.
    reviewed_only : bool
        Whether pixels that nobody has looked at are ignored.
    allow_loss : bool
        Whether classes for which there is no code may be ignored.
    """

    preset: str | None = None
    codes: tuple[tuple[str, int], ...] = ()
    level: int | None = None
    ignore: int | None = None
    renumber: bool = False
    keep_unlabelled: bool = False
    min_confidence: int = 0
    reviewed_only: bool = False
    allow_loss: bool = False

    def __post_init__(self) -> None:
        if self.preset is not None and self.codes:
            raise OptionError(
                expected="a preset or codes of your own",
                found="both",
                remedy="leave one out",
            )
        if self.level is not None:
            check_number("level", self.level, 1, MAX_CLASS_ID)
        if self.ignore is not None:
            check_number("ignore", self.ignore, 0, MAX_CLASS_ID)
        check_number("min_confidence", self.min_confidence, 0, SURE)
        for name, code in self.codes:
            check_number(f"the code of {name!r}", code, 0, MAX_CLASS_ID)


@dataclass(frozen=True, slots=True)
class WrittenClass:
    """A class as a reader gets it.

    Attributes
    ----------
    code : int
        The number that pixels hold, 0 to 65535.
    name : str
        What it is called.
    color : str
        ``#RRGGBB``.
    sources : tuple of int
        Ids of the classes of the labels that are written so; empty if there are none.
    parents : tuple of str
        Names of the classes that it belongs to, the topmost first.
    aliases : tuple of str
        Other names.
    """

    code: int
    name: str
    color: str
    sources: tuple[int, ...]
    parents: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue in [0, 255]."""
        value = int(self.color[1:], 16)
        return value >> 16, (value >> 8) & 255, value & 255


@dataclass(frozen=True, slots=True)
class Coding:
    """From ids of labels to what is written.

    Attributes
    ----------
    classes : tuple of WrittenClass
        In order of their codes, which are all different.
    ignore : int
        The code of pixels that say nothing; no class has it.
    dropped : tuple of int
        Ids of classes without a code: their pixels are ignored.
    keep_unlabelled : bool
        Whether unlabelled pixels are written as 0.
    as_colors : bool
        Whether readers expect colours in three bands instead of codes; what is ignored is black.
    reduce_zero_label : bool
        Whether readers are to subtract 1 from codes, 0 being ignored, as mmsegmentation calls it.
    """

    classes: tuple[WrittenClass, ...]
    ignore: int
    dropped: tuple[int, ...] = ()
    keep_unlabelled: bool = False
    as_colors: bool = False
    reduce_zero_label: bool = False
    _table: NDArray[np.uint16] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._check_codes()
        sources = [i for entry in self.classes for i in entry.sources]
        table = np.full(max([UNLABELLED, *sources, *self.dropped]) + 1, self.ignore, np.uint16)
        for entry in self.classes:
            table[list(entry.sources)] = entry.code
        table[UNLABELLED] = UNLABELLED if self.keep_unlabelled else self.ignore
        object.__setattr__(self, "_table", table.astype(self.dtype))

    def _check_codes(self) -> None:
        codes = Counter(entry.code for entry in self.classes)
        reserved = {self.ignore: "what is ignored"}
        if self.keep_unlabelled:
            reserved[UNLABELLED] = "unlabelled pixels"
        repeated = [code for code, count in codes.items() if count > 1]
        taken = [code for code in reserved if code in codes]
        if repeated or taken or (self.keep_unlabelled and self.ignore == UNLABELLED):
            found = f"{repeated[0]} for several" if repeated else ""
            found = found or f"{(taken or [0])[0]}, the code of {reserved[(taken or [0])[0]]}"
            raise TaxonomyError(
                expected="a code of its own for each class",
                found=found,
                remedy="change the codes, the value that is ignored, or what unlabelled becomes",
            )

    @property
    def dtype(self) -> np.dtype[np.uint8] | np.dtype[np.uint16]:
        """The smallest type that holds all codes."""
        return label_dtype(max([self.ignore, *(entry.code for entry in self.classes)]))

    def of(self, labels: Labels) -> Labels:
        """Return the codes of labels (h, w), whose ids are all among the sources, dropped or 0."""
        return cast("Labels", self._table.take(labels))  # indexing takes twice as long

    def colors_of(self, codes: Labels) -> NDArray[np.uint8]:
        """Return colours (3, h, w) of codes (h, w); black for other than classes."""
        table = np.zeros((np.iinfo(codes.dtype).max + 1, 3), np.uint8)
        for entry in self.classes:
            table[entry.code] = entry.rgb
        return np.ascontiguousarray(np.moveaxis(table[codes], -1, 0))
