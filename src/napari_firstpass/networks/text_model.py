"""What all models can do that know pictures and words, whichever package they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from torch import Tensor
    from torch.nn import Module

    from napari_firstpass.networks.folder import PixelScaling


class TextModel(Protocol):
    """A loaded model: words and pictures as vectors of one space."""

    @property
    def network(self) -> Module:
        """The network."""
        ...

    @property
    def device(self) -> torch.device:
        """Where to compute."""
        ...

    @property
    def scaling(self) -> PixelScaling:
        """What it expects of colours."""
        ...

    @property
    def side(self) -> int:
        """Side of the pictures that it was trained on, in pixels."""
        ...

    @property
    def patch(self) -> int | None:
        """Pixels of its picture for each cell of `cells`; None where it tells nothing of cells."""
        ...

    @property
    def scale(self) -> float:
        """What likenesses are multiplied by, as it was trained."""
        ...

    def read(self, sentences: Sequence[str]) -> Tensor:
        """Return (K, D): a vector for each sentence, of any length.

        Raises
        ------
        PromptError
            If one is too long.
        """
        ...

    def see(self, pictures: Tensor) -> Tensor:
        """Return (N, D): a vector of any length for each picture of (N, 3, s, s), in [0, 1]."""
        ...

    def cells(self, pixels: Tensor) -> Tensor:
        """Return (N, D, h, w): what each cell shows, as vectors of the same space, of any length.

        Parameters
        ----------
        pixels : (N, 3, h · patch, w · patch) float tensor
            Scaled.
        """
        ...
