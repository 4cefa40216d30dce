"""How to compare label files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from napari_firstpass.errors import OptionError
from napari_firstpass.evaluation.statement import NOT_STATED, Protocol, Statement

if TYPE_CHECKING:
    from napari_firstpass.evaluation.class_table import ClassTable


@dataclass(frozen=True, slots=True)
class EvaluateConfig:
    """How to compare.

    Attributes
    ----------
    protocols : tuple of Protocol
        Each gives figures of its own.
    ignore : tuple of int
        Ids of the truth that are left out, beside its no data.
    table : ClassTable or None
        Merges ids into classes.
    regions : {"pieces", "ids"}
        What a region is in a raster: connected pixels of one id, or all pixels of one id.
    tolerance : float or None
        Of boundaries, in pixels; None for 0.75 % of the image's diagonal.
    resample : bool
        Whether to bring a prediction onto the grid of its truth.
    split, selection : str
        What the user says of the data, see `Statement`.
    """

    protocols: tuple[Protocol, ...] = (Protocol.SET,)
    ignore: tuple[int, ...] = ()
    table: ClassTable | None = None
    regions: Literal["pieces", "ids"] = "pieces"
    tolerance: float | None = None
    resample: bool = False
    split: str = NOT_STATED
    selection: str = NOT_STATED

    def __post_init__(self) -> None:
        if not self.protocols or len(set(self.protocols)) < len(self.protocols):
            raise OptionError(
                expected="different protocols, at least one",
                found=", ".join(self.protocols) or "none",
                remedy=f"choose from {', '.join(Protocol)}",
            )
        if self.tolerance is not None and not self.tolerance >= 0:
            raise OptionError(
                expected="a tolerance of at least 0 pixels",
                found=str(self.tolerance),
                remedy="enlarge it",
            )

    def statement(self, title: str, rule: str, labels_used: str, images: int) -> Statement:
        """Return what goes with figures that were made under these options."""
        changes: list[str] = []
        if self.table:
            changes.append(f"ids merged into {', '.join(self.table.names)}")
        if self.resample:
            changes.append("predictions elsewhere resampled")
        said = (self.ignore, self.split, self.selection, tuple(changes))
        return Statement(title, rule, labels_used, images, *said)
