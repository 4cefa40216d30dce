"""How likely each region of an image belongs to what a prompt points at.

Boxes and marks are judged by cues (`prompt_cues`) with the weights here, which
``training/prompt_weights.py`` fits. What is known already, from a box or from a mask to start from,
is then corrected by marks: a walk over neighbours that is held at them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.prompt_cues import Regions, box_cues, mark_cues, odds
from napari_firstpass.prompt_places import box_window

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_firstpass.prompt_places import Places
    from napari_firstpass.prompts import Box

    Values = NDArray[np.float64]

BOX_WEIGHTS = (
    0.527, 0.406, -0.403, 0.114, 0.528, 0.16, 0.18, 0.138,
    -0.397, -0.334, -0.694, -0.531, 0.52, 1.523, -0.896,
)  # fmt: skip
"""Of boxes."""

ALONE_WEIGHTS = (
    -1.377, -0.279, -0.977, -1.16, -0.075, 0.62, 0.088, -0.19,
    -0.253, -0.133, -0.423, 0.205, -2.368,
)  # fmt: skip
"""Of marks, while no negative one is among them."""

AGAINST_WEIGHTS = (
    -2.519, -0.511, -0.862, -1.876, -0.028, 0.491, -0.025, 0.392,
    -0.082, -0.036, -0.419, 0.267, -7.529,
)  # fmt: skip
"""Of marks of both kinds."""

_TRUST = 0.02
"""How strongly a walk is drawn to what is known, beside the border between two regions."""

_HELD = 1e4
"""How strongly it is held at marks."""


def chances_of(regions: Regions, boxes: Iterable[Box], places: Places) -> Values:
    """Return how likely each region (n,) belongs to the thing."""
    positive, negative = _sides(regions, places)
    if places.start is None and places.inside is None:
        weights = AGAINST_WEIGHTS if len(negative) else ALONE_WEIGHTS
        chances = odds(mark_cues(regions, positive, negative), weights)
    else:
        chances = _known(regions, boxes, places)
        if len(positive) + len(negative):
            sure = np.full(len(chances), _TRUST)
            sure[np.concatenate([positive, negative])] = _HELD
            chances[positive], chances[negative] = 1.0, 0.0
            chances = regions.walker(sure)(chances)
    chances[positive], chances[negative] = 1.0, 0.0
    return chances


def _sides(regions: Regions, places: Places) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return regions with positive and with negative marks; those with both count as positive."""
    positive = np.unique(regions.graph.at(places.positive))
    negative = np.unique(regions.graph.at(places.negative))
    return positive, np.setdiff1d(negative, positive)


def _known(regions: Regions, boxes: Iterable[Box], places: Places) -> Values:
    """Return chances by the mask to start from, else by boxes."""
    graph = regions.graph
    if places.start is not None:
        within = places.start if places.inside is None else places.start & places.inside
        return graph.shares(within)
    chances = np.zeros(graph.count)
    for box in boxes:
        np.maximum(chances, box_chances(regions, box), out=chances)
    return chances


def box_chances(regions: Regions, box: Box) -> Values:
    """Return how likely each region belongs to what a box is around: 0 outside."""
    inside, cues = cues_of_box(regions, box)
    return odds(cues, BOX_WEIGHTS) * (inside > min(0.5, 0.99 * float(inside.max())))


def cues_of_box(regions: Regions, box: Box) -> tuple[Values, Values]:
    """Return which share (n,) of each region lies in a box, and the cues of it (n, C)."""
    places = regions.graph.places
    rows, cols = box_window(box, (places.shape[0], places.shape[1]))
    within = np.bincount(places[rows, cols].ravel(), minlength=regions.graph.count)
    inside = within / regions.graph.pixels
    return inside, box_cues(regions, inside, (rows.start, cols.start, rows.stop, cols.stop))
