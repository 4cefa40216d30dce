"""Classes that mean the same in many images: fitted once, then applied to each of them alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_firstpass.backbones import backbone_factory
from napari_firstpass.code_heads.projected import ProjectedBackbone
from napari_firstpass.describing import backbone_steps, device_of
from napari_firstpass.errors import WeightsError
from napari_firstpass.imagery import Imagery
from napari_firstpass.pipeline import FittedModel, guide_bands, label_steps
from napari_firstpass.provenance import Provenance
from napari_firstpass.refining import run_record
from napari_firstpass.upsampling import upsampler_sha256
from napari_firstpass.weights.folder import is_path

if TYPE_CHECKING:
    from napari_firstpass.code_heads.head import CodeHead, HeadFile
    from napari_firstpass.config import SegmentConfig
    from napari_firstpass.feature_cache import FeatureCache
    from napari_firstpass.feature_scaling import FeatureScaler
    from napari_firstpass.normalize import BandStats
    from napari_firstpass.progress import Steps
    from napari_firstpass.protocols import ClassModel, LabelSink
    from napari_firstpass.raster import RasterSource
    from napari_firstpass.taxonomy import Taxonomy

_FOLDERS = ("backbone", "upsample")
"""Options that may name a folder, which a model does not know."""

_HERE = ("window", "overlap", "min_region", "runtime")
"""Options of labelling, not of the model."""


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
    features : float
        Numbers in a vector, divided by the pixels of its cell.
    config : SegmentConfig
        How it was fitted. Of this, the method, the backbone and what makes its features finer, the
        number of classes and the seed belong to the model.
    taxonomy : Taxonomy
        The classes: ids 1 … K, in the order of ``classes``.
    imagery : Imagery
        What an image must be like.
    provenance : Provenance
        How it came about; ``weights_sha256`` is that of the backbone.
    head : CodeHead or None
        What makes codes of the backbone's features before they are scaled, None for nothing.
    name : str
        What to call it in messages and records.
    sha256 : str or None
        Hash of all that its file says; None for a model that was not read from one.
    """

    stats: BandStats
    scaler: FeatureScaler
    classes: ClassModel
    features: float
    config: SegmentConfig
    taxonomy: Taxonomy
    imagery: Imagery
    provenance: Provenance
    head: CodeHead | None = None
    name: str = "the model"
    sha256: str | None = None

    def __post_init__(self) -> None:
        bands = {len(self.imagery.roles), len(self.stats.low), len(self.stats.high)}
        counts = {self.classes.count, len(self.taxonomy), self.config.classes}
        if len(bands) > 1 or len(counts) > 1 or self.taxonomy.ids != (*range(1, max(counts) + 1),):
            raise WeightsError(
                expected=f"one number of bands, and of classes from 1 on, in {self.name}",
                found=f"{sorted(bands)} and {sorted(counts)}",
                remedy="get the file again, or fit anew",
            )


@dataclass(frozen=True, slots=True)
class ReadyModel:
    """A model of a set with its backbone: labels one image after the other.

    Attributes
    ----------
    model : SetModel
        The model.
    labeller : FittedModel
        The same, ready to compute.
    """

    model: SetModel
    labeller: FittedModel

    def write_steps(
        self, source: RasterSource, metres: float | None, sink: LabelSink, config: SegmentConfig
    ) -> Steps[None]:
        """Label an image of any size, window by window.

        Parameters
        ----------
        source : RasterSource
            The image.
        metres : float or None
            Side of its pixels on the ground, None where unknown.
        sink : LabelSink
            Takes labels and confidence; ids are those of the model's taxonomy.
        config : SegmentConfig
            Of this, ``window``, ``overlap`` and ``min_region`` count.

        Raises
        ------
        ImageryError
            If the image is not like those that the model was fitted on.
        """
        kind = Imagery.of(source, metres)
        self.model.imagery.require(kind, name="the image", like=self.model.name)
        return (yield from label_steps(source, self.labeller, config, sink))

    def record(
        self, config: SegmentConfig, *, name: str, digest: str | None, bands: str | None
    ) -> Provenance:
        """Return how labels come about; see `Provenance`.

        Parameters
        ----------
        config : SegmentConfig
            As in `write_steps`.
        name : str
            What the image is called.
        digest : str or None
            SHA-256 of the image file.
        bands : str or None
            What the user said that the bands are.
        """
        here = {key: getattr(config, key) for key in _HERE}
        model = {"model": self.model.name, "model_sha256": self.model.sha256}
        return Provenance(
            config={
                **self.model.provenance.config,
                **model,
                **here,
                **run_record(config),
                "bands": bands,
            },
            source=name,
            source_sha256=digest,
            weights_sha256=self.model.provenance.weights_sha256,
        )


def ready_steps(
    model: SetModel, config: SegmentConfig, *, cache: FeatureCache | None = None
) -> Steps[ReadyModel]:
    """Load the backbone of a model.

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
    folders = {key: getattr(config, key) for key in _FOLDERS if is_path(getattr(config, key))}
    used = replace(model.config, runtime=config.runtime, **folders)
    device, roles = device_of(config), model.imagery.roles
    _require_same_weights(model, used)
    backbone = yield from backbone_steps(used, model.stats, roles, device, cache)
    if model.head is not None:
        backbone = ProjectedBackbone(backbone, model.head.to(device))
    scaler = replace(
        model.scaler,
        mean=model.scaler.mean.to(device),
        projection=model.scaler.projection.to(device),
    )
    classes = model.classes.to(device)
    labeller = FittedModel(
        model.stats, backbone, scaler, classes, guide_bands(roles), device, model.features
    )
    return ReadyModel(replace(model, config=used), labeller)


def _require_same_weights(model: SetModel, used: SegmentConfig) -> None:
    record = model.provenance
    wanted = (record.weights_sha256, record.config.get("upsample_sha256"))
    shown, found = shown_references(used), weights_of(used)
    for key, ours, theirs in zip(_FOLDERS, found, wanted, strict=True):
        if ours != theirs:
            raise WeightsError(
                expected=f"the {key} that {model.name} was fitted with",
                found=f"other weights of {shown[key]}",
                remedy=f"give that one (--{key} FOLDER), or fit anew",
            )


def shown_references(config: SegmentConfig) -> dict[str, str]:
    """Return what is told of a backbone and what follows it: a name, of a path only its own."""
    told = {key: getattr(config, key) for key in _FOLDERS}
    shown = {key: Path(text).name if is_path(text) else text for key, text in told.items()}
    return {**shown, "projection": Path(config.projection).name}


def weights_record(
    config: SegmentConfig, head: HeadFile | None
) -> tuple[dict[str, str], str | None]:
    """Return what a record tells of all that makes features, and the backbone's hash.

    Parameters
    ----------
    config : SegmentConfig
        Names the backbone and what follows it.
    head : HeadFile or None
        What makes codes of features: the one that is used, for its file may change meanwhile.

    Raises
    ------
    WeightsError
        See `weights_of`.
    """
    weights, finer = weights_of(config)
    hashes = {"upsample_sha256": finer, "projection_sha256": head.sha256 if head else None}
    told = {name: digest for name, digest in hashes.items() if digest is not None}
    return {**shown_references(config), **told}, weights


def weights_of(config: SegmentConfig) -> tuple[str | None, str | None]:
    """Return the hashes of the weights of the backbone and of the upsampler, None for none.

    Raises
    ------
    WeightsError
        If they are missing or cannot be read.
    """
    return backbone_factory(config.backbone).weights_sha256(), upsampler_sha256(config.upsample)
