"""Label maps by networks that name what pixels show, or tell figure from ground."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, TypeAlias

from napari_firstpass.config import SegmentConfig
from napari_firstpass.device import torch_device
from napari_firstpass.networks.figure import FigureModel
from napari_firstpass.networks.semantic import SEMANTIC_VIEW, SemanticModel
from napari_firstpass.pipeline import guide_bands
from napari_firstpass.pipeline import label_steps as label_windows_steps
from napari_firstpass.progress import Span, Steps, relay
from napari_firstpass.provenance import Provenance
from napari_firstpass.raster import ArraySource, Raster
from napari_firstpass.refining import run_record
from napari_firstpass.sampling import band_stats_steps
from napari_firstpass.segmentation import ArraySink, Segmentation

if TYPE_CHECKING:
    import torch

    from napari_firstpass.features import FeatureMap
    from napari_firstpass.networks.viewing import ViewConfig
    from napari_firstpass.normalize import BandStats
    from napari_firstpass.protocols import LabelSink
    from napari_firstpass.raster import RasterSource

ClassNetwork: TypeAlias = SemanticModel | FigureModel
"""A network that says what each pixel is, without being told."""

WINDOWS = SegmentConfig()


@dataclass(frozen=True, slots=True)
class SemanticLabeller:
    """A network, ready to label windows of one image; a `Labeller`.

    Attributes
    ----------
    model : SemanticModel or FigureModel
        The network.
    stats : BandStats
        The stretch of the bands.
    guide : tuple of int
        Bands whose edges the labels follow.
    device : torch.device
        Where to compute.
    view : ViewConfig
        How to look through the network.
    """

    model: ClassNetwork
    stats: BandStats
    guide: tuple[int, ...]
    device: torch.device
    view: ViewConfig = SEMANTIC_VIEW

    @property
    def features(self) -> float:
        """None that are kept: a network is asked window by window."""
        return 0.0

    @property
    def reentrant(self) -> bool:
        """No: networks note things while they compute."""
        return False

    @property
    def count(self) -> int:
        """Number of classes."""
        return len(self.model.classes)

    def scores(self, raster: Raster) -> Steps[FeatureMap]:
        """Return class probabilities of cells; see `SemanticModel.scores`."""
        return (yield from self.model.scores(raster, self.stats, self.device, self.view))


def write_steps(
    source: RasterSource,
    model: ClassNetwork,
    sink: LabelSink,
    config: SegmentConfig = WINDOWS,
    view: ViewConfig = SEMANTIC_VIEW,
) -> Steps[None]:
    """Label an image of any size, window by window.

    Parameters
    ----------
    source : RasterSource
        The image.
    model : SemanticModel or FigureModel
        Tells the classes; the ids are those of its taxonomy.
    sink : LabelSink
        Takes the labels of each window, and their confidence.
    config : SegmentConfig
        Of this, ``window``, ``overlap``, ``min_region``, ``refine``, ``device`` and ``seed`` (of
        the sample that the stretch is measured on) count. Where windows meet, labels may differ a
        little; a larger overlap, up to half the window, makes that rarer.
    view : ViewConfig
        How to look through the network.

    Raises
    ------
    ImageContentError
        If the image holds no data, or one value everywhere.
    DeviceError
        If ``config`` names a device that there is not.
    ComputeError
        If there is not enough memory for a single window.
    """
    device = torch_device(config.device)
    stats = yield from relay(band_stats_steps(source, config.seed), Span(0, 1, 100))
    labeller = SemanticLabeller(model, stats, guide_bands(source.roles), device, view)
    yield from relay(label_windows_steps(source, labeller, config, sink), Span(1, 100, 100))


def label_steps(
    image: RasterSource | Raster,
    model: ClassNetwork,
    config: SegmentConfig = WINDOWS,
    view: ViewConfig = SEMANTIC_VIEW,
    *,
    name: str = "array",
    digest: str | None = None,
) -> Steps[Segmentation]:
    """Label an image; the labels are collected in memory.

    Parameters
    ----------
    image : RasterSource or Raster
        The image.
    model, config, view
        See `write_steps`.
    name : str
        What the image is called, for the provenance.
    digest : str or None
        SHA-256 of the image file, for the provenance.

    Returns
    -------
    Segmentation
        Labels of the model's taxonomy, sharpened at the edges of the image; confidence is the
        lead of the best class over the second best.

    Raises
    ------
    FirstPassError
        See `write_steps`.
    """
    source = ArraySource(image) if isinstance(image, Raster) else image
    sink = ArraySink.of(source.grid, model.classes)
    yield from write_steps(source, model, sink, config, view)
    return Segmentation(
        labels=sink.labels,
        taxonomy=model.classes,
        grid=source.grid,
        confidence=sink.confidence,
        provenance=record_of(model, config, view, name=name, digest=digest),
    )


def record_of(
    model: ClassNetwork,
    config: SegmentConfig = WINDOWS,
    view: ViewConfig = SEMANTIC_VIEW,
    *,
    name: str,
    digest: str | None = None,
    bands: str | None = None,
) -> Provenance:
    """Return how labels come about: all that decides what they are, as plain values.

    Parameters
    ----------
    model, config, view
        See `write_steps`.
    name : str
        What the image is called.
    digest : str or None
        SHA-256 of the image file.
    bands : str or None
        What the user said that the bands are.
    """
    shown = {key: getattr(config, key) for key in ("window", "overlap", "min_region", "seed")}
    looked = {key: value for key, value in asdict(view).items() if key != "batch"}
    return Provenance(
        config={
            "method": "semantic", "model": model.name, **shown, "view": looked, "bands": bands,
            **run_record(config),
        },
        source=name,
        source_sha256=digest,
        weights_sha256=model.sha256,
    )  # fmt: skip
