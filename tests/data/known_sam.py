"""A Segment Anything model that is known by heart: it finds what has the colour of a place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from napari_firstpass.networks.folder import PixelScaling

if TYPE_CHECKING:
    from napari_firstpass.sam_models.marks import Marks


_SCALING = PixelScaling((0.5,) * 3, (0.25,) * 3)


@dataclass(frozen=True, slots=True)
class SameColour:
    """Its candidates are everything (score .6), what has the colour (.9), and nothing (.3).

    Of several places the first counts; of a box, its middle; of a start, the start itself.
    """

    keeps_ratio: bool = True
    side: int = 64
    start_side: int = 32
    scaling: PixelScaling = _SCALING
    versions: tuple[str, ...] = ("by heart",)

    @property
    def encoder(self) -> torch.nn.Module:
        return torch.nn.Identity()

    def to(self, device: torch.device) -> None:
        assert device.type == "cpu"

    def embed(self, picture: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (picture[None],)

    def candidates(
        self, embedding: tuple[torch.Tensor, ...], marks: Marks
    ) -> tuple[torch.Tensor, torch.Tensor]:
        picture = embedding[0][0]
        places = marks.places[:, 0] if marks.has_places else marks.boxes.view(-1, 2, 2).mean(1)
        found = torch.stack([self._like(picture, x, y) for x, y in places.round().long().tolist()])
        if marks.start is not None:
            found = torch.nn.functional.interpolate(marks.start[None, None], self.side)[0]
        all_of_it = torch.full_like(found, 9.0)
        logits = torch.stack([all_of_it, found, -all_of_it], 1)
        return logits, torch.tensor([[0.6, 0.9, 0.3]]).repeat(len(found), 1)

    @staticmethod
    def _like(picture: torch.Tensor, x: int, y: int) -> torch.Tensor:
        apart = (picture - picture[:, y, x, None, None]).abs().sum(0)
        # Two pure colours are 8 apart: half-way between them is half-way out.
        return 9.0 - 9.0 / 4 * apart
