"""The prompter ``iseg``: spreads what is pointed at to all that looks alike nearby."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import splu

from napari_firstpass.descriptors import oklab
from napari_firstpass.errors import PromptError
from napari_firstpass.normalize import FeatureScaler
from napari_firstpass.progress import Progress, Span, Steps, relay
from napari_firstpass.prompt_places import Places, places_of
from napari_firstpass.prompts import Answer
from napari_firstpass.refinement import DEFAULT_PRESET, preset_of
from napari_firstpass.region_graph import RegionGraph
from napari_firstpass.superpixels import slic_regions

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_firstpass.prompts import Prompt
    from napari_firstpass.protocols import Backbone
    from napari_firstpass.raster import Raster


@dataclass(frozen=True, slots=True, kw_only=True)
class IsegConfig:
    """How prompts are spread.

    Attributes
    ----------
    regions : int
        Superpixels of an image that are aimed at.
    levels : tuple of float
        Thresholds of the candidates, the best first.
    """

    regions: int = 2500
    levels: tuple[float, ...] = (0.5, 0.7, 0.3)


@dataclass(frozen=True, slots=True)
class IsegImage:
    """An image whose regions are known; see `PreparedImage`."""

    graph: RegionGraph
    valid: NDArray[np.bool_]
    config: IsegConfig

    def answer(self, prompt: Prompt) -> Steps[Answer]:
        """Return masks for what is pointed at; see `PreparedImage`."""
        yield Progress(0, 1, "spreading the prompt")
        if any(word.strip() for word in prompt.words):
            raise PromptError(
                expected="points, lines or boxes",
                found=f"the words {', '.join(prompt.words)}",
                remedy="choose a prompter that knows words, or point at the thing",
            )
        likely = self._spread(places_of(prompt, self.valid))
        masks = [likely > level for level in self.config.levels]
        scores = [1.0 - rank / 4 for rank in range(len(masks))]
        return Answer(torch.from_numpy(np.stack(masks) & self.valid), torch.tensor(scores))

    def _spread(self, places: Places) -> NDArray[np.float64]:
        """Return how likely each pixel (H, W) belongs to the thing."""
        graph = self.graph
        apart = np.square(graph.colours[graph.ends[:, 0]] - graph.colours[graph.ends[:, 1]]).sum(1)
        weights = graph.borders * np.exp(-apart / (2 * 0.04**2) - graph.contrasts / 0.06) + 1e-6
        low, high = graph.ends.T
        links = sparse.coo_array((weights, (low, high)), (graph.count, graph.count))
        links = (links + links.T).tocsc()
        wanted, sure = self._wanted(places)
        degree = sparse.diags_array(np.asarray(links.sum(1)).ravel() + sure)
        likely = splu((degree - links).tocsc()).solve(sure * wanted)[graph.places]
        inside = np.ones_like(self.valid) if places.inside is None else places.inside
        result: NDArray[np.float64] = likely * inside
        return result

    def _wanted(self, places: Places) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what each region is held to be, and how firmly."""
        graph = self.graph
        wanted, sure = np.zeros(graph.count), np.full(graph.count, 1e-3)
        if places.inside is not None:
            inside = graph.shares(places.inside)
            wanted, sure = 0.6 * inside, np.where(inside > 0.5, 1e-2, 1e3)
        if places.start is not None:
            wanted, sure = graph.shares(places.start), np.maximum(sure, 1.0)
        rim = np.unique(
            np.concatenate([graph.places[[0, -1]].ravel(), graph.places[:, [0, -1]].ravel()])
        )
        if places.inside is None and places.start is None and len(places.negative) == 0:
            sure[rim] = 10.0
        for marks, value in ((places.positive, 1.0), (places.negative, 0.0)):
            at = graph.places[marks[:, 0], marks[:, 1]]
            wanted[at], sure[at] = value, 1e4
        return wanted, sure


@dataclass(frozen=True, slots=True, kw_only=True)
class Iseg:
    """The prompter; see `Prompter`."""

    backbone: Backbone
    config: IsegConfig

    def prepare(self, raster: Raster, picture: Tensor) -> Steps[IsegImage]:
        """Find regions and describe them; see `Prompter`."""
        features = yield from relay(self.backbone.extract(raster), Span(0, 3, 10))
        image = picture.cpu().clamp(0, 1)
        yield Progress(3, 10, "finding regions")
        aim = max(16, raster.valid.size // self.config.regions)
        regions = slic_regions(image.movedim(0, -1).numpy(), pixels_per_segment=aim)
        yield Progress(9, 10, "comparing regions")
        scaled = FeatureScaler.of([features]).apply(features.vectors).cpu().numpy()
        graph = RegionGraph.of(regions, oklab(image).numpy(), scaled, features.stride)
        return IsegImage(graph, raster.valid, self.config)


_PRESETS = {DEFAULT_PRESET: IsegConfig()}


def iseg_prompter(
    *, preset: str, model: str | None, backbone: Backbone, seed: int, device: torch.device
) -> Iseg:
    """Return the prompter ``iseg``; see `PrompterFactory`. It draws nothing.

    Raises
    ------
    PromptError
        If it is given a model: it needs none.
    """
    del seed, device
    if model is not None:
        raise PromptError(
            expected="no model for the prompter iseg",
            found=model,
            remedy="leave it out, or choose another prompter",
        )
    return Iseg(backbone=backbone, config=preset_of("iseg", _PRESETS, preset))
