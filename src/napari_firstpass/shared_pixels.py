"""Pairing classes of two lists by the pixels that they share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment

from napari_firstpass.alignment import Decision
from napari_firstpass.grid import Window
from napari_firstpass.hints import SILENT
from napari_firstpass.progress import Progress, Steps
from napari_firstpass.taxonomy import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_firstpass.aligning import AlignJob, Match
    from napari_firstpass.hints import HintedBlock, HintSet

_IDS = 2**16


def shared_pixels_steps(job: AlignJob, hints: HintSet) -> Steps[NDArray[np.int64]]:
    """Count how many pixels classes of the source share with those of the hints.

    Parameters
    ----------
    job : AlignJob
        The labels, and which classes of the target the hints name.
    hints : HintSet
        What somebody says of some places of them.

    Returns
    -------
    (S, T) int64 array
        Rows are the source's classes that have pixels (``job.held``), columns the target's, each in
        order of the lists. Only blocks with hints are read.
    """
    rows = np.full(_IDS, len(job.held))
    rows[list(job.held)] = np.arange(len(job.held))
    place = {class_id: index for index, class_id in enumerate(job.target.ids)}
    cols = np.array([place[goal] for goal in job.goals])
    shared = np.zeros((len(job.held) + 1, len(place)), np.int64)
    for image, opens in hints.opens.items():
        strips = list(_strips([block for block in hints.blocks if block.image == image]))
        with opens() as said, job.images[image].open_labels() as labels:
            for done, window in enumerate(strips):
                yield Progress(done, len(strips), "comparing with the reference")
                named = hints.indexes(said.read(window))
                here = named != SILENT
                both = rows[labels.read(window)[here]], cols[named[here]]
                np.add.at(shared, both, 1)
    return shared[:-1]


def _strips(blocks: list[HintedBlock]) -> Iterator[Window]:
    """Return for each row of blocks the window that holds all of them."""
    for top in sorted({block.window.row for block in blocks}):
        row = [block.window for block in blocks if block.window.row == top]
        left, right = min(part.col for part in row), max(part.right for part in row)
        yield Window(top, left, row[0].height, right - left)


def paired(shared: NDArray[np.int64], job: AlignJob, match: Match) -> tuple[Decision, ...]:
    """Decide what classes of the source become, by shared pixels.

    Parameters
    ----------
    shared : (S, T) int64 array
        See `shared_pixels_steps`.
    job : AlignJob
        The two lists.
    match : Match
        How.

    Returns
    -------
    tuple of Decision
        One for each class of the source that has pixels. Its confidence is the share of the pixels
        it shares that it shares with its own class; what shares none stays unlabelled.
    """
    if match == "hungarian":
        best = np.full(len(shared), -1)
        at = linear_sum_assignment(shared, maximize=True)
        best[at[0]] = at[1]
    else:
        best = shared.argmax(1)
    return tuple(
        _decision(number, source, counts, int(col), job)
        for number, (source, counts, col) in enumerate(
            zip(job.held, shared, best, strict=True), start=1
        )
    )


def _decision(
    number: int, source: int, counts: NDArray[np.int64], best: int, job: AlignJob
) -> Decision:
    pixels, total = job.counts[source], int(counts.sum())
    shares = sorted(
        ((job.target.ids[at], float(counts[at] / total)) for at in np.flatnonzero(counts)),
        key=lambda pair: -pair[1],
    )
    scores = tuple((int(goal), share) for goal, share in shares)
    if best < 0 or not counts[best]:
        return Decision(number, source, UNLABELLED, pixels, 0.0, "unknown", scores)
    goal = job.target.ids[best]
    return Decision(number, source, goal, pixels, dict(scores)[goal], "overlap", scores)
