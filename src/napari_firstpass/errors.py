"""Errors raised on purpose: each says what was expected, what was found, and what to do."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class FirstPassError(Exception):
    """Base of every error raised on purpose.

    Parameters
    ----------
    expected, found, remedy : str
        The three parts of the sentence a user reads; kept as attributes, so that a caller can
        act on them without parsing the text.
    """

    def __init__(self, *, expected: str, found: str, remedy: str) -> None:
        self.expected = expected
        self.found = found
        self.remedy = remedy
        super().__init__(f"expected {expected}, found {found}; {remedy}")


class ImageReadError(FirstPassError, OSError):
    """A file cannot be read as an image."""

    # OSError would otherwise print its own (errno, strerror) form.
    def __str__(self) -> str:
        return str(self.args[0])


class ImageContentError(FirstPassError, ValueError):
    """An image was read, but there is nothing in it to segment."""


class BandError(FirstPassError, ValueError):
    """Bands were named that the image does not have."""


class ImageryError(FirstPassError, ValueError):
    """Images that are to share classes differ in bands, values or resolution."""


class OptionError(FirstPassError, ValueError):
    """An option lies outside its range."""


class UnknownNameError(FirstPassError, ValueError):
    """A registered thing was asked for by a name that is not in its table."""

    @classmethod
    def of(cls, kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
        """Compose the error for an unknown ``kind`` called ``name``."""
        return cls(
            expected=f"a {kind} out of {', '.join(sorted(known))}",
            found=repr(name),
            remedy="choose one of them",
        )


class TaxonomyError(FirstPassError, ValueError):
    """A list of classes contradicts itself or the labels that use it."""


class GridMismatchError(FirstPassError, ValueError):
    """Two things that must cover the same pixels do not."""


class OutputError(FirstPassError, OSError):
    """A file cannot be written; nothing was left behind or overwritten."""

    def __str__(self) -> str:
        return str(self.args[0])


class WeightsError(FirstPassError, ValueError):
    """A file of learned numbers is missing, damaged, or of another kind."""


@contextmanager
def or_without_weights(remedy: str) -> Iterator[None]:
    """Add to the remedy of weights that are missing or unfit what works without them.

    Raises
    ------
    WeightsError
        With both remedies.
    """
    try:
        yield
    except WeightsError as error:
        raise WeightsError(
            expected=error.expected, found=error.found, remedy=f"{error.remedy}; or {remedy}"
        ) from error


class DeviceError(FirstPassError, ValueError):
    """A compute device was asked for that this machine does not have."""


class PromptError(FirstPassError, ValueError):
    """What was pointed at or said tells of nothing that could be found."""


class LayerError(FirstPassError, ValueError):
    """A napari layer is not something we can work on."""


class ComputeError(FirstPassError):
    """A computation failed for a reason nobody foresaw; the message is fit to show.

    Deliberately no ``RuntimeError``: a Qt generator worker loses those (napari 0.9, superqt 0.9).
    """
