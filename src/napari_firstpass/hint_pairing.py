"""Finding the image that hints belong to: by name where possible, else by place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

from napari_firstpass.errors import GridMismatchError, OptionError
from napari_firstpass.hints import HintSet, MapHints, NamedHints, hint_set_steps
from napari_firstpass.io.label_images import on_same_grid
from napari_firstpass.pairing import called_after
from napari_firstpass.progress import Progress, Span, Steps, relay

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from napari_firstpass.grid import Grid

_LISTED = 3


class Placed(Protocol):
    """An image, or labels of one: of it, only size and place count here."""

    @property
    def grid(self) -> Grid:
        """Size and place."""
        ...


OpenPlaced: TypeAlias = "Callable[[], AbstractContextManager[Placed]]"
"""Opens an image, or labels of one."""


def paired_hints_steps(
    names: Sequence[str],
    images: Sequence[OpenPlaced],
    hints: Sequence[NamedHints | MapHints],
    classes: int,
) -> Steps[HintSet | None]:
    """Find the image of each of several hints, and look what they say.

    Hints belong to the image that they are called after (`pairing.called_after`); where there is
    none, or several, to the one on the same grid. Those on a map belong to all images under them.

    Parameters
    ----------
    names, images : sequence of str, sequence of callable
        Names of images, and what opens them.
    hints : sequence of NamedHints or MapHints
        The hints.
    classes : int
        How many classes there are to be.

    Returns
    -------
    HintSet or None
        None for no hints.

    Raises
    ------
    GridMismatchError
        If no image is on the grid of hints, or not the one that they are called after; or if an
        image has no place on the map.
    OptionError
        If it cannot be told which of several images hints belong to, if two belong to one image, or
        if they name more than ``classes`` classes.
    ImageContentError, TaxonomyError
        See `hints.hint_set_steps`.
    """
    found: dict[int, NamedHints] = {}
    for done, hint in enumerate(hints):
        span = Span(done, done + 1, len(hints))
        if isinstance(hint, MapHints):
            more = yield from relay(_on_images(hint, images), span)
        else:
            more = {(yield from relay(_image_of(hint, names, images), span)): hint}
        for index in sorted(found.keys() & more.keys()):
            raise OptionError(
                expected=f"one file of hints for {names[index]}",
                found=f"{found[index].name} and {hint.name}",
                remedy="join them, or leave one out",
            )
        found |= more
    if not found:
        return None
    together = yield from hint_set_steps(list(found.items()))
    together.require_room(classes)
    return together


def _on_images(hint: MapHints, images: Sequence[OpenPlaced]) -> Steps[dict[int, NamedHints]]:
    """Return hints on a map as hints on each image under them."""
    found: dict[int, NamedHints] = {}
    for index, open_image in enumerate(images):
        yield Progress(index, len(images), "looking for the images of hints")
        with open_image() as image:
            opens = hint.on(image.grid)
        if opens is not None:
            found[index] = NamedHints(hint.name, opens)
    if not found:
        raise GridMismatchError(
            expected=f"an image in the list under what {hint.name} names",
            found="none: it names no pixel of them",
            remedy="check its coordinate system and attribute, or leave it out",
        )
    return found


def _image_of(hint: NamedHints, names: Sequence[str], images: Sequence[OpenPlaced]) -> Steps[int]:
    with hint.open() as source:
        grid = source.grid
    called = called_after(hint.name, names)
    fitting: list[int] = []
    other: Grid | None = None
    for done, index in enumerate(called or range(len(images))):
        yield Progress(done, len(called or images), "looking for the images of hints")
        with images[index]() as image:
            if on_same_grid(image.grid, grid):
                fitting.append(index)
            else:
                other = image.grid
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise OptionError(
            expected=f"one image that {hint.name} belongs to",
            found=_listed([names[index] for index in fitting]),
            remedy="call it after its image: NAME_hints.tif or NAME_labels.tif",
        )
    raise _elsewhere(hint.name, grid, [names[index] for index in called], other)


def _elsewhere(name: str, grid: Grid, called: list[str], other: Grid | None) -> GridMismatchError:
    if len(called) == 1 and other is not None:
        return GridMismatchError(
            expected=f"{name} on the grid of {called[0]}, {other.describe()}",
            found=grid.describe() if grid.describe() != other.describe() else "another place",
            remedy="paint the hints on this very image",
        )
    return GridMismatchError(
        expected=f"an image in the list that {name} belongs to, of {grid.describe()}",
        found="none of that name or place",
        remedy="add its image to the list, or leave it out",
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
