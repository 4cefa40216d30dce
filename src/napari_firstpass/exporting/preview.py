"""What an export will write, and what it will not, counted before anything is written."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from napari_firstpass.errors import TaxonomyError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_firstpass.exporting.rules import Coding


@dataclass(frozen=True, slots=True)
class Note:
    """Something to know before labels are written.

    Attributes
    ----------
    text : str
        One sentence, without a full stop.
    is_loss : bool
        Whether something gets lost that nobody asked to leave out.
    """

    text: str
    is_loss: bool = False


def told_of_depth(coding: Coding) -> tuple[Note, ...]:
    """Return a note where masks need 16 bits."""
    if coding.dtype.itemsize == 1:
        return ()
    largest = max((entry.code for entry in coding.classes), default=0)
    return (Note(f"codes reach {largest}: masks have 16 bits, which some readers do not expect"),)


@dataclass(frozen=True, slots=True)
class ExportPreview:
    """Pixels before and after, and what to know.

    Attributes
    ----------
    before : mapping of int to int
        Pixels of each id of the labels that occurs.
    after : mapping of int to int
        Pixels of each code that is written; of classes also where there are none.
    ignored : mapping of str to int
        Why pixels are ignored (`job.REASONS`), and how many.
    notes : tuple of Note
        What to know.
    """

    before: Mapping[int, int]
    after: Mapping[int, int]
    ignored: Mapping[str, int]
    notes: tuple[Note, ...] = ()

    @property
    def losses(self) -> tuple[Note, ...]:
        """The notes of what gets lost."""
        return tuple(note for note in self.notes if note.is_loss)

    def to_dict(self) -> dict[str, Any]:
        """Return plain containers, fit for JSON."""
        return {
            "before": {str(key): count for key, count in self.before.items()},
            "after": {str(key): count for key, count in self.after.items()},
            "ignored": dict(self.ignored),
            "notes": [asdict(note) for note in self.notes],
        }

    def require_no_loss(self) -> None:
        """Refuse to lose what nobody asked to leave out.

        Raises
        ------
        TaxonomyError
            If something would get lost.
        """
        if self.losses:
            raise TaxonomyError(
                expected="a code for every class that occurs",
                found="; ".join(note.text for note in self.losses),
                remedy="choose other codes, or allow the loss",
            )
