"""CLIP in a folder, as a judge of what pictures show: words and pictures as vectors of one space.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision"
(arXiv 2103.00020). Nothing is fetched, and no code that comes with a model is run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from napari_firstpass.errors import OptionError, WeightsError
from napari_firstpass.networks.folder import CONFIG
from napari_firstpass.networks.hub_text_model import HubTextModel, load_hub_text_model
from napari_firstpass.progress import Progress, Steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_firstpass.networks.folder import VisionFolder

_AT_ONCE = 8
_KIND = "clip"


@dataclass(frozen=True, slots=True, kw_only=True)
class TagConfig:
    """How to tell what a picture shows. All of this is ours, and no figure of it is published.

    Attributes
    ----------
    threshold : float
        Share of the belief, in (0, 1], from which on something counts as shown.
    grids : tuple of int
        The picture is looked at through n x n squares, for each n of these: the whole for 1, else
        pieces of 2 / (n + 1) of its sides, which overlap by half.
    others : tuple of str
        What else may be seen: takes its share of the belief, and is never told.
    sentence : str
        What names are put into.
    """

    threshold: float = 0.3
    grids: tuple[int, ...] = (1, 2, 3)
    others: tuple[str, ...] = (
        "ground", "land", "grass", "tree", "building", "wall", "sky", "lake", "water",
    )  # fmt: skip
    sentence: str = "a photo of a {}."

    def __post_init__(self) -> None:
        if not (0 < self.threshold <= 1 and self.grids and min(self.grids) >= 1):
            raise OptionError(
                expected="a threshold in (0, 1], and grids of 1 or more",
                found=f"{self.threshold:g} and {self.grids}",
                remedy="change them",
            )


DEFAULT_TAGS = TagConfig()


@dataclass(frozen=True, slots=True, eq=False)
class ClipModel(HubTextModel):
    """A loaded model, as a judge."""

    def of_words(self, sentences: Sequence[str]) -> Tensor:
        """Return (K, D): a vector of length 1 for each sentence; see `TextModel.read`."""
        return functional.normalize(self.read(sentences), dim=1)

    def of_pictures(self, pictures: Tensor) -> Tensor:
        """Return (N, D): a vector of length 1 for each of the pictures (N, 3, s, s) in [0, 1]."""
        return functional.normalize(self.see(pictures), dim=1)

    def scores(
        self, picture: Tensor, names: Sequence[str], config: TagConfig = DEFAULT_TAGS
    ) -> Steps[Tensor]:
        """Return how sure the model is that a picture shows what is named.

        Parameters
        ----------
        picture : (3, H, W) float32 tensor
            In [0, 1].
        names : sequence of str
            What may be there.
        config : TagConfig
            How to look.

        Returns
        -------
        (K,) float32 tensor
            In [0, 1]: in each square, names and others share the belief; the highest counts.
        """
        known = {name.casefold() for name in names}
        others = [other for other in config.others if other.casefold() not in known]
        yield Progress(0, 1, "reading the names")
        words = self.of_words([config.sentence.format(n) for n in (*names, *others)])
        squares = _squares(picture, self.side, config.grids)
        sure = torch.zeros(len(names))
        for done in range(0, len(squares), _AT_ONCE):
            yield Progress(done, len(squares), "looking for what is named")
            alike = self.of_pictures(squares[done : done + _AT_ONCE]) @ words.T
            shares = (alike * self.scale).softmax(1)[:, : len(names)]
            sure = torch.maximum(sure, shares.amax(0).cpu())
        return sure


def shown_steps(
    model: ClipModel, picture: Tensor, names: Sequence[str], config: TagConfig = DEFAULT_TAGS
) -> Steps[tuple[str, ...]]:
    """Return which names a picture shows, in their order; see `ClipModel.scores`."""
    sure = yield from model.scores(picture, names, config)
    return tuple(
        name for name, share in zip(names, sure.tolist(), strict=True) if share >= config.threshold
    )


def _squares(picture: Tensor, side: int, grids: Sequence[int]) -> Tensor:
    """Return (N, 3, side, side): pieces of a picture, each resized to a square."""
    found = []
    for count in grids:
        rows, cols = (_pieces(length, count) for length in picture.shape[1:])
        for top, bottom in rows:
            for left, right in cols:
                piece = picture[None, :, top:bottom, left:right]
                found.append(
                    functional.interpolate(piece, (side, side), mode="bicubic", antialias=True)
                )
    return torch.cat(found).clamp(0, 1)


def _pieces(length: int, count: int) -> list[tuple[int, int]]:
    """Return first and last of pieces of 2 / (n + 1) of a length."""
    part = length / (count + 1)
    ends = [(round(part * i), round(part * (i + 2))) for i in range(count)]
    return [(low, max(high, low + 1)) for low, high in ends]


def load_clip(folder: VisionFolder, device: torch.device) -> ClipModel:
    """Load a CLIP model, with 32-bit weights.

    Raises
    ------
    WeightsError
        If transformers or a file is missing or damaged, or this is another kind of model.
    """
    written = folder.config()
    if written["model_type"] != _KIND:
        raise WeightsError(
            expected="a CLIP model, which knows words and pictures",
            found=f"model_type {written['model_type']!r} in {folder.path / CONFIG}",
            remedy='choose another folder, or clip-b16 (see "firstpass models list")',
        )
    found = load_hub_text_model(folder, device)
    return ClipModel(found.module, found.tokenizer, found.scaling, device, found.family)
