"""Prompts answered by the attention of Stable Diffusion: iSeg as published (arXiv 2409.03209).

The picture is shown once, with a little noise. What is pointed at is spread along self-attention;
what is named is found by cross-attention first, and then spread along the self-attention of a
network that was told the names.

Where the paper is silent it is our own: a negative mark takes its own map off, boxes are limits
that nothing leaves, and names that do not fit into one sentence are told in several, one after the
other.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from napari_firstpass.diffusion.folder import DiffusionFolder
from napari_firstpass.diffusion.provider import AttentionProvider, load_diffusion
from napari_firstpass.diffusion.sentences import sentences
from napari_firstpass.diffusion.word_maps import name_maps, smoothed, token_maps
from napari_firstpass.diffusion.word_presets import PRESETS
from napari_firstpass.entropy_reduction import Reduced, mean_map, refine_maps
from napari_firstpass.errors import or_without_weights
from napari_firstpass.naming import enlarged, named_steps, require_background
from napari_firstpass.progress import Progress, Span, Steps, relay
from napari_firstpass.prompt_places import places_of
from napari_firstpass.prompts import Answer, Named, require_names
from napari_firstpass.refinement import preset_of
from napari_firstpass.weights.folder import find

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_firstpass.diffusion.attention import Attentions
    from napari_firstpass.diffusion.sentences import Sentence
    from napari_firstpass.diffusion.word_presets import WordConfig
    from napari_firstpass.prompt_places import Places
    from napari_firstpass.prompts import Prompt
    from napari_firstpass.raster import Raster

NAME = "iseg"

_OTHERWISE = (
    f"leave out the model: {NAME} then finds what is pointed at by features that need no weights, "
    "though it reads no words"
)
"""What works without the weights."""


@dataclass(frozen=True, slots=True, eq=False)
class AttentiveImage:
    """A picture that the network has encoded; see `WordImage`.

    Attributes
    ----------
    provider : AttentionProvider
        The network.
    latents : (1, 4, h, w) float tensor
        The picture, as the network is shown it.
    valid : (H, W) bool tensor
        Where the image holds data.
    config : WordConfig
        How prompts are answered.
    seed : int
        Of the noise.
    held : list of Reduced
        The links of a network that was told nothing, once they have been asked for.
    """

    provider: AttentionProvider
    latents: Tensor
    valid: Tensor
    config: WordConfig
    seed: int
    held: list[Reduced] = field(default_factory=list)

    def answer(self, prompt: Prompt) -> Steps[Answer]:
        """Return masks for what is pointed at or named; see `PreparedImage`.

        The first prompt without words takes as long as one look through the network, each with
        words as long as another. Of several words, and of words and marks, the mean counts.
        """
        places = places_of(prompt, self.valid.cpu().numpy())
        words = [word for word in prompt.words if word.strip()]
        inside = None if places.inside is None else self._cells(places.inside) > 0
        links, named = yield from relay(self._named_steps(words, inside), Span(0, 9, 10))
        start = self._start(places, wordless=not words)
        maps = torch.cat([*named, (yield from self._spread(links, start, inside))], 1)
        likely = mean_map(maps)
        unwanted = yield from self._spread(links, self._marked(places.negative), inside)
        if unwanted.shape[1]:
            likely = (likely - mean_map(unwanted)).clamp_min(0)
            likely = likely / likely.max().clamp_min(torch.finfo(likely.dtype).tiny)
        return self._answer(likely, places)

    def classes(self, names: Sequence[str], background: float | None) -> Steps[Named]:
        """Return which of some names each pixel has; see `WordImage`."""
        require_names(names)
        threshold = self.config.background if background is None else background
        require_background(threshold)
        groups = sentences(names, self.config.wording, self.provider.model.fits)
        maps = []
        for done, (sentence, _) in enumerate(groups):
            span = Span(9 * done, 9 * done + 9, 10 * len(groups))
            maps.append((yield from relay(self._spread_words(sentence), span)))
        shape = (int(self.valid.shape[0]), int(self.valid.shape[1]))
        steps = named_steps(torch.cat(maps), shape, threshold, between=self.config.side)
        found = yield from relay(steps, Span(9, 10, 10))
        return Named(found.labels.cpu() * self.valid, found.confidence.cpu() * self.valid)

    def _spread_words(self, sentence: Sentence) -> Steps[Tensor]:
        """Return (C, h, w): the maps of the names of a sentence, spread."""
        links, maps = yield from relay(self._told_steps(sentence), Span(0, 9, 10))
        spread = yield from relay(self._spread(links, maps.flatten(1).T), Span(9, 10, 10))
        return spread.T.reshape(maps.shape)

    def _named_steps(
        self, words: Sequence[str], inside: Tensor | None
    ) -> Steps[tuple[Reduced, list[Tensor]]]:
        """Return links, and spread maps (n, C) of words, if there are any."""
        told = sentences(words, self.config.wording, self.provider.model.fits) if words else ()
        if not told:
            return (yield from self._links_steps()), []
        columns = []
        for sentence, _ in told:
            links, maps = yield from self._told_steps(sentence)
            columns.append((yield from self._spread(links, maps.flatten(1).T, inside)))
        return links, columns

    def _told_steps(self, sentence: Sentence) -> Steps[tuple[Reduced, Tensor]]:
        """Return links and maps (C, h, w) of a network that is told a sentence."""
        found = yield from self._attend(sentence)
        tokens = sentence.tokens(found.prompt)
        maps, config = token_maps(found, self.config.levels), self.config
        if config.means:
            maps = smoothed(maps, found.latent, side=config.means)
        return self._linked(found), name_maps(maps, tokens, found.latent)

    def _links_steps(self) -> Steps[Reduced]:
        """Return links of a network that is told nothing."""
        if not self.held:
            found = yield from self._attend(None)
            self.held.append(self._linked(found))
        return self.held[0]

    def _attend(self, sentence: Sentence | None) -> Steps[Attentions]:
        tiny = "tiny" if self.provider.device.type == "cpu" else "auto"
        asked = self.config.attention(self.seed, words=sentence is not None, memory=tiny)
        if sentence is not None:
            asked = replace(asked, prompt=sentence.text, stressed=sentence.letters)
        return (yield from replace(self.provider, config=asked).attend_to(self.latents))

    def _linked(self, found: Attentions) -> Reduced:
        return Reduced.of(found.mean("self", 1), self.config.spread)

    @property
    def _grid(self) -> tuple[int, int]:
        return int(self.latents.shape[2]), int(self.latents.shape[3])

    def _cells(self, mask: NDArray[Any]) -> Tensor:
        """Return which share (n,) of each cell a mask (H, W) covers."""
        # Of images smaller than the grid, a pixel covers several cells.
        sides = zip(mask.shape, self._grid, strict=True)
        shape = [-(-side // cells) * cells for side, cells in sides]
        found = torch.from_numpy(mask)[None, None].float()
        found = functional.interpolate(found, shape, mode="nearest-exact")
        return functional.adaptive_avg_pool2d(found, self._grid).flatten()

    def _marked(self, marks: NDArray[Any]) -> Tensor:
        """Return (n, m): 1 in one of the cells that are marked, in each column."""
        height, width = self._grid
        rows = torch.from_numpy(marks[:, 0]) * height // self.valid.shape[0]
        cols = torch.from_numpy(marks[:, 1]) * width // self.valid.shape[1]
        cells = torch.unique(rows * width + cols)
        return functional.one_hot(cells, height * width).float().T

    def _start(self, places: Places, *, wordless: bool) -> Tensor:
        """Return (n, m): what is spread; a box counts where nothing else says what is inside."""
        maps = [self._marked(places.positive)]
        if places.start is not None:
            maps.append(self._cells(places.start)[:, None])
        if wordless and not sum(one.shape[1] for one in maps) and places.inside is not None:
            maps.append((self._cells(places.inside) > 0).float()[:, None])
        return torch.cat(maps, 1)

    def _spread(self, links: Reduced, maps: Tensor, inside: Tensor | None = None) -> Steps[Tensor]:
        """Return maps (n, m) spread along links; each sums to 1."""
        if not maps.shape[1]:
            return maps.to(self._near(links))
        near = self._near(links)
        limit = None if inside is None else inside.to(near.device)
        found = yield from refine_maps(links, maps.to(near), self.config.spread, limit)
        return found.maps

    @staticmethod
    def _near(links: Reduced) -> Tensor:
        """Return a number where links are, and of their type."""
        ties = links.ties
        return ties[0, 0] if isinstance(ties, torch.Tensor) else torch.zeros(())

    def _answer(self, likely: Tensor, places: Places) -> Answer:
        """Return masks of a map (n,), the one of the preset's threshold first.

        Its score is how much higher the map is inside than outside; those of the others, at a
        higher and a lower threshold, are shares of it.
        """
        shape = (int(self.valid.shape[0]), int(self.valid.shape[1]))
        found = enlarged(likely.view(1, *self._grid), shape)[0].cpu()
        level = self.config.background or _HALF
        masks = torch.stack([found > at for at in (level, (1 + level) / 2, level / 2)])
        if places.inside is not None:
            masks &= torch.from_numpy(places.inside)
        masks &= self.valid
        score = _mean(found, masks[0]) - _mean(found, ~masks[0])
        return Answer(masks, max(score, 0.0) * torch.tensor(_RANKS))


_HALF = 0.5
_RANKS = (1.0, 0.75, 0.5)


def _mean(values: Tensor, where: Tensor) -> float:
    return float(values[where].mean()) if bool(where.any()) else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class AttentivePrompter:
    """Answers prompts with a Stable Diffusion, which is loaded for the first image; see `Prompter`.

    Attributes
    ----------
    folder : DiffusionFolder
        The weights.
    config : WordConfig
        How prompts are answered.
    seed : int
        Of the noise.
    device : torch.device
        Where to compute.
    """

    folder: DiffusionFolder
    config: WordConfig
    seed: int
    device: torch.device

    def prepare(self, raster: Raster, picture: Tensor) -> Steps[AttentiveImage]:
        """Encode an image, resized to a square; see `Prompter`.

        Raises
        ------
        WeightsError
            If the weights are damaged or of another kind, or a package is missing.
        ComputeError
            If memory is too short.
        """
        with or_without_weights(_OTHERWISE):
            provider = yield from relay(self._provider_steps(), Span(0, 8, 10))
        yield Progress(8, 10, "encoding the picture")
        side = (self.config.side, self.config.side)
        square = functional.interpolate(picture[None], side, mode="bilinear", antialias=True)[0]
        latents = provider.encoded(square.clamp(0, 1))
        valid = torch.from_numpy(raster.valid)
        return AttentiveImage(provider, latents, valid, self.config, self.seed)

    def record(self) -> Steps[dict[str, Any]]:
        """Return what decides the answers; see `RecordedPrompter`."""
        digest = yield from self.folder.sha256_steps()
        told = asdict(self.config)
        if math.isinf(self.config.spread.growth):
            told["spread"]["growth"] = None  # JSON has no number for it
        return {"settings": told, "weights_sha256": digest}

    def _provider_steps(self) -> Steps[AttentionProvider]:
        """Return the network: the one that was loaded last, if it is the same."""
        key = (str(self.folder.path), str(self.device))
        if key not in _LOADED:
            asked = self.config.attention(self.seed, words=True)
            found = yield from load_diffusion(self.folder.path, asked, self.device)
            _LOADED.clear()
            _LOADED[key] = found
        return _LOADED[key]


_LOADED: dict[tuple[str, str], AttentionProvider] = {}
"""At most one network: it takes gigabytes, and half a minute to load."""


def attentive_prompter(
    *, preset: str, model: str, seed: int, device: torch.device
) -> AttentivePrompter:
    """Return what answers prompts with the Stable Diffusion of a name or folder.

    Raises
    ------
    UnknownNameError
        If there is no such preset.
    WeightsError
        If the weights are not there or of another kind; the message says how to get them, and what
        works without.
    """
    config = preset_of(f"{NAME} with Stable Diffusion", PRESETS, preset)
    with or_without_weights(_OTHERWISE):
        folder = DiffusionFolder(find(model))
        folder.check()
    return AttentivePrompter(folder, config, seed, device)
