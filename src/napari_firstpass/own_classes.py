"""Models that bring classes of their own: of ``firstpass fit``, or networks trained with labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import torch

from napari_firstpass.backbones import BACKBONES
from napari_firstpass.describing import device_of
from napari_firstpass.errors import UnknownNameError
from napari_firstpass.fitting import ReadyModel, ready_steps
from napari_firstpass.model_file import SUFFIX, read_model
from napari_firstpass.networks.figure import load_figure_steps
from napari_firstpass.networks.folder import VisionFolder
from napari_firstpass.networks.semantic import load_semantic_steps
from napari_firstpass.networks.semantic_source import semantic_folder
from napari_firstpass.progress import Progress, Span, Steps, relay
from napari_firstpass.protocols import Reentrant
from napari_firstpass.refiners import NO_REFINER
from napari_firstpass.semantic_labels import ClassNetwork
from napari_firstpass.weights.catalogue import KNOWN
from napari_firstpass.weights.folder import find, is_path

if TYPE_CHECKING:
    from napari_firstpass.config import SegmentConfig
    from napari_firstpass.feature_cache import FeatureCache

OwnClasses: TypeAlias = ReadyModel | ClassNetwork

ATTENTION = "attention:"
"""Before a network without classes: figure and ground, by what it attends to."""

_MOST_AT_ONCE = 4
"""Images: each takes up to a gigabyte."""


def images_at_once(config: SegmentConfig, model: OwnClasses | None) -> int:
    """Return how many images to segment at the same time; torch's threads are divided among them.

    Parameters
    ----------
    config : SegmentConfig
        The options.
    model : loaded model or None
        What labels the images; None if each has classes of its own.
    """
    if config.refine != NO_REFINER:
        return 1  # some hold much at a time
    if model is None:
        # What cannot be had is said of each image, not here.
        known = config.backbone in BACKBONES.names
        alone = known and isinstance(BACKBONES.load(config.backbone), Reentrant)
        plain = alone and config.upsample == config.projection == "none"
        reentrant = plain and config.device != "cuda" and device_of(config).type == "cpu"
    else:
        reentrant = isinstance(model, ReadyModel) and model.labeller.reentrant
    return min(torch.get_num_threads(), _MOST_AT_ONCE) if reentrant else 1


def is_model_file(reference: str) -> bool:
    """Tell whether a reference means a file of ``firstpass fit``, whether it is there or not."""
    return reference.endswith(SUFFIX) or Path(reference).is_file()


def load_model_steps(
    reference: str, config: SegmentConfig, *, cache: FeatureCache | None = None
) -> Steps[OwnClasses]:
    """Find and load a model.

    Parameters
    ----------
    reference : str
        A file of ``firstpass fit``, a name of `semantic_source.semantic_names`, or the path of a
        folder with a network (see `weights.folder.find`); after `ATTENTION`, a backbone with
        weights, such as ``attention:dino-s8``.
    config : SegmentConfig
        Of this, the device counts, and the backbone if it is a folder.
    cache : FeatureCache, optional
        Where features that are expensive are kept.

    Raises
    ------
    UnknownNameError
        See `semantic_source.semantic_folder`.
    WeightsError
        If the model or the weights of its backbone are not there, damaged, or of another kind.
    """
    if reference.startswith(ATTENTION):
        folder = _backbone_folder(reference.removeprefix(ATTENTION))
        return (yield from load_figure_steps(folder))
    if not is_model_file(reference):
        folder = semantic_folder(reference, others='a file of "firstpass fit", ')
        return (yield from load_semantic_steps(folder))
    yield Progress(0, 10, "reading the model")
    model = read_model(reference)
    return (yield from relay(ready_steps(model, config, cache=cache), Span(1, 10, 10)))


def _backbone_folder(reference: str) -> VisionFolder:
    known = tuple(name for name, model in KNOWN.items() if model.task == "features")
    if not is_path(reference) and reference not in known:
        raise UnknownNameError.of("backbone with weights", reference, known)
    return VisionFolder(find(reference))
