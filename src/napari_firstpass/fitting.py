"""Classes that mean the same in many images: fitted once, then applied to each of them alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from napari_firstpass.backbones import backbone_factory
from napari_firstpass.device import torch_device
from napari_firstpass.errors import WeightsError
from napari_firstpass.pipeline import FittedModel, backbone_steps, guide_bands
from napari_firstpass.weights.folder import is_path

if TYPE_CHECKING:
    from napari_firstpass.config import SegmentConfig
    from napari_firstpass.feature_cache import FeatureCache
    from napari_firstpass.imagery import Imagery
    from napari_firstpass.normalize import BandStats, FeatureScaler
    from napari_firstpass.progress import Steps
    from napari_firstpass.protocols import ClassModel
    from napari_firstpass.provenance import Provenance
    from napari_firstpass.taxonomy import Taxonomy


@dataclass(frozen=True, slots=True)
class SetModel:
    """What ``firstpass fit`` makes: classes, and what else is the same for all images of a set.

    Attributes
    ----------
    stats : BandStats
        The stretch of the bands, over all images.
    scaler : FeatureScaler
        Brings features to a common scale.
    classes : ClassModel
        Tells what they are.
    config : SegmentConfig
        How it was fitted. Of this, the method, the backbone and what makes its features finer, the
        number of classes and the seed belong to the model.
    taxonomy : Taxonomy
        The classes: ids 1 … K, in the order of ``classes``.
    imagery : Imagery
        What an image must be like.
    provenance : Provenance
        How it came about; ``weights_sha256`` is that of the backbone.
    name : str
        What to call it in messages and records.
    """

    stats: BandStats
    scaler: FeatureScaler
    classes: ClassModel
    config: SegmentConfig
    taxonomy: Taxonomy
    imagery: Imagery
    provenance: Provenance
    name: str = "the model"

    def __post_init__(self) -> None:
        bands = {len(self.imagery.roles), len(self.stats.low), len(self.stats.high)}
        counts = {self.classes.count, len(self.taxonomy), self.config.classes}
        if len(bands) > 1 or len(counts) > 1 or self.taxonomy.ids != (*range(1, max(counts) + 1),):
            raise WeightsError(
                expected=f"one number of bands, and of classes from 1 on, in {self.name}",
                found=f"{sorted(bands)} and {sorted(counts)}",
                remedy="get the file again, or fit anew",
            )

    def configured(self, config: SegmentConfig) -> SegmentConfig:
        """Return ``config`` with what belongs to the model taken from the model."""
        own = self.config
        return replace(
            config, method=own.method, backbone=own.backbone, classes=own.classes, seed=own.seed
        )


def labeller_steps(
    model: SetModel, config: SegmentConfig, *, cache: FeatureCache | None = None
) -> Steps[FittedModel]:
    """Load the backbone of a model; the result labels any image, see `pipeline.label_steps`.

    Parameters
    ----------
    model : SetModel
        The model.
    config : SegmentConfig
        Of this, the device counts, and the backbone if it is a folder: a model does not know where
        networks are.
    cache : FeatureCache, optional
        Where features that are expensive are kept.

    Raises
    ------
    WeightsError
        If the backbone's weights are missing, or are not those that the model was fitted on.
    """
    reference = config.backbone if is_path(config.backbone) else model.config.backbone
    device, roles = torch_device(config.device), model.imagery.roles
    found = backbone_factory(reference).weights_sha256()
    if found != model.provenance.weights_sha256:
        raise WeightsError(
            expected=f"the backbone that {model.name} was fitted on",
            found=f"other weights of {shown_backbone(reference)}",
            remedy="give that backbone (--backbone FOLDER), or fit anew",
        )
    used = replace(model.config, backbone=reference)
    backbone = yield from backbone_steps(used, model.stats, roles, device, cache)
    scaler = replace(
        model.scaler,
        mean=model.scaler.mean.to(device),
        projection=model.scaler.projection.to(device),
    )
    classes = model.classes.to(device)
    return FittedModel(model.stats, backbone, scaler, classes, guide_bands(roles), device)


def shown_backbone(reference: str) -> str:
    """Return what is told of a backbone: its name, that of a folder without those above."""
    return Path(reference).name if is_path(reference) else reference
