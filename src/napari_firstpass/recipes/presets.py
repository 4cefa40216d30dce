"""The recipes by name, with the numbers that were published."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from napari_firstpass.errors import UnknownNameError
from napari_firstpass.segmenters.primaps_em import PAPER, EMConfig
from napari_firstpass.segmenters.smooseg import POTSDAM3, SmooSegConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

CLASSES = 3
"""Of Potsdam-3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a paper trains and tests on Potsdam-3.

    Attributes
    ----------
    name : str
        What to choose it by.
    paper : str
        Where it was published.
    training : SmooSegConfig or EMConfig
        How to train; its kind tells the method.
    train_side, test_side : int
        Side to which pictures are brought, in pixels; the next multiple of the network's patch.
    resize : {"nearest", "bilinear"}
        How, for training and test alike.
    look_every : int
        Steps between two looks at the labels, where these may choose the step.
    published : mapping of (int, int) to (float, float)
        Accuracy and mIoU by network: pixels of a patch and numbers of a vector. With the step
        chosen by labels.
    """

    name: str
    paper: str
    training: SmooSegConfig | EMConfig
    train_side: int
    test_side: int = 320
    resize: Literal["nearest", "bilinear"]
    look_every: int
    published: Mapping[tuple[int, int], tuple[float, float]]

    @property
    def method(self) -> str:
        """The name of the method."""
        return "smooseg" if isinstance(self.training, SmooSegConfig) else "primaps-em"

    def for_patch(self, patch: int) -> Recipe:
        """Return the recipe for a network with such patches.

        SmooSeg was published with another shift for DINOv2, whose patches are of 14 pixels, and it
        looks at all places of a picture.
        """
        training = self.training
        if isinstance(training, SmooSegConfig):
            shift = _SHIFT_OF_DINOV2 if patch == _PATCH_OF_DINOV2 else training.intra_shift
            places = (whole_side(self.train_side, patch) // patch) ** 2
            training = replace(training, intra_shift=shift, places=places)
        return replace(self, training=training)

    def shortened(self, steps: int | None) -> Recipe:
        """Return the recipe with so many steps, and a look at the last; None leaves them."""
        if steps is None:
            return self
        training = replace(self.training, steps=steps)
        return replace(self, training=training, look_every=min(self.look_every, steps))


_PATCH_OF_DINOV2 = 14
_SHIFT_OF_DINOV2 = 0.32

SMOOSEG = Recipe(
    name="potsdam3-smooseg",
    paper="SmooSeg (arXiv 2310.17874)",
    training=POTSDAM3,
    train_side=224,
    resize="nearest",
    look_every=400,
    published={(8, 768): (0.827, 0.703)},
)
PRIMAPS_EM = Recipe(
    name="potsdam3-primaps-em",
    paper="PriMaPs-EM (arXiv 2404.16818)",
    training=PAPER,
    train_side=320,
    resize="bilinear",
    look_every=142,
    published={
        (8, 384): (0.625, 0.389),
        (8, 768): (0.805, 0.670),
        (14, 384): (0.785, 0.643),
        (14, 768): (0.832, 0.711),
    },
)
RECIPES = {recipe.name: recipe for recipe in (SMOOSEG, PRIMAPS_EM)}


def recipe_of(name: str) -> Recipe:
    """Return a recipe by name.

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    """
    if name not in RECIPES:
        raise UnknownNameError.of("preset", name, RECIPES)
    return RECIPES[name]


def whole_side(side: int, patch: int) -> int:
    """Return the next multiple of a patch: 322 for 320 and 14, as in the papers."""
    return -(-side // patch) * patch
