"""What all Segment Anything models can do, whichever package they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.nn import Module

    from napari_firstpass.networks.folder import PixelScaling
    from napari_firstpass.sam_models.marks import Marks


class SamModel(Protocol):
    """A loaded model."""

    @property
    def side(self) -> int:
        """Side of the picture that it is shown, in pixels."""
        ...

    @property
    def start_side(self) -> int:
        """Side of the mask that it takes as a start."""
        ...

    @property
    def keeps_ratio(self) -> bool:
        """Whether an image keeps its shape in that picture; see `Frame`."""
        ...

    @property
    def scaling(self) -> PixelScaling:
        """What it expects of colours."""
        ...

    @property
    def versions(self) -> tuple[str, ...]:
        """Names and versions of what computes it, beside torch."""
        ...

    @property
    def encoder(self) -> Module:
        """The part that looks at pictures, which takes most of the time."""
        ...

    def to(self, device: torch.device) -> None:
        """Move to a device; another user may have taken it elsewhere."""
        ...

    def embed(self, picture: Tensor) -> tuple[Tensor, ...]:
        """Return all that it keeps of a picture (3, side, side): float32 maps (1, D, h, w)."""
        ...

    def candidates(self, embedding: tuple[Tensor, ...], marks: Marks) -> tuple[Tensor, Tensor]:
        """Answer questions about a picture.

        Parameters
        ----------
        embedding : tuple of tensors
            What `embed` returned, on the device.
        marks : Marks
            B questions, on the device.

        Returns
        -------
        logits : (B, N, h, w) float32 tensor
            Candidates; above 0 inside.
        scores : (B, N) float32 tensor
            How much of each the model expects to be right.
        """
        ...
