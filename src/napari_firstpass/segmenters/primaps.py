"""PriMaPs: principal mask proposals, grouped into classes.

Hahn, Araslanov, Schaub-Meyer and Roth, "Boosting unsupervised semantic segmentation with principal
mask proposals", TMLR 2024 (arXiv 2404.16818), sections 3.2 and 3.3. Each window of the sample is
taken apart into masks of similar features, seeded by principal directions of what is still free.
All masks are then grouped into classes: each mask takes the majority class of its cells (E-step),
each class becomes the mean of the cells under its masks (M-step). The paper trains the second part
by gradient descent against a momentum copy; see `mask_groups` for what happens here, and
`primaps_em` for the training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from napari_firstpass.feature_scaling import valid_vectors
from napari_firstpass.mask_groups import ROUNDS, group_steps
from napari_firstpass.progress import Span, Steps, relay
from napari_firstpass.proposals import DEFAULT_MASKS, MaskConfig, propose_steps
from napari_firstpass.prototypes import PrototypeModel
from napari_firstpass.training_state import FORGETFUL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_firstpass.features import FeatureMap
    from napari_firstpass.training_state import Keeper


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimapsSegmenter:
    """Groups the masks of a sample into classes.

    Attributes
    ----------
    classes : int
        Number of classes.
    seed : int
        Drives the first grouping.
    rounds : int
        Largest number of E- and M-steps.
    masks : MaskConfig
        How to take windows apart.
    """

    classes: int
    seed: int
    rounds: int = ROUNDS
    masks: MaskConfig = DEFAULT_MASKS
    resumes: ClassVar[bool] = True

    def fit(
        self, sample: Sequence[FeatureMap], *, keeper: Keeper = FORGETFUL
    ) -> Steps[PrototypeModel]:
        """Return classes that fit ``sample``; see `Resumable`. The masks are what is kept."""
        cells = valid_vectors(sample)
        proposing = propose_steps(sample, self.masks, keeper)
        proposals = yield from relay(proposing, Span(0, 60, 100))
        grouping = group_steps(cells, proposals, self.classes, seed=self.seed, rounds=self.rounds)
        centres = yield from relay(grouping, Span(60, 100, 100))
        return PrototypeModel.of(centres, cells)
