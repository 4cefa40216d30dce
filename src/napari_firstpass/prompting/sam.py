"""Prompts answered by a Segment Anything model, whichever it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from napari_firstpass.config import DEFAULT_PRESET
from napari_firstpass.feature_cache import FeatureCache, default_folder
from napari_firstpass.refinement import preset_of
from napari_firstpass.sam_models.prepared import SamImage, prepare_steps
from napari_firstpass.sam_models.source import SamSource, sam_source

if TYPE_CHECKING:
    from torch import Tensor

    from napari_firstpass.progress import Steps
    from napari_firstpass.protocols import Backbone
    from napari_firstpass.raster import Raster

_PRESETS = {DEFAULT_PRESET: sam_source}


@dataclass(frozen=True, slots=True)
class SamPrompter:
    """Answers with the masks of a model; a `KeepingPrompter` and a `RecordedPrompter`.

    Attributes
    ----------
    source : SamSource
        The model, read when the first image is prepared.
    device : torch.device
        Where to compute.
    cache : FeatureCache or None
        Where embeddings of images are kept; None to keep none.
    """

    source: SamSource
    device: torch.device
    cache: FeatureCache | None = None

    def keeping(self, cache: FeatureCache | None) -> SamPrompter:
        """Return the same, keeping embeddings in another place, or not at all."""
        return replace(self, cache=cache)

    def record(self) -> Steps[dict[str, Any]]:
        """Return what decides the answers; see `RecordedPrompter`."""
        return {"weights_sha256": (yield from self.source.sha256())}

    def prepare(self, raster: Raster, picture: Tensor) -> Steps[SamImage]:
        """Look at an image once; see `Prompter`.

        Raises
        ------
        WeightsError
            If the weights are damaged or of another kind, or a package is missing.
        """
        valid = torch.from_numpy(raster.valid)
        return (yield from prepare_steps(self.source, picture, valid, self.device, self.cache))


def sam_prompter(
    *, preset: str, model: str | None, backbone: Backbone, seed: int, device: torch.device
) -> SamPrompter:
    """Return the prompter ``sam``; see `PrompterFactory`. It draws nothing, and needs no backbone.

    Embeddings are kept where features are, unless it is told otherwise (`SamPrompter.keeping`).

    Raises
    ------
    UnknownNameError
        If there is no such preset (there is one), or the model is no name of such weights.
    WeightsError
        If the weights are not there; the message says how to get them.
    """
    del backbone, seed
    source_of = preset_of("sam", _PRESETS, preset)
    return SamPrompter(source_of(model), device, FeatureCache(default_folder()))
