"""Testing as the papers do: the whole test set, one matching of clusters with classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from napari_firstpass.errors import ImageContentError
from napari_firstpass.evaluation.class_table import ClassTable
from napari_firstpass.evaluation.label_image import LabelImage
from napari_firstpass.evaluation.matching import ClassScores, set_scores
from napari_firstpass.evaluation.overlap import Overlap
from napari_firstpass.io.potsdam import UNEXPECTED, UNKNOWN
from napari_firstpass.progress import Progress, Span, Steps, relay
from napari_firstpass.projection import ProjectedModel
from napari_firstpass.recipes.pictures import fitted
from napari_firstpass.refiners.dense_crf import dense_crf_steps
from napari_firstpass.taxonomies import built_in

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_firstpass.io.potsdam import Patch
    from napari_firstpass.linear_model import LinearModel
    from napari_firstpass.recipes.feature_store import FeatureStore

_THREE = built_in("potsdam-3")

POTSDAM3 = ClassTable(
    tuple(entry.name for entry in _THREE.classes),
    # The benchmark counts the six classes from 0, and finds the one of three by their names.
    {
        c.id - 1: _THREE.ids.index(t.id)
        for c in built_in("potsdam").classes
        if (t := _THREE.named(c.name))
    },
    {},
)
"""The classes of the benchmark. Clutter is not left out: it counts as building."""

IGNORED = (UNKNOWN, UNEXPECTED)
_SHARPNESS = 2.0
"""SmooSeg's: probabilities are a softmax of twice the cosines."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a test found.

    Attributes
    ----------
    scores : ClassScores
        The figures, under the rule ``set``.
    unexpected : int
        Pixels whose label means nothing; they were left out.
    without : int
        Patches that had no pixel to judge by; they were left out.
    """

    scores: ClassScores
    unexpected: int
    without: int


@dataclass(frozen=True, slots=True)
class Judge:
    """A test set at the size of a recipe.

    Attributes
    ----------
    patches : tuple of Patch
        The images with their labels.
    plain : FeatureStore
        Their features.
    mirrored : FeatureStore or None
        Those of the mirrored pictures, to average with; None to do without.
    side : int
        Side of the pictures, at which is judged.
    """

    patches: tuple[Patch, ...]
    plain: FeatureStore
    mirrored: FeatureStore | None
    side: int

    def steps(self, model: ProjectedModel | LinearModel, *, crf: bool) -> Steps[Judged]:
        """Label all images with a model, and compare.

        Parameters
        ----------
        model : ProjectedModel or LinearModel
            The classes.
        crf : bool
            Whether a dense CRF follows the colours.

        Raises
        ------
        ImageReadError
            If a patch has no labels, or cannot be read.
        ImageContentError
            If labels are not as large as their image, or there is nothing to judge by at all.
        """
        overlaps: list[Overlap] = []
        unexpected = 0
        for done, patch in enumerate(self.patches):
            span = Span(done, done + 1, len(self.patches))
            truth = self._truth(patch)
            unexpected += int((truth == UNEXPECTED).sum())
            told = f"judging picture {done + 1} of {len(self.patches)}"
            labels = yield from relay(self._labels(done, model, crf=crf), span, told)
            judged = LabelImage.of(truth, ignore=IGNORED)
            if judged.valid.any():
                overlaps.append(Overlap.of(POTSDAM3.of_truth(judged), LabelImage.of(labels)))
        yield Progress(len(self.patches), len(self.patches), "judged")
        return Judged(set_scores(overlaps), unexpected, len(self.patches) - len(overlaps))

    def check_steps(self) -> Steps[None]:
        """Read all labels once, so that what is wrong with them is said before a long training.

        Raises
        ------
        ImageReadError, ImageContentError
            See `steps`.
        """
        for done, patch in enumerate(self.patches):
            yield Progress(done, len(self.patches), "looking at the labels")
            self._truth(patch)

    def _truth(self, patch: Patch) -> NDArray[np.uint8]:
        truth, shape = patch.truth(), patch.picture().shape[1:]
        if truth.shape != shape:
            raise ImageContentError(
                expected=f"labels of {shape[0]} x {shape[1]} pixels for {patch.name}",
                found=f"{truth.shape[0]} x {truth.shape[1]} in {patch.labels}",
                remedy="give the labels that belong to the image",
            )
        large: NDArray[np.uint8] = fitted(truth[None], self.side, "nearest")[0]
        return large

    def _labels(
        self, index: int, model: ProjectedModel | LinearModel, *, crf: bool
    ) -> Steps[NDArray[np.int64]]:
        maps = [(yield from self.plain.get_steps(index))]
        if self.mirrored is not None:
            maps.append((yield from self.mirrored.get_steps(index)).flip(2))
        scores = scores_of(model)(maps, self.side)
        if crf:
            picture = torch.from_numpy(self.plain.picture(index)).to(scores.device)
            scores = yield from dense_crf_steps(scores, picture)
        labels: NDArray[np.int64] = scores.argmax(0).cpu().numpy()
        return labels


def scores_of(
    model: ProjectedModel | LinearModel,
) -> Callable[[list[Tensor], int], Tensor]:
    """Return what makes class probabilities (K, side, side) of feature maps of one picture.

    The feature maps (D, h, w) are averaged: in SmooSeg after the projector, in PriMaPs-EM before.
    """
    if isinstance(model, ProjectedModel):
        return lambda maps, side: _by_codes(model, maps, side)
    return lambda maps, side: _by_logits(model, maps, side)


def _by_codes(model: ProjectedModel, maps: list[Tensor], side: int) -> Tensor:
    projector, shape = model.projector, maps[0].shape[1:]
    codes = torch.stack([projector.project(vectors.flatten(1)) for vectors in maps]).mean(0)
    fine = _enlarged(codes.reshape(-1, *shape), side)
    unit = functional.normalize(fine.flatten(1), dim=0, eps=1e-6)
    # Each class has one direction: members only puts them into the order of the classes.
    cosines = model.members @ (model.prototypes @ unit)
    return (_SHARPNESS * cosines).softmax(0).reshape(-1, side, side)


def _by_logits(model: LinearModel, maps: list[Tensor], side: int) -> Tensor:
    mean = torch.stack(maps).mean(0)
    logits = model.logits(mean.flatten(1)).reshape(-1, *mean.shape[1:])
    # Enlarged after the classes, which are linear: the same, with far fewer numbers.
    return _enlarged(logits, side).softmax(0)


def _enlarged(maps: Tensor, side: int) -> Tensor:
    return functional.interpolate(maps[None], (side, side), mode="bilinear", align_corners=False)[0]
