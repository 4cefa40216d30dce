"""What a method must offer to take part: one protocol, one method each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_firstpass.aligning import AlignConfig, AlignedWindow, AlignJob, AlignView
    from napari_firstpass.alignment import Decision
    from napari_firstpass.bands import Role
    from napari_firstpass.feature_cache import FeatureCache
    from napari_firstpass.features import FeatureMap
    from napari_firstpass.grid import Window
    from napari_firstpass.normalize import BandStats
    from napari_firstpass.progress import Steps
    from napari_firstpass.prompts import Answer, Named, Prompt
    from napari_firstpass.raster import Raster
    from napari_firstpass.refinement import LabelGuide, Refinement, View
    from napari_firstpass.segmentation import Labels
    from napari_firstpass.training_state import Keeper


class Backbone(Protocol):
    """Turns a window into feature vectors; holds whatever it learned about the image's bands."""

    def extract(self, raster: Raster) -> Steps[FeatureMap]:
        """Return one vector for each stride x stride block of ``raster``.

        Its pixels without data hold the values of their neighbours (`normalize.filled`). The
        result must not depend on where a window was cut, but near the cut.
        """
        ...


@runtime_checkable
class Reentrant(Backbone, Protocol):
    """A backbone that describes several windows at the same time, in several threads."""

    reentrant: ClassVar[bool]
    """True. What tells it from other backbones."""


class BackboneFactory(Protocol):
    """Makes a backbone for an image; what a table of backbones holds."""

    def __call__(
        self, stats: BandStats, roles: tuple[Role | None, ...], device: torch.device
    ) -> Backbone:
        """Return a backbone for bands with these value ranges and roles."""
        ...

    def weights_sha256(self) -> str | None:
        """Return the hash of the weights that it is made with, None if there are none."""
        ...

    def identity(self) -> str | None:
        """Return a text that stands for the model and all its settings; see `identity_of`.

        None if its features cost less to compute than to read from a disk, and are not kept.
        """
        ...


class Upsampler(Protocol):
    """Makes maps of coarse cells finer."""

    def finer(
        self, maps: Tensor, picture: Tensor, factor: int, shape: tuple[int, int]
    ) -> Steps[Tensor]:
        """Return maps on a finer grid, holding little more than these at a time.

        Parameters
        ----------
        maps : (D, h, w) float32 tensor
            Vectors of coarse cells.
        picture : (3, H, W) float32 tensor
            The image in [0, 1]. H and W are multiples of h · factor and w · factor.
        factor : int
            Fine cells for each coarse one, along each axis.
        shape : (int, int)
            Rows and columns to return, counted from the top left: coarse cells may reach beyond
            the image.

        Returns
        -------
        (D, *shape) float32 tensor
            Vectors of fine cells.
        """
        ...


class ClassModel(Protocol):
    """A fitted set of classes; the same for every window of an image."""

    @property
    def count(self) -> int:
        """Number of classes."""
        ...

    def to(self, device: torch.device) -> ClassModel:
        """Return the same classes on a device."""
        ...

    def scores(self, vectors: Tensor) -> Tensor:
        """Return class probabilities (K, h, w), summing to 1 over K, of vectors (D, h, w)."""
        ...


class Segmenter(Protocol):
    """Finds classes in a sample of an image."""

    def fit(self, sample: Sequence[FeatureMap]) -> Steps[ClassModel]:
        """Return classes that fit ``sample``, windows spread over the image."""
        ...


@runtime_checkable
class Resumable(Segmenter, Protocol):
    """A segmenter that works long, and can go on from where an earlier run of it stood."""

    resumes: ClassVar[bool]
    """True. What tells it from other segmenters."""

    def fit(self, sample: Sequence[FeatureMap], *, keeper: Keeper = ...) -> Steps[ClassModel]:
        """Return classes that fit ``sample``: the same, wherever it went on from.

        Parameters
        ----------
        sample : sequence of FeatureMap
            As in `Segmenter`.
        keeper : Keeper
            Asked for the state of an earlier run, and told the state of this one again and again.
            By default, nothing is kept.
        """
        ...


@runtime_checkable
class ProbeSegmenter(Protocol):
    """A segmenter that can start from classes of a cluster probe instead of its own."""

    def with_probe(self, centres: Tensor, outlines: Sequence[FeatureMap]) -> Segmenter:
        """Return what starts from a probe, and is to be fitted to codes.

        Parameters
        ----------
        centres : (K, W) tensor
            Directions of the classes, in the space of codes.
        outlines : sequence of FeatureMap
            The features, scaled, that the codes of the sample were made of: they show what belongs
            together.
        """
        ...


class SegmenterFactory(Protocol):
    """Makes a segmenter; what a table of segmenters holds."""

    def __call__(self, *, classes: int, seed: int) -> Segmenter:
        """Return a segmenter that looks for ``classes`` classes."""
        ...


class Refiner(Protocol):
    """Moves the borders of labels to where the image has them.

    One is made for a run, and is given its windows in row-major order.
    """

    def refine(self, picture: Tensor, valid: Tensor, guide: LabelGuide) -> Steps[Refinement]:
        """Return labels whose borders follow the image.

        Parameters
        ----------
        picture : (3, H, W) float32 tensor
            The image in [0, 1]; pixels without data hold their neighbours' values.
        valid : (H, W) bool tensor
            Where False, the result is 0.
        guide : LabelGuide
            The labels.

        Returns
        -------
        Refinement
            Labels of the same classes (never an id that the guide does not hold), and how sure
            they are.
        """
        ...


@runtime_checkable
class RecordedRefiner(Refiner, Protocol):
    """A refiner whose name and preset do not tell all that decides what it does."""

    def record(self) -> dict[str, Any]:
        """Return what else there is to tell, as plain values, for the provenance."""
        ...


@runtime_checkable
class ReentrantRefiner(Refiner, Protocol):
    """A refiner that remembers nothing, and refines several windows at the same time."""

    reentrant: ClassVar[bool]
    """True. What tells it from other refiners."""


@runtime_checkable
class TrainedRefiner(Refiner, Protocol):
    """A refiner that is trained: on each window by itself, or once for all windows of an image."""

    def trained(self, views: Sequence[View]) -> Steps[Refiner]:
        """Return what refines windows alike that were not seen.

        Parameters
        ----------
        views : sequence of View
            Windows spread over the image, with their labels.
        """
        ...


class RefinerFactory(Protocol):
    """Makes a refiner; what a table of refiners holds."""

    def __call__(self, *, preset: str, seed: int, device: torch.device) -> Refiner:
        """Return a refiner with the settings of a preset, which is refused if it has none."""
        ...


class PreparedImage(Protocol):
    """An image that a prompter has looked at: all that does not depend on what is pointed at."""

    def answer(self, prompt: Prompt) -> Steps[Answer]:
        """Return masks (N, H, W) for what is pointed at, the best first.

        Raises
        ------
        PromptError
            If the prompt lies outside the image or on pixels without data, or holds words that
            this prompter does not know.
        """
        ...


@runtime_checkable
class WordImage(PreparedImage, Protocol):
    """A prepared image that can be asked for many things at once, by their names."""

    def classes(self, names: Sequence[str], background: float | None) -> Steps[Named]:
        """Return which of some names each pixel has.

        Parameters
        ----------
        names : sequence of str
            What may be there. What is not there is best left out: it may be found nevertheless.
        background : float or None
            Below which value in [0, 1) a pixel has none of them; None for the prompter's own.

        Raises
        ------
        PromptError
            If there are no names, or one that cannot be read.
        OptionError
            If the background is out of its range.
        """
        ...


class Prompter(Protocol):
    """Finds the outline of what is pointed at."""

    def prepare(self, raster: Raster, picture: Tensor) -> Steps[PreparedImage]:
        """Look at an image once, so that every prompt is answered quickly.

        Parameters
        ----------
        raster : Raster
            The image or a window of it. Its pixels without data hold the values of their
            neighbours (`normalize.filled`).
        picture : (3, H, W) float32 tensor
            The same in [0, 1], as a person would be shown it.
        """
        ...


@runtime_checkable
class RecordedPrompter(Prompter, Protocol):
    """A prompter that tells what decides its answers, for the record of label maps."""

    def record(self) -> Steps[dict[str, Any]]:
        """Return it as plain values; ``weights_sha256`` is the hash of its weights."""
        ...


@runtime_checkable
class KeepingPrompter(Prompter, Protocol):
    """A prompter that keeps on disk what it has seen of images, by default where features are."""

    def keeping(self, cache: FeatureCache | None) -> Prompter:
        """Return the same, keeping it in another place, or not at all."""
        ...


class PrompterFactory(Protocol):
    """Makes a prompter; what a table of prompters holds."""

    def __call__(
        self, *, preset: str, model: str | None, backbone: Backbone, seed: int, device: torch.device
    ) -> Prompter:
        """Return a prompter with the settings of a preset, which is refused if it has none.

        Parameters
        ----------
        preset : str
            Name of settings.
        model : str or None
            Name, folder or file of weights, for prompters that need some; None for their own.
        backbone : Backbone
            Describes the image, for prompters that compare descriptions.
        seed : int
            Drives random choices.
        device : torch.device
            Where to compute.
        """
        ...


class PreparedAligner(Protocol):
    """What a way to align came to before the first window: then windows are aligned one by one."""

    @property
    def proposals(self) -> tuple[Decision, ...]:
        """What each class of the source that has pixels becomes as a whole, numbered from 1.

        Where regions are decided on, these are what most of the class is expected to become, for a
        person to look at; empty where nothing can be said before.
        """
        ...

    @property
    def looks(self) -> bool:
        """Whether windows come with pixels of the image, and with context around them."""
        ...

    @property
    def outlines(self) -> bool:
        """Whether decisions tell the pixels of their regions, and the record those of classes."""
        ...

    def align(self, view: AlignView) -> Steps[AlignedWindow]:
        """Return the labels of a window in the classes of the target.

        Windows of one image come in row-major order, images in the order of the job. Of a window
        with context only the middle is kept, and only the decisions on regions that reach into it.
        """
        ...

    def report(self) -> Mapping[str, Any]:
        """Return what else there is to tell, after the last window, as plain values for JSON."""
        ...


class Aligner(Protocol):
    """Brings labels to the classes of another list."""

    def prepared(self, job: AlignJob) -> Steps[PreparedAligner]:
        """Look at everything that the windows have in common, once.

        Raises
        ------
        OptionError
            If what this way needs is missing: an image, a table, hints, weights.
        """
        ...


@runtime_checkable
class RecordedAligner(Aligner, Protocol):
    """An aligner that tells what decides what it does, for the provenance."""

    def record(self) -> dict[str, Any]:
        """Return it as plain values; hashes of weights and files among them."""
        ...


class AlignerFactory(Protocol):
    """Makes an aligner; what a table of aligners holds."""

    def __call__(self, config: AlignConfig) -> Aligner:
        """Return an aligner that does as it was told; it takes of this what it needs."""
        ...


class Labeller(Protocol):
    """Tells classes of windows of one image; what the pipeline labels with."""

    @property
    def count(self) -> int:
        """Number of classes."""
        ...

    @property
    def features(self) -> float:
        """Numbers in a vector, divided by the pixels of its cell: how much memory windows need."""
        ...

    @property
    def stats(self) -> BandStats:
        """The stretch of the bands."""
        ...

    @property
    def guide(self) -> tuple[int, ...]:
        """Bands whose edges the labels follow."""
        ...

    @property
    def device(self) -> torch.device:
        """Where to compute."""
        ...

    @property
    def reentrant(self) -> bool:
        """Whether several threads may ask for scores at the same time."""
        ...

    def scores(self, raster: Raster) -> Steps[FeatureMap]:
        """Return class probabilities of cells, as vectors (K, h, w) that sum to 1 over K.

        Pixels of ``raster`` without data hold the values of their neighbours.
        """
        ...


class LabelSink(Protocol):
    """Takes finished windows: a file that is being written, or an array in memory."""

    def write(
        self,
        window: Window,
        labels: Labels,
        confidence: NDArray[np.uint8],
    ) -> None:
        """Store labels and confidence (both (h, w), see `Segmentation`) under ``window``."""
        ...
