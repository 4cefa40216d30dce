"""How much work predictions save an annotator, beside superpixels."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.errors import FirstPassError, GridMismatchError
from napari_firstpass.evaluate.case import Case
from napari_firstpass.evaluation.annotator import (
    DEFAULT_CONFIG,
    AnnotatorConfig,
    Work,
    annotate,
    from_scratch,
    naming,
)
from napari_firstpass.evaluation.label_image import LabelImage
from napari_firstpass.evaluation.matching import many_to_one_scores
from napari_firstpass.evaluation.overlap import require_truth
from napari_firstpass.evaluation.prelabel import Prelabel
from napari_firstpass.evaluation.saving import Saving
from napari_firstpass.evaluation.statement import Protocol
from napari_firstpass.grid import Grid
from napari_firstpass.io.geotiff import read_raster
from napari_firstpass.io.picture import picture
from napari_firstpass.pairing import Failure
from napari_firstpass.progress import Progress, Steps
from napari_firstpass.superpixels import felzenszwalb_regions, slic_regions
from napari_firstpass.tiling import tiles

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_firstpass.evaluate.config import EvaluateConfig
    from napari_firstpass.evaluation.statement import Statement
    from napari_firstpass.pairing import Pair

TILE = 512
"""Side in pixels of what is annotated at once; what an interval is an interval over."""

PREDICTION, SLIC, FELZENSZWALB = "prediction", "SLIC", "Felzenszwalb"


@dataclass(frozen=True, slots=True)
class Savings:
    """What predictions save, beside what superpixels would.

    Attributes
    ----------
    statement : Statement
        What must be known to read them.
    savings : mapping of str to Saving
        Of the prediction, and of superpixels where images were given; empty without a good pair.
    failures : tuple of Failure
        Pairs that could not be annotated.
    """

    statement: Statement
    savings: Mapping[str, Saving]
    failures: tuple[Failure, ...] = ()


def saving_steps(
    pairs: Sequence[Pair], config: EvaluateConfig, annotator: AnnotatorConfig = DEFAULT_CONFIG
) -> Steps[Savings]:
    """Let an annotator correct predictions, tile by tile; a bad pair does not stop the others.

    Predicted ids are class ids if `Protocol.NAMED` is the only protocol, else clusters.

    Raises
    ------
    OptionError
        If there are too many different ids to be classes.
    """
    is_named = config.protocols == (Protocol.NAMED,)
    names = {} if is_named else (yield from _names(pairs, config))
    named = naming(names, annotator)  # once for the whole set
    works: dict[str, list[tuple[Work, Work]]] = defaultdict(list)
    failures: list[Failure] = []
    for done, pair in enumerate(pairs):
        try:
            case = Case.read(pair, config)
            require_truth(case.truth)
            pred = case.named_pred if is_named else case.pred
            image = None if pair.image is None else _picture(pair.image, case.truth)
        except FirstPassError as error:
            failures.append(Failure(pair.name, error))
            continue
        for truth, part, shown in _tiles(case.truth, pred, image):
            yield Progress(done, len(pairs), f"annotating {pair.name}")
            prelabel = Prelabel.of(part) if is_named else Prelabel.of_clusters(part, names)
            scratch = from_scratch(truth, annotator)
            for name, pre in (PREDICTION, prelabel), *_superpixels(shown):
                work = annotate(truth, pre, annotator, scratch=scratch)
                works[name].append((work, scratch))
    yield Progress(len(pairs), len(pairs), "annotated")
    savings = {
        name: Saving.of(pairs_of, once=named if name == PREDICTION else None)
        for name, pairs_of in works.items()
    }
    statement = config.statement(
        "simulated annotator",
        _rule(annotator, named.clicks, is_named=is_named),
        "to reach" if is_named else "to name the clusters of the set, and to reach",
        len(pairs) - len(failures),
    )
    return Savings(statement, savings, tuple(failures))


def _names(pairs: Sequence[Pair], config: EvaluateConfig) -> Steps[dict[int, int]]:
    """Name each cluster after the class that it shares most pixels with over the set."""
    overlaps = []
    for done, pair in enumerate(pairs):
        yield Progress(done, 2 * len(pairs), f"naming {pair.name}")
        try:
            overlaps.append(Case.read(pair, config).overlap)
        except FirstPassError:
            continue
    return dict(many_to_one_scores(overlaps).names) if overlaps else {}


def _tiles(
    truth: LabelImage, pred: LabelImage, image: NDArray[np.float32] | None
) -> Iterator[tuple[LabelImage, LabelImage, NDArray[np.float32] | None]]:
    """Cut a pair where there is something to judge by."""
    for tile in tiles(Grid(*truth.shape), window=TILE, overlap=0):
        rows, cols = tile.core.slices
        if truth.valid[rows, cols].any():
            shown = None if image is None else image[rows, cols]
            yield _cut(truth, rows, cols), _cut(pred, rows, cols), shown


def _cut(labels: LabelImage, rows: slice, cols: slice) -> LabelImage:
    return LabelImage(labels.ids[rows, cols], labels.valid[rows, cols])


def _superpixels(image: NDArray[np.float32] | None) -> Iterator[tuple[str, Prelabel]]:
    if image is not None:
        yield SLIC, Prelabel.of_regions(slic_regions(image))
        yield FELZENSZWALB, Prelabel.of_regions(felzenszwalb_regions(image))


def _picture(path: Path, truth: LabelImage) -> NDArray[np.float32]:
    """Return an image (H, W, 3) in [0, 1]."""
    raster = read_raster(path)
    if raster.grid.shape != truth.shape:
        raise GridMismatchError(
            expected=f"an image as large as the truth, {truth.shape[0]} x {truth.shape[1]}",
            found=f"{raster.grid.height} x {raster.grid.width} in {path}",
            remedy="give the image that was labelled",
        )
    return np.moveaxis(picture(raster), 0, -1) / np.float32(255)


def _rule(annotator: AnnotatorConfig, names: int, *, is_named: bool) -> str:
    """Return in one line what the figures rest on."""
    pointer = annotator.pointer
    how = (
        "predicted ids are class ids"
        if is_named
        else f"clusters named after the class they share most pixels with, {names} clicks for all"
    )
    return (
        f"regions and clusters relabelled by clicks, then errors painted, in "
        f"tiles of {TILE}² px, until {annotator.target:.0%} of pixels farther than "
        f"{annotator.band} px from a boundary are right, errors of up to {annotator.min_error} px "
        f"last; {how}; "
        f"{pointer.click_seconds:g} s a click, {pointer.stroke_seconds:g} s a stroke, "
        f"{pointer.travel:g} px/s moving, {pointer.painting:g} px/s drawing"
    )
