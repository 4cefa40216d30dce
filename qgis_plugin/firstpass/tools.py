"""The algorithms of the toolbox as a table: which command each is, and what QGIS makes of options.

Knows nothing of QGIS, and runs on Python 3.9. Options themselves are in `firstpass.description`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from firstpass.description import options_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Kind(Enum):
    """What QGIS asks for."""

    RASTER = "raster"
    RASTERS = "rasters"
    FILE = "file"
    NEW_RASTER = "new raster"
    NEW_MODEL = "new model"
    NEW_FOLDER = "new folder"
    NEW_REPORT = "new report"
    INTEGER = "integer"
    NUMBER = "number"
    SWITCH = "switch"
    CHOICE = "choice"
    CHOICES = "choices"
    TEXT = "text"
    LINES = "lines"


OUT = "OUT"
EXTENT = "EXTENT"

OUTPUTS = (Kind.NEW_RASTER, Kind.NEW_MODEL, Kind.NEW_FOLDER, Kind.NEW_REPORT)

_BY_TYPE = {
    "flag": Kind.SWITCH,
    "integer": Kind.INTEGER,
    "number": Kind.NUMBER,
    "path": Kind.FILE,
    "text": Kind.TEXT,
}

# Names of a table may be more than are known (a folder, weights by name); these are not.
_CLOSED = ("METHOD", "WITH", "FORMAT")

_FOR_EXPERTS = (
    "UPSAMPLE", "PROJECTION", "BANDS", "RESAMPLE", "WINDOW", "OVERLAP", "MIN_REGION", "REFINE",
    "SEED", "DEVICE", "RUNTIME", "NO_CACHE", "RESTART", "LEAST", "LEVEL", "OPTION", "CODE",
    "RENUMBER", "KEEP_UNLABELLED", "MIN_CONFIDENCE", "REVIEWED", "ALLOW_LOSS", "MERGE", "REGIONS",
    "TOLERANCE", "SPLIT", "SELECTION", "IMAGES", "ANNOTATOR",
)  # fmt: skip


@dataclass(frozen=True)
class Parameter:
    """One thing that QGIS asks for.

    Attributes
    ----------
    name : str
        In QGIS: that of the option, in capitals.
    kind : Kind
        What it is.
    option : mapping
        What the command line says of it; see `firstpass.description.options_of`.
    is_required : bool
        Whether it must be given.
    is_advanced : bool
        Whether it is folded away at first.
    """

    name: str
    kind: Kind
    option: Mapping[str, Any]
    is_required: bool
    is_advanced: bool

    @property
    def default(self) -> object:
        """What QGIS shows at first, None for nothing."""
        usual = self.option["usual"]
        if self.kind in (Kind.RASTER, Kind.RASTERS, Kind.FILE, *OUTPUTS) or usual in ("", []):
            return None
        return usual

    @property
    def title(self) -> str:
        """Its name as people write it, with its help where that is short."""
        name = self.name.replace("_", " ").capitalize()
        told = re.sub(r"\s*\[[^\]]*\]$", "", self.help)
        return f"{name}: {told}" if told and len(told) <= _SHORT else name

    @property
    def help(self) -> str:
        """What the command line says of it."""
        return str(self.option["help"])


_SHORT = 64
"""Characters of a help text that fit beside a name."""


@dataclass(frozen=True)
class Tool:
    """One algorithm.

    Attributes
    ----------
    name, title, summary : str
        For scripts, for the toolbox, and what it does.
    command : str
        Of ``firstpass``.
    kinds : mapping of str to Kind
        What options are that the command line calls a path, or a text; others follow their type.
    leaves_out : tuple of str
        Options that it does not have.
    needs : tuple of str
        Options that it needs, though the command does not.
    always : tuple of str
        Arguments that are always given.
    has_extent : bool
        Whether it works on a part of the image as well.
    makes_report : bool
        Whether its result is not a file of the command, but what the command tells.
    """

    name: str
    title: str
    summary: str
    command: str
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    leaves_out: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    always: tuple[str, ...] = ()
    has_extent: bool = False
    makes_report: bool = False

    @property
    def parameters(self) -> list[Parameter]:
        """What QGIS asks for: what is needed first, then the rest in the order of the command."""
        every = list(self._parameters())
        return sorted(every, key=lambda one: (one.kind in OUTPUTS, not one.is_required))

    def _parameters(self) -> Iterator[Parameter]:
        for option in options_of(self.command):
            name = option["name"]
            if name in self.leaves_out or name == "QML":
                continue
            yield Parameter(
                name=name,
                kind=self._kind(option),
                option=option,
                is_required=option["required"] or name in self.needs,
                is_advanced=name in _FOR_EXPERTS,
            )
        if self.makes_report:
            yield Parameter(OUT, Kind.NEW_REPORT, _REPORT, is_required=True, is_advanced=False)

    def _kind(self, option: Mapping[str, Any]) -> Kind:
        name = option["name"]
        if name in self.kinds:
            return self.kinds[name]
        if option["choices"] or (option["known"] and name in _CLOSED):
            return Kind.CHOICES if option["several"] else Kind.CHOICE
        if option["several"] and option["type"] == "text":
            return Kind.LINES
        return _BY_TYPE[option["type"]]

    def arguments(self, values: Mapping[str, Any]) -> list[str]:
        """Return the command and its options.

        Parameters
        ----------
        values : mapping
            By name of the parameter: str, int, float, bool, or a list of str. What is missing,
            None, empty or as usual is not given to the command, which has the same defaults.
        """
        said = {one.name: one.option for one in self._parameters() if one.kind != Kind.NEW_REPORT}
        placed: list[str] = []
        flagged: list[str] = []
        for name, option in said.items():
            value = values.get(name)
            if value is None or value is False or value in ("", []) or value == option["usual"]:
                continue
            words = [str(one) for one in value] if isinstance(value, list) else [str(value)]
            if option["flag"] is None:
                placed += words
            elif value is True:
                flagged.append(option["flag"])
            else:
                flagged += _flagged(option, words)
        # What has no flag comes first, and cannot be mistaken for what follows one.
        return [self.command, *map(_no_flag, placed), *flagged, *self.always]


def _flagged(option: Mapping[str, Any], words: list[str]) -> list[str]:
    flag = option["flag"]
    if not option["several"] or (option["type"] == "text" and not option["choices"]):
        return [f"{flag}={word}" for word in words]
    return [flag, *map(_no_flag, words)]


def _no_flag(word: str) -> str:
    """Return a path that begins with a hyphen so that it is not taken for an option."""
    return f"./{word}" if word.startswith("-") else word


_REPORT: dict[str, Any] = {
    "help": "what the command prints with --json", "usual": None, "choices": [], "known": [],
    "several": False, "flag": None, "type": "path",
}  # fmt: skip

_LABELS = {"IMAGE": Kind.RASTER, "LABELS": Kind.RASTER, OUT: Kind.NEW_RASTER}
_WORDS = ("MODEL", "PRESET", "CANDIDATES", "MASKS")
_OF_SHAPES = ("ATTRIBUTE",)
"""Layers of shapes are not asked for here, only label maps."""

_RECIPES = ("PRESET", "STEPS", "ORACLE_SELECTION", "NO_CRF", "NO_FLIP", "TEST_SIDE")
_STYLED = ("--qml", "--overwrite")

TOOLS = (
    Tool(
        "segment",
        "Segment",
        "Finds classes in an image without examples, and writes a label map.",
        "segment",
        {**_LABELS, "PROJECTION": Kind.FILE},
        leaves_out=("MODEL",),
        always=_STYLED,
        has_extent=True,
    ),
    Tool(
        "fit",
        "Fit on layers",
        "Finds classes that mean the same in several images, and writes a model of them. "
        "Labels of some places as hints name classes.",
        "fit",
        {"IMAGE": Kind.RASTERS, "HINTS": Kind.RASTERS, OUT: Kind.NEW_MODEL,
         "PROJECTION": Kind.FILE},
        leaves_out=(*_RECIPES, *_OF_SHAPES),
        always=("--overwrite",),
    ),
    Tool(
        "apply",
        "Apply model",
        "Labels an image with the classes of a model of “Fit on layers”, or of a network.",
        "segment",
        {**_LABELS, "MODEL": Kind.FILE},
        leaves_out=("METHOD", "BACKBONE", "UPSAMPLE", "PROJECTION", "CLASSES"),
        needs=("MODEL",),
        always=_STYLED,
        has_extent=True,
    ),
    Tool(
        "refine",
        "Refine",
        "Moves the borders of labels to where the image has them.",
        "refine",
        _LABELS,
        always=_STYLED,
    ),
    Tool(
        "align_table",
        "Align to taxonomy by a table",
        "Brings labels to your own list of classes, as a table says, or by common names.",
        "align",
        {**_LABELS, "TAXONOMY": Kind.FILE},
        leaves_out=("WITH", "REFERENCE", "MATCH", "LEVEL", *_WORDS, *_OF_SHAPES),
        needs=("TAXONOMY",),
        always=("--with=table", *_STYLED),
    ),
    Tool(
        "align_reference",
        "Align to a reference layer",
        "Brings labels to the classes of a layer in which some places are labelled.",
        "align",
        {**_LABELS, "REFERENCE": Kind.RASTER, "TAXONOMY": Kind.FILE},
        leaves_out=("WITH", "TABLE", *_WORDS, *_OF_SHAPES),
        needs=("REFERENCE",),
        always=("--with=reference", *_STYLED),
    ),
    Tool(
        "export",
        "Export training set",
        "Writes an image and its labels in a form that others read: masks, chips, COCO, YOLO.",
        "export",
        {"IMAGE": Kind.RASTER, "LABELS": Kind.RASTER, OUT: Kind.NEW_FOLDER, "REVIEWED": Kind.RASTER,
         "TAXONOMY": Kind.FILE},
        leaves_out=("DRY_RUN",),
        always=("--overwrite",),
    ),
    Tool(
        "evaluate",
        "Evaluate",
        "Compares labels with the truth, and writes the figures.",
        "evaluate",
        {"TRUTH": Kind.RASTER, "PRED": Kind.RASTER, "IMAGES": Kind.RASTER},
        leaves_out=("TRUTH_SUFFIX", "PRED_SUFFIX"),
        makes_report=True,
    ),
)  # fmt: skip


def tool_named(name: str) -> Tool:
    """Return an algorithm of the table."""
    return next(tool for tool in TOOLS if tool.name == name)
