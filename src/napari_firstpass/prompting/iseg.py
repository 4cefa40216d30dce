"""The prompter ``iseg``: spreads what is pointed at to all that looks alike nearby.

The preset ``fast`` is our own: superpixels, cues of the prompt, and a walk over neighbours. The
preset ``paper`` is iSeg with the published settings, on the self-similarity of a backbone instead
of the attention of Stable Diffusion; ``row`` is the same with what keeps small things from leaking.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from napari_firstpass.config import DEFAULT_PRESET
from napari_firstpass.descriptors import oklab
from napari_firstpass.diffusion.attentive import attentive_prompter
from napari_firstpass.entropy_reduction import (
    PAPER,
    EntSelfConfig,
    Reduced,
    mean_map,
    refine_maps,
)
from napari_firstpass.mask_edges import MaskEdges
from napari_firstpass.progress import Progress, Span, Steps, relay
from napari_firstpass.prompt_candidates import candidates
from napari_firstpass.prompt_chances import chances_of
from napari_firstpass.prompt_cues import Regions
from napari_firstpass.prompt_places import Places, wordless_places
from napari_firstpass.prompts import Answer
from napari_firstpass.refinement import preset_of
from napari_firstpass.region_graph import RegionGraph
from napari_firstpass.self_similarity import self_similarity, unit_looks
from napari_firstpass.superpixels import slic_regions

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_firstpass.prompts import Prompt
    from napari_firstpass.protocols import Backbone, Prompter
    from napari_firstpass.raster import Raster

_REGIONS = 2500
"""Superpixels of an image that are aimed at, and the pixels that one has at least."""
_LEAST = 16

_ROUNDS = 5
"""Rounds of their search: ten take twice as long, and change hardly a border."""


@dataclass(frozen=True, slots=True)
class RegionImage:
    """An image whose regions are known; see `PreparedImage`.

    Attributes
    ----------
    regions : Regions
        Its superpixels, compared with each other.
    valid : (H, W) bool array
        Where it holds data.
    counted : (n,) float array
        Pixels with data of each region.
    edges : MaskEdges
        Brings outlines of regions to edges of the image.
    """

    regions: Regions
    valid: NDArray[np.bool_]
    counted: NDArray[np.float64]
    edges: MaskEdges

    def answer(self, prompt: Prompt) -> Steps[Answer]:
        """Return masks for what is pointed at; see `PreparedImage`."""
        yield Progress(0, 2, "comparing with the prompt")
        places = wordless_places(prompt, self.valid)
        chances = chances_of(self.regions, prompt.boxes, places)
        yield Progress(1, 2, "cutting out")
        graph, allowed, counted = self.regions.graph, self.valid, self.counted
        if places.inside is not None:
            allowed = allowed & places.inside
            counted = graph.pixels * graph.shares(allowed)
        # A box, or a mask to start from, may hold several pieces.
        alone = places.inside is None and places.start is None
        marked = graph.at(places.positive[: len(places.positive) * alone])
        outer = np.concatenate([graph.rim, graph.at(places.negative)])
        found = candidates(chances, counted, graph.ends, marked, outer)
        masks = self._fine(found.masks, places) & allowed
        _divide_contested(masks, graph, places)
        return Answer(torch.from_numpy(masks), torch.from_numpy(found.scores).float())

    def _fine(self, masks: NDArray[np.bool_], places: Places) -> NDArray[np.bool_]:
        """Return masks (N, R) of regions as masks of pixels; regions with marks stay whole."""
        graph = self.regions.graph
        coarse = np.take(masks, graph.places, axis=1)  # indexing takes seven times as long
        fine = self.edges.follow(torch.from_numpy(coarse)).numpy()
        marked = np.zeros(graph.count, bool)
        marked[graph.at(np.concatenate([places.positive, places.negative]))] = True
        np.copyto(fine, coarse, where=np.take(marked, graph.places))
        return fine


@dataclass(frozen=True, slots=True)
class CellImage:
    """An image whose cells are compared each with each, as in the paper; see `PreparedImage`.

    Attributes
    ----------
    reduced : Reduced
        Its affinity, reduced.
    grid : (int, int)
        Rows and columns of cells.
    valid : (H, W) bool array
        Where it holds data.
    config : EntSelfConfig
        How maps are refined.
    """

    reduced: Reduced
    grid: tuple[int, int]
    valid: NDArray[np.bool_]
    config: EntSelfConfig

    def answer(self, prompt: Prompt) -> Steps[Answer]:
        """Return one mask for what is pointed at; see `PreparedImage`."""
        places = wordless_places(prompt, self.valid)
        start = self._maps(places)
        inside = None if places.inside is None else self._cells(places.inside) > 0
        refined = yield from refine_maps(self.reduced, start, self.config, inside)
        for_it = start.shape[1] - len(self._one_hot(places.negative))
        soft = mean_map(refined.maps[:, :for_it]).cpu()
        if for_it < start.shape[1]:
            soft = (soft - mean_map(refined.maps[:, for_it:]).cpu()).clamp_min(0)
        fine = self._pixels(soft)
        mask = (fine > self.config.threshold).numpy() & self.valid
        if places.inside is not None:
            mask &= places.inside
        score = float(fine[mask].mean()) if mask.any() else 0.0
        return Answer(torch.from_numpy(mask)[None], torch.tensor([min(score, 1.0)]))

    def _maps(self, places: Places) -> Tensor:
        """Return first maps (N, C): a cell for each mark, and the inside of a box or a mask."""
        maps = [*self._one_hot(places.positive)]
        known = places.start if places.start is not None else places.inside
        if known is not None and not maps:
            maps.append(self._cells(known).float())
        return torch.stack([*maps, *self._one_hot(places.negative)], 1)

    def _one_hot(self, marks: NDArray[np.int64]) -> Tensor:
        """Return a map (C, N) for each cell that holds marks."""
        if len(marks) == 0:
            return torch.zeros(0, self.grid[0] * self.grid[1])
        rows, cols = (marks * self.grid // self.valid.shape).T
        cells = torch.from_numpy(np.unique(rows * self.grid[1] + cols))
        return functional.one_hot(cells, self.grid[0] * self.grid[1]).float()

    def _cells(self, mask: NDArray[np.bool_]) -> Tensor:
        """Return which cells (N,) a mask fills by half, or most of all cells."""
        share = functional.adaptive_avg_pool2d(torch.from_numpy(mask)[None].float(), self.grid)
        return share.flatten() >= min(0.5, float(share.max()))

    def _pixels(self, soft: Tensor) -> Tensor:
        """Interpolate a map (N,) to pixels, from 0 to 1."""
        shape = (self.valid.shape[0], self.valid.shape[1])
        fine = functional.interpolate(
            soft.view(1, 1, *self.grid), shape, mode="bilinear", align_corners=False
        )[0, 0]
        low, high = fine.aminmax()
        return (fine - low) / (high - low) if float(high) > float(low) else fine


@dataclass(frozen=True, slots=True, kw_only=True)
class Iseg:
    """The prompter; see `Prompter`.

    Attributes
    ----------
    backbone : Backbone
        Describes the image.
    config : EntSelfConfig or None
        How the affinity of cells is reduced; None for regions instead of cells.
    """

    backbone: Backbone
    config: EntSelfConfig | None = None

    def prepare(self, raster: Raster, picture: Tensor) -> Steps[RegionImage | CellImage]:
        """Compare regions or cells; see `Prompter`."""
        features = yield from relay(self.backbone.extract(raster), Span(0, 3, 10))
        looks = unit_looks(features)
        if self.config is None:
            cells = looks.cpu().numpy()
            return (yield from _regions(raster.valid, picture.cpu(), cells, features.stride))
        yield Progress(3, 10, "comparing cells")
        inside = looks[:, : -(-raster.valid.shape[0] // features.stride)]
        affinity, grid = self_similarity(inside)
        yield Progress(8, 10, "reducing entropy")
        return CellImage(Reduced.of(affinity, self.config), grid, raster.valid, self.config)


def _regions(
    valid: NDArray[np.bool_], picture: Tensor, cells: NDArray[np.float32], stride: int
) -> Steps[RegionImage]:
    yield Progress(3, 10, "finding regions")
    image = picture.clamp(0, 1)
    aim = max(_LEAST, valid.size // _REGIONS)
    pixels = image.movedim(0, -1).numpy()
    places = slic_regions(pixels, pixels_per_segment=aim, rounds=_ROUNDS)
    yield Progress(7, 10, "comparing regions")
    graph = RegionGraph.of(places, oklab(image).numpy(), cells, stride)
    yield Progress(8, 10, "joining regions")
    regions = Regions.of(graph)
    yield Progress(9, 10, "looking at edges")
    counted = graph.pixels * graph.shares(valid)
    return RegionImage(regions, valid, counted, MaskEdges.of(image, aim**0.5))


def _divide_contested(masks: NDArray[np.bool_], graph: RegionGraph, places: Places) -> None:
    """Give pixels of regions with marks of both kinds to the nearest mark."""
    kinds = graph.at(places.positive), graph.at(places.negative)
    for region in np.intersect1d(*kinds):
        rows, cols = np.nonzero(graph.places == region)
        pixels = np.stack([rows, cols], 1)
        marks = (places.positive[kinds[0] == region], places.negative[kinds[1] == region])
        near, far = (np.square(pixels[:, None] - some).sum(2).min(1) for some in marks)
        masks[:, rows, cols] = near < far


_PRESETS: dict[str, EntSelfConfig | None] = {
    DEFAULT_PRESET: None,
    "paper": PAPER,
    "row": EntSelfConfig(norm="row"),
}


def iseg_prompter(
    *, preset: str, model: str | None, backbone: Backbone, seed: int, device: torch.device
) -> Prompter:
    """Return the prompter ``iseg``; see `PrompterFactory`. Without a model it draws nothing.

    Raises
    ------
    UnknownNameError
        If there is no such preset.
    WeightsError
        If it is given a model that is not there, or is no Stable Diffusion.
    """
    if model is not None:
        return attentive_prompter(preset=preset, model=model, seed=seed, device=device)
    return Iseg(backbone=backbone, config=preset_of("iseg", _PRESETS, preset))
