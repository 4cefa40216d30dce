"""Regions of windows that get classes by words: what the ways `text` and `dynalign` share."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from napari_firstpass.aligning import AlignedWindow, AlignView
from napari_firstpass.alignment import Decision
from napari_firstpass.candidates import open_choices
from napari_firstpass.costs import Costs
from napari_firstpass.descriptors import oklab
from napari_firstpass.device import torch_device
from napari_firstpass.found_masks import masks_of_regions, nearest
from napari_firstpass.grid import Window
from napari_firstpass.mask_decisions import Held, MaskConfig, Verdict, painted
from napari_firstpass.networks.text_source import load_text_model
from napari_firstpass.networks.viewing import ViewConfig
from napari_firstpass.progress import Progress, Span, Steps, relay
from napari_firstpass.region_graph import RegionGraph
from napari_firstpass.region_tree import RegionTree
from napari_firstpass.region_vectors import CropConfig, cell_vectors, crop_vectors, words_steps
from napari_firstpass.region_words import RuleConfig, probabilities, ranked
from napari_firstpass.run_length import RunLength
from napari_firstpass.superpixels import slic_regions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_firstpass.aligning import AlignConfig, AlignJob
    from napari_firstpass.alignment import Reason
    from napari_firstpass.candidates import Choices
    from napari_firstpass.found_masks import FoundMask, FoundMasks
    from napari_firstpass.mask_decisions import Scores
    from napari_firstpass.networks.text_model import TextModel
    from napari_firstpass.networks.text_source import TextFolder
    from napari_firstpass.segmentation import Labels

_MEGAPIXEL = 2**20
_PARTS = 12
"""Superpixels that a region is made of, on average,"""
_LEAST_PART = 16
"""and the pixels that one has at least."""
_ROUNDS = 5
_LEAST_REGIONS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class WordConfig:
    """How regions are compared with words.

    Attributes
    ----------
    sentence : str
        What phrases are put into.
    dense : bool
        Whether the image is looked at once, and regions are means of what its cells show; else a
        few pictures are made of each region.
    crops : CropConfig
        Which pictures.
    view : ViewConfig
        How the image is looked at once.
    scale : float or None
        What likenesses are multiplied by; None for what the model was trained with.
    rule : RuleConfig
        When words decide.
    masks : MaskConfig
        Which regions are compared with what.
    regions : int
        Regions that are aimed at in 1024 x 1024 pixels, where no network finds them.
    """

    sentence: str = "a photo of {}"
    dense: bool = False
    crops: CropConfig = field(default_factory=CropConfig)
    view: ViewConfig = field(default_factory=ViewConfig)
    scale: float | None = None
    rule: RuleConfig = field(default_factory=RuleConfig)
    masks: MaskConfig = field(default_factory=MaskConfig)
    regions: int = 150


@dataclass(frozen=True, slots=True, eq=False)
class WordJudge:
    """A model that has read what classes are called.

    Attributes
    ----------
    model : TextModel
        The model.
    choices : Choices
        What may be what.
    words : mapping of int to (D,) tensor
        A vector for each class that is a candidate anywhere.
    config : WordConfig
        How to compare.
    costs : Costs
        What it has cost so far.
    """

    model: TextModel
    choices: Choices
    words: Mapping[int, Tensor]
    config: WordConfig
    costs: Costs

    @classmethod
    def steps(
        cls, job: AlignJob, config: AlignConfig, settings: WordConfig, folder: TextFolder
    ) -> Steps[WordJudge]:
        """Load a model, and read the phrases, once for all images of a job.

        Raises
        ------
        PromptError
            If a phrase is too long for the model.
        TaxonomyError
            If the candidates do not fit the classes.
        WeightsError
            If the weights are damaged or of another kind.
        """
        table, costs = config.candidates, Costs()
        if table is None:
            choices = open_choices(job.source, job.target)
        else:
            choices = table.bound(job.source, job.target)
        yield Progress(0, 2, "loading the model")
        with costs.timed("loading"):
            model = load_text_model(folder, torch_device(config.device))
        reading = words_steps(model, choices.phrases, settings.sentence, costs)
        words = yield from relay(reading, Span(1, 2, 2))
        return cls(model, choices, words, settings, costs)

    def vectors(
        self, picture: Tensor, masks: Sequence[FoundMask], paddings: Sequence[int]
    ) -> Steps[Tensor]:
        """Return (N, D): a vector for each mask of a picture (3, H, W) in [0, 1]."""
        if self.config.dense:
            return (
                yield from cell_vectors(self.model, picture, masks, self.config.view, self.costs)
            )
        crops = crop_vectors(self.model, picture, masks, paddings, self.config.crops, self.costs)
        return (yield from crops)

    def scores(self, vector: Tensor, ids: Sequence[int]) -> Scores:
        """Return how likely classes are for a region, among these, the likeliest first."""
        words = torch.stack([self.words[one] for one in ids])
        scale = self.model.scale if self.config.scale is None else self.config.scale
        return ranked(probabilities(vector, words, scale), ids)


def words_record(config: AlignConfig, folder: TextFolder) -> dict[str, Any]:
    """Return what a provenance tells of a comparison with words, as plain values."""
    return {
        "preset": config.preset,
        "model": folder.path.name,
        "weights_sha256": folder.sha256(),
        "candidates_sha256": config.candidates and config.candidates.sha256,
    }


def own_masks_steps(
    picture: Tensor, valid: NDArray[np.bool_], regions: int, labels: Labels | None = None
) -> Steps[FoundMasks]:
    """Return regions of one look each that cover a picture, without a network.

    Parameters
    ----------
    picture : (3, H, W) float32 tensor
        In [0, 1].
    valid : (H, W) bool array
        Where there is data.
    regions : int
        How many are aimed at in 1024 x 1024 pixels; in small pictures, 16.
    labels : (H, W) integer array or None
        Classes whose borders no region crosses: there are more regions then.
    """
    yield Progress(0, 3, "finding regions")
    aim = max(round(regions * valid.size / _MEGAPIXEL), _LEAST_REGIONS)
    part = max(valid.size // (aim * _PARTS), _LEAST_PART)
    pixels = picture.movedim(0, -1).numpy()
    places = slic_regions(pixels, pixels_per_segment=part, rounds=_ROUNDS)
    yield Progress(1, 3, "joining regions")
    # What a backbone would say of them: nothing, so that colours and edges decide.
    graph = RegionGraph.of(places, oklab(picture).numpy(), np.zeros((1, 1, 1), np.float32), 1)
    joined = RegionTree.of(graph).cut(aim)[places]
    yield Progress(2, 3, "finding regions")
    if labels is not None:
        pairs = joined * (int(labels.max()) + 1) + labels
        joined = np.unique(pairs, return_inverse=True)[1].reshape(pairs.shape)
    return masks_of_regions(joined.astype(np.int32), valid)


def framed(
    view: AlignView, picture: Tensor, valid: NDArray[np.bool_], frame: tuple[int, int]
) -> tuple[AlignView, Tensor, NDArray[np.bool_]]:
    """Return labels, picture and valid pixels of a window with another height and width."""
    rows, cols = (nearest(new, old) for new, old in zip(frame, valid.shape, strict=True))
    places = np.ix_(rows, cols)
    sure = None if view.confidence is None else view.confidence[places]
    resized = functional.interpolate(picture[None], frame, mode="bilinear", antialias=True)[0]
    belief = None if view.belief is None else view.belief.framed(frame)
    seen = AlignView(view.image, Window(0, 0, *frame), view.labels[places], sure, belief=belief)
    return seen, resized, valid[places]


def verdicts_steps(
    judge: WordJudge,
    view: AlignView,
    picture: Tensor,
    masks: Sequence[FoundMask],
    defaults: Callable[[int], int],
    classes: int,
) -> Steps[list[Verdict]]:
    """Decide on masks of a window; see `mask_decisions`.

    Parameters
    ----------
    judge : WordJudge
        Compares.
    view : AlignView
        The window.
    picture : (3, h, w) float32 tensor
        Its image in [0, 1].
    masks : sequence of N FoundMask
        In pixels of the window.
    defaults : callable
        From an id of the source to that of its default, 0 for none.
    classes : int
        How many the source has.

    Returns
    -------
    list of N Verdict
    """
    config, choices, costs = judge.config, judge.choices, judge.costs
    yield Progress(0, 10, "counting classes")
    with costs.timed("counting classes"):
        held = [_held(view, mask, classes) for mask in masks]
        asked = [
            config.masks.candidates(choices, holds, mask.area, view.labels.size)
            for holds, mask in zip(held, masks, strict=True)
        ]
    looked = [index for index, ids in enumerate(asked) if ids]
    costs.count("masks", len(masks))
    costs.count("masks looked at", len(looked))
    paddings = [choices.by_source[held[index].source].padding for index in looked]
    looking = judge.vectors(picture, [masks[index] for index in looked], paddings)
    vectors = yield from relay(looking, Span(0, 9, 10))
    yield Progress(9, 10, "deciding")
    with costs.timed("deciding"):
        scores: list[Scores] = [()] * len(masks)
        for vector, index in zip(vectors, looked, strict=True):
            scores[index] = judge.scores(vector, asked[index])
        return [
            replace(
                Verdict.of(holds, said, defaults(holds.source), config.rule),
                doubted=bool(said) and config.masks.doubts(holds),
            )
            for holds, said in zip(held, scores, strict=True)
        ]


def painted_window(
    view: AlignView,
    masks: Sequence[FoundMask],
    verdicts: Sequence[Verdict],
    defaults: Callable[[int], int],
    highest: int,
    reason: Reason,
) -> AlignedWindow:
    """Return a window in the classes of the target, with a decision for each mask.

    Parameters
    ----------
    view, masks, defaults
        See `verdicts_steps`.
    verdicts : sequence of N Verdict
        What masks become.
    highest : int
        The highest id of the target.
    reason : Reason
        What to call it where words decided.
    """
    found = painted(view.labels, view.confidence, defaults, masks, verdicts, highest)
    decisions = tuple(
        Decision(
            region=number,
            source=verdict.held.source,
            target=verdict.target,
            pixels=mask.area,
            confidence=verdict.confidence,
            reason=reason if verdict.reason == "clip" else verdict.reason,
            scores=verdict.scores,
            told=_told(mask, verdict, view),
        )
        for number, (mask, verdict) in enumerate(zip(masks, verdicts, strict=True), start=1)
    )
    return AlignedWindow(found.labels, found.confidence, found.regions, decisions)


def _told(mask: FoundMask, verdict: Verdict, view: AlignView) -> dict[str, Any]:
    """Return what else the record tells of a mask: all of it that lies in what is kept."""
    kept = view.kept.relative_to(view.window)
    top, left = max(mask.top, kept.row), max(mask.left, kept.col)
    bottom, right = min(mask.bottom, kept.bottom), min(mask.right, kept.right)
    told: dict[str, Any] = {
        "source_share": round(verdict.held.share, 6),
        "source_by": verdict.held.evidence,
        "runner_up": verdict.held.runner_up,
        "doubted": verdict.doubted,
        "predicted_iou": round(mask.score, 6),
        "stability_score": round(mask.stability, 6),
        "point_coords": [[mask.col + view.window.col, mask.row + view.window.row]],
    }
    if top >= bottom or left >= right:
        return told
    rows, cols = (
        slice(top - mask.top, bottom - mask.top),
        slice(left - mask.left, right - mask.left),
    )
    row, col = top + view.window.row, left + view.window.col
    place = Window(row, col, bottom - top, right - left)
    runs = RunLength.of_part(mask.inside()[rows, cols], place, *view.shape)
    return told | {"segmentation": runs.to_dict(), "area": runs.area}


def _held(view: AlignView, mask: FoundMask, classes: int) -> Held:
    place, inside = mask.box.slices, mask.inside()
    if view.belief is not None:
        return Held.believed(view.labels[place][inside], view.belief.in_mask(mask))
    sure = None if view.confidence is None else view.confidence[place][inside]
    return Held.of(view.labels[place][inside], sure, classes)
