"""Segment Anything models of Hugging Face transformers: SAM, SAM-HQ, SAM 2, EdgeTAM and SAM 3.

Kirillov et al., "Segment Anything" (arXiv 2304.02643); Ke et al., "Segment Anything in High
Quality" (arXiv 2306.01567); Ravi et al., "SAM 2" (arXiv 2408.00714); Zhou et al., "EdgeTAM" (arXiv
2501.07256). Of SAM 2 and SAM 3 it is the part that answers points and boxes on one image; what
follows things through films is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

import torch

from napari_firstpass.errors import WeightsError
from napari_firstpass.networks.folder import CONFIG
from napari_firstpass.networks.loading import (
    config_of,
    load_weights,
    require_whole,
    transformers_package,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor
    from torch.nn import Module
    from transformers import PreTrainedConfig

    from napari_firstpass.networks.folder import PixelScaling, VisionFolder
    from napari_firstpass.sam_models.marks import Marks

_MAKERS = {
    "sam": "SamModel",
    "sam_hq": "SamHQModel",
    "sam2": "Sam2Model",
    "edgetam": "EdgeTamModel",
    "sam3_tracker": "Sam3TrackerModel",
}
_OF_IMAGES = {
    "sam2_video": "sam2",
    "edgetam_video": "edgetam",
    "sam3_tracker_video": "sam3_tracker",
    "sam3_video": "sam3_tracker",
}
"""Folders are published for films; what looks at one image is made of the same weights."""

_KEEPS_RATIO = ("sam", "sam_hq")
_DOWN = 4
"""A start has this many cells for each cell of the embedding."""


@dataclass(frozen=True, slots=True, eq=False)
class HubModel:
    """A model of transformers; see `SamModel`.

    Attributes
    ----------
    module : torch.nn.Module
        The network, in evaluation mode.
    family : str
        ``sam``, ``sam_hq``, ``sam2``, ``edgetam`` or ``sam3_tracker``.
    scaling : PixelScaling
        What it expects of colours.
    side, start_side : int
        See `SamModel`.
    """

    module: Module
    family: str
    scaling: PixelScaling
    side: int
    start_side: int

    @property
    def keeps_ratio(self) -> bool:
        """SAM and SAM-HQ fill up with nothing; the later ones stretch."""
        return self.family in _KEEPS_RATIO

    @property
    def versions(self) -> tuple[str, ...]:
        """The version of transformers."""
        return ("transformers", str(transformers_package().__version__))

    @property
    def encoder(self) -> Module:
        """The part that looks at pictures."""
        return cast("Module", self.module.vision_encoder)

    def to(self, device: torch.device) -> None:
        """Move to a device."""
        self.module.to(device)

    @torch.no_grad()
    def embed(self, picture: Tensor) -> tuple[Tensor, ...]:
        """Return what the model keeps of a picture; see `SamModel`."""
        found: Any = self.module.get_image_embeddings(picture[None])  # type: ignore[operator]
        if self.family == "sam":
            found = (found,)
        elif self.family == "sam_hq":
            # Of what its blocks say on the way, the decoder reads the first only.
            found = (found[0], found[1][0])
        return tuple(one.float().contiguous() for one in found)

    @torch.no_grad()
    def candidates(self, embedding: tuple[Tensor, ...], marks: Marks) -> tuple[Tensor, Tensor]:
        """Answer questions about a picture; see `SamModel`."""
        said = self.module(
            **self._looked_at(embedding),
            input_points=marks.places[None] if marks.has_places else None,
            input_labels=marks.labels[None] if marks.has_places else None,
            input_boxes=None if marks.boxes is None else marks.boxes[None],
            input_masks=None if marks.start is None else marks.start[None, None],
            multimask_output=True,
        )
        return said.pred_masks[0].float(), said.iou_scores[0].float()

    def _looked_at(self, embedding: tuple[Tensor, ...]) -> dict[str, Any]:
        if self.family == "sam":
            return {"image_embeddings": embedding[0]}
        if self.family == "sam_hq":
            return {"image_embeddings": embedding[0], "intermediate_embeddings": [embedding[1]]}
        return {"image_embeddings": list(embedding)}


def load_hub_model(folder: VisionFolder) -> HubModel:
    """Load the Segment Anything model in a folder, with 32-bit weights.

    Parameters
    ----------
    folder : VisionFolder
        Where it is, as transformers saves it; for SAM 2 and SAM 3 also as it is published for
        films.

    Raises
    ------
    WeightsError
        If transformers or a file is missing or damaged, or the folder holds another kind of model.
    """
    written = folder.config()
    family, inner = _family(folder, written)
    _require_package_of(family)
    config = config_of(folder, {**inner, "model_type": family})
    side, patch = _sizes(folder, config)
    module, info = load_weights(folder, config, _MAKERS[family])
    require_whole(f"all weights of a {family} model in {folder.path}", info, frozenset())
    scaling = folder.scaling(written["model_type"])
    return HubModel(module, family, scaling, side, _DOWN * (side // patch))


def _family(folder: VisionFolder, written: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return which family a folder holds, and the config of the part that looks at one image."""
    kind = written["model_type"]
    family = _OF_IMAGES.get(kind, kind)
    inner = written.get("tracker_config") if kind == "sam3_video" else written
    if family not in _MAKERS or not isinstance(inner, dict):
        raise WeightsError(
            expected="a Segment Anything model: SAM, SAM-HQ, SAM 2, EdgeTAM or SAM 3 tracker",
            found=f"model_type {kind!r} in {folder.path / CONFIG}",
            remedy='give another folder, or a name that "firstpass models list" shows for prompts',
        )
    return family, inner


def _require_package_of(family: str) -> None:
    missing = [name for name in ("timm", "torchvision") if find_spec(name) is None]
    if family == "edgetam" and missing:
        raise WeightsError(
            expected="the packages timm and torchvision, which EdgeTAM needs",
            found=f"no {' and no '.join(missing)}",
            remedy='install it with: pip install "napari-firstpass[sam]"',
        )


def _sizes(folder: VisionFolder, config: PreTrainedConfig | None) -> tuple[int, int]:
    """Return the side of the picture and of its cells."""
    part = getattr(config, "prompt_encoder_config", None)
    sizes = getattr(part, "image_size", None), getattr(part, "patch_size", None)
    side, patch = sizes
    if not isinstance(side, int) or not isinstance(patch, int) or not 0 < patch <= side:
        raise WeightsError(
            expected=f"the sides of a picture and its cells in {folder.path / CONFIG}",
            found=f"{sizes[0]} and {sizes[1]}",
            remedy="get the file again",
        )
    return side, patch
