"""The prompter ``sam3``: finds all things of a name, with SAM 3 from a folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from napari_firstpass.config import DEFAULT_PRESET
from napari_firstpass.errors import PromptError, WeightsError
from napari_firstpass.naming import enlarged, require_background
from napari_firstpass.networks.folder import VisionFolder
from napari_firstpass.networks.sam3 import load_sam3
from napari_firstpass.progress import Progress, Span, Steps, relay
from napari_firstpass.prompt_places import places_of
from napari_firstpass.prompts import Answer, Named, require_names
from napari_firstpass.refinement import preset_of
from napari_firstpass.weights.folder import find

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

    from napari_firstpass.networks.sam3 import Sam3Detector, Things
    from napari_firstpass.prompt_places import Places
    from napari_firstpass.prompts import Prompt
    from napari_firstpass.protocols import Backbone
    from napari_firstpass.raster import Raster

_INSIDE = 0.5
"""A cell belongs to a thing if that is more likely than not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sam3Config:
    """Which things count.

    Attributes
    ----------
    score : float
        How likely a thing must be what was asked for, in [0, 1).
    """

    score: float = 0.5


_PRESETS = {DEFAULT_PRESET: Sam3Config(), "more": Sam3Config(score=0.3)}


@dataclass(frozen=True, slots=True, eq=False)
class Sam3Image:
    """An image that SAM 3 has looked at; see `WordImage`.

    Attributes
    ----------
    detector : Sam3Detector
        The network.
    seen : Any
        What it keeps of the image.
    valid : (H, W) bool tensor
        Where the image holds data.
    config : Sam3Config
        Which things count.
    """

    detector: Sam3Detector
    seen: Any
    valid: Tensor
    config: Sam3Config

    def answer(self, prompt: Prompt) -> Steps[Answer]:
        """Return all things of a name as one mask.

        Where points or lines are given too, things without a positive one, or with a negative one,
        are left out; boxes limit the mask.

        Raises
        ------
        PromptError
            If there are no words, a mask to start from, or nothing is found.
        """
        words = [word for word in prompt.words if word.strip()]
        if not words or prompt.start is not None:
            raise PromptError(
                expected="words for sam3, with points, lines and boxes or without",
                found="no words" if not words else "a mask to start from",
                remedy="say what to look for, or choose another prompter, such as sam",
            )
        places = places_of(prompt, self.valid.numpy())
        masks, scores = [], []
        for done, word in enumerate(words):
            yield Progress(done, len(words), f"looking for {word}")
            things = self._things(word, self.config.score)
            for mask, score in zip(things.masks, things.scores.tolist(), strict=True):
                inside = self._inside(mask)
                if _pointed_at(inside, places):
                    masks.append(inside)
                    scores.append(score)
        found = torch.stack(masks).any(0) if masks else torch.zeros_like(self.valid)
        if places.inside is not None:
            found = found & torch.from_numpy(places.inside)
        if not found.any():
            raise PromptError(
                expected=f"{' or '.join(words)} in the image",
                found="nothing of that name",
                remedy="use another word, or point at it with another prompter",
            )
        return Answer(found[None], torch.tensor([max(scores)]))

    def classes(self, names: Sequence[str], background: float | None) -> Steps[Named]:
        """Return for each pixel the name of the likeliest thing there; see `WordImage`.

        The background is how likely a thing must be what was asked for; None for the preset's.
        """
        require_names(names)
        least = self.config.score if background is None else background
        require_background(least)
        best = torch.zeros(self.valid.shape)
        second, winner = torch.zeros_like(best), torch.zeros(best.shape, dtype=torch.int64)
        for number, name in enumerate(names, start=1):
            yield Progress(number - 1, len(names), f"looking for {name}")
            value = self._values(self._things(name, least))
            second = torch.maximum(second, torch.minimum(best, value))
            winner = torch.where(value > best, number, winner)
            best = torch.maximum(best, value)
        return Named(winner, (best - second).clamp(0, 1))

    def _things(self, name: str, least: float) -> Things:
        found = self.detector.find(self.seen, name)
        kept = found.scores > least
        return type(found)(found.masks[kept].cpu(), found.scores[kept].cpu())

    def _inside(self, mask: Tensor) -> Tensor:
        shape = (int(self.valid.shape[0]), int(self.valid.shape[1]))
        return (enlarged(mask[None], shape)[0] > _INSIDE) & self.valid

    def _values(self, things: Things) -> Tensor:
        """Return the score (H, W) of the likeliest thing at each pixel, 0 without one."""
        value = torch.zeros(self.valid.shape)
        for mask, score in zip(things.masks, things.scores.tolist(), strict=True):
            value = torch.maximum(value, self._inside(mask) * score)
        return value


def _pointed_at(mask: Tensor, places: Places) -> bool:
    """Tell whether a thing is under a positive mark, if there are any, and under no negative."""
    wanted, unwanted = (
        mask[marks[:, 0], marks[:, 1]] for marks in (places.positive, places.negative)
    )
    return not bool(unwanted.any()) and (not len(wanted) or bool(wanted.any()))


@dataclass(frozen=True, slots=True, eq=False)
class Sam3Prompter:
    """The prompter; see `Prompter`. The network is loaded for the first image.

    Attributes
    ----------
    folder : Path
        The weights.
    config : Sam3Config
        Which things count.
    device : torch.device
        Where to compute.
    loaded : list of Sam3Detector
        The network, once it is loaded.
    """

    folder: Path
    config: Sam3Config
    device: torch.device
    loaded: list[Sam3Detector] = field(default_factory=list)

    def prepare(self, raster: Raster, picture: Tensor) -> Steps[Sam3Image]:
        """Look at an image; see `Prompter`.

        Raises
        ------
        WeightsError
            If the weights are damaged or of another kind, or a package is missing.
        """
        yield Progress(0, 3, "loading the network")
        if not self.loaded:
            self.loaded.append(load_sam3(VisionFolder(self.folder)))
        yield Progress(1, 3, "looking at the image")
        seen = self.loaded[0].look(picture, self.device)
        return Sam3Image(self.loaded[0], seen, torch.from_numpy(raster.valid), self.config)

    def record(self) -> Steps[dict[str, Any]]:
        """Return what decides the answers; see `RecordedPrompter`."""
        steps = VisionFolder(self.folder).sha256_steps()
        digest = yield from relay(steps, Span(0, 1, 1))
        return {"score": self.config.score, "weights_sha256": digest}


def sam3_prompter(
    *, preset: str, model: str | None, backbone: Backbone, seed: int, device: torch.device
) -> Sam3Prompter:
    """Return the prompter ``sam3``; see `PrompterFactory`. It draws nothing.

    Raises
    ------
    WeightsError
        If there is no model.
    UnknownNameError
        If there is no such preset.
    """
    del backbone, seed
    config = preset_of("sam3", _PRESETS, preset)
    if model is None:
        raise WeightsError(
            expected="a folder with SAM 3, which sam3 needs",
            found="none",
            remedy="get facebook/sam3 from its page, where its licence is accepted, and give the "
            "folder (--model); points, lines and boxes work with iseg, which needs no weights",
        )
    return Sam3Prompter(find(model), config, device)
