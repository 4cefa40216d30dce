"""What the panel does with models of many images, in threads: look at one, make one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_firstpass.backbones import BACKBONES
from napari_firstpass.errors import OptionError, WeightsError
from napari_firstpass.feature_cache import KEPT
from napari_firstpass.io.files import check_output
from napari_firstpass.pairing import images_in
from napari_firstpass.progress import Progress, Span, relay
from napari_firstpass.weights.catalogue import KNOWN
from napari_firstpass.weights.folder import is_path
from napari_firstpass.widgets.runs import feature_cache, leave_a_core, named_source

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_firstpass.config import SegmentConfig
    from napari_firstpass.errors import FirstPassError
    from napari_firstpass.feature_cache import KeptFeatures
    from napari_firstpass.fitting import SetModel
    from napari_firstpass.progress import Steps
    from napari_firstpass.widgets.image_layers import Subject

SUFFIX = ".firstpass"
"""That of `model_file`, which is too slow to import here: it brings torch."""

MODELS = f"Models (*{SUFFIX})"
"""The filter of file dialogs."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the panel shows of a model.

    Attributes
    ----------
    path : Path
        Its file, absolute.
    method, backbone : str
        How its classes were found, and on which features.
    classes : int
        How many there are.
    seed : int
        Of the fit.
    images : int
        On how many images it was fitted.
    """

    path: Path
    method: str
    backbone: str
    classes: int
    seed: int
    images: int

    @classmethod
    def of(cls, path: Path, model: SetModel) -> ModelFacts:
        """Take the facts out of a model."""
        config, images = model.config, model.provenance.config.get("fitted_on")
        count = len(images) if isinstance(images, list) else 0
        return cls(
            path.absolute(), config.method, config.backbone, len(model.taxonomy), config.seed, count
        )

    @property
    def name(self) -> str:
        """What users call it."""
        return self.path.stem

    @property
    def images_text(self) -> str:
        """``3 images``."""
        return "1 image" if self.images == 1 else f"{self.images} images"

    @property
    def about(self) -> str:
        """One line about the model, without a full stop."""
        return f"{self.classes} classes from {self.images_text}; they mean the same in every image"

    @property
    def needs_folder(self) -> bool:
        """Whether the features are those of a network that has no name by which to find it."""
        return self.backbone not in BACKBONES.names and self.backbone not in KNOWN

    def require_network(self, reference: str) -> None:
        """Refuse to go on without the folder of the network.

        Parameters
        ----------
        reference : str
            The backbone that is chosen.

        Raises
        ------
        WeightsError
            If a folder is needed, and this is none.
        """
        if self.needs_folder and not is_path(reference):
            raise WeightsError(
                expected=f"the network “{self.backbone}”, which {self.path.name} was fitted on",
                found=f"the features {reference}",
                remedy="choose its folder: More ▸ Features ▸ Folder…",
            )


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model that was written.

    Attributes
    ----------
    facts : ModelFacts
        The model.
    trouble : FirstPassError or None
        Why features could not be kept, which stops no fit.
    """

    facts: ModelFacts
    trouble: FirstPassError | None


@dataclass(frozen=True, slots=True)
class Fit:
    """What to fit on, and where to write it.

    Attributes
    ----------
    images : Path or tuple of Subject
        A folder whose images are looked up in the thread, or images that are open.
    out : Path
        The file.
    overwrite : bool
        Whether it may be replaced.
    """

    images: Path | tuple[Subject, ...]
    out: Path
    overwrite: bool

    @classmethod
    def at(cls, images: Path | tuple[Subject, ...], path: Path) -> Fit:
        """Write to ``path``, which the user has agreed to replace; it always ends as models do."""
        if path.suffix == SUFFIX:
            return cls(images, path, overwrite=path.exists())
        return cls(images, path.with_name(path.name + SUFFIX), overwrite=False)


def look_at_model(path: Path) -> Steps[ModelFacts]:
    """Read what a model file is.

    Raises
    ------
    WeightsError
        See `model_file.read_model`.
    """
    yield Progress(0, 1, "reading the model")
    from napari_firstpass.model_file import read_model

    return ModelFacts.of(path, read_model(path))


def fit_model(fit: Fit, config: SegmentConfig, kept: KeptFeatures = KEPT) -> Steps[Fitted]:
    """Find classes that several images share, and write them whole or not at all.

    Parameters
    ----------
    fit : Fit
        Images and file.
    config : SegmentConfig
        The options.
    kept : KeptFeatures
        As in `runs.find_classes`.
    """
    yield Progress(0, 1)
    from napari_firstpass.fit_images import fit_sources_steps
    from napari_firstpass.fit_options import FitOptions
    from napari_firstpass.model_file import write_model

    leave_a_core()
    check_output(fit.out, overwrite=fit.overwrite)  # refused before the work
    sources = [named_source(image) for image in _images(fit)]
    cache = feature_cache(config.backbone, kept)
    steps = fit_sources_steps(sources, config, FitOptions(cache=cache))
    model = yield from relay(steps, Span(0, 99, 100))
    yield Progress(99, 100, "writing the model")
    write_model(fit.out, model, overwrite=fit.overwrite)
    trouble = None if cache is None else cache.trouble
    return Fitted(ModelFacts.of(fit.out, model), trouble)


def _images(fit: Fit) -> Sequence[Path | Subject]:
    if not isinstance(fit.images, tuple):
        return images_in(fit.images)
    if not fit.images:
        raise OptionError(expected="open images", found="none", remedy="open some, or fit a folder")
    return fit.images
