"""Figure and ground, by what a transformer for images attends to.

Caron et al., "Emerging Properties in Self-Supervised Vision Transformers" (DINO, arXiv 2104.14294),
figure 1: the last layer's class token attends to what the picture is about. That takes no labels,
and is one of the guides of DynaGuide (methods.md, section 2.7).
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import ndimage
from skimage.filters import threshold_otsu

from napari_firstpass import descriptors
from napari_firstpass.errors import WeightsError
from napari_firstpass.features import FeatureMap
from napari_firstpass.networks.viewing import ViewConfig, Viewer, picture_of, resized, scaled
from napari_firstpass.networks.vision import VisionModel, load_model, stride_of
from napari_firstpass.normalize import BandStats, filled, usable
from napari_firstpass.progress import Progress, Span, relay
from napari_firstpass.taxonomy import LabelClass, Taxonomy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor
    from torch.nn import Module

    from napari_firstpass.networks.folder import VisionFolder
    from napari_firstpass.progress import Steps
    from napari_firstpass.raster import Raster

FIGURE_VIEW = ViewConfig(side=512, overlap=128)
"""A picture of up to this size is seen as a whole; of a larger one, each window has a figure."""

FIGURE_CLASSES = Taxonomy(
    (LabelClass(1, "ground", "#999999"), LabelClass(2, "figure", "#D55E00", aliases=("object",)))
)

_CPU = torch.device("cpu")
_BLUR = 0.8
"""Standard deviation in cells: what a Gaussian of 3 × 3 usually has."""
_SQUARE = np.ones((3, 3), bool)


@dataclass(frozen=True, slots=True)
class FigureModel:
    """A transformer for images, asked where it looks.

    Attributes
    ----------
    vision : VisionModel
        The network; it has a class token.
    name : str
        ``attention:`` and that of its folder, without those above.
    sha256 : str
        Hash of the files that it is made of.
    """

    vision: VisionModel
    name: str
    sha256: str

    @property
    def classes(self) -> Taxonomy:
        """Ground and figure."""
        return FIGURE_CLASSES

    @property
    def stride(self) -> int:
        """Image pixels of a cell, along each axis."""
        return stride_of(self.vision.patch)

    def attention(self, pixels: Tensor) -> Tensor:
        """Return what the class token attends to in the last layer, the mean over heads.

        Parameters
        ----------
        pixels : (N, 3, H, W) float tensor
            Scaled; H and W are multiples of the patch.

        Returns
        -------
        (N, H / patch, W / patch) float32 tensor
            Not negative; a row sums to at most 1.
        """
        shape = [side // self.vision.patch for side in pixels.shape[2:]]
        with _watched(self.vision.module) as seen:
            self.vision.maps(pixels)
        row = seen[-1][:, :, 0, self.vision.extra or 0 :]
        return row.float().mean(1).reshape(len(pixels), *shape)

    def probabilities(self, pixels: Tensor) -> Tensor:
        """Return how likely cells (N, 2, h, w) are ground and figure; see `figure_of`."""
        maps = [figure_of(found.cpu().numpy()) for found in self.attention(pixels)]
        figure = torch.from_numpy(np.stack(maps)).to(pixels.device)
        return torch.stack([1 - figure, figure], 1)

    def scores(
        self,
        raster: Raster,
        stats: BandStats | None = None,
        device: torch.device = _CPU,
        view: ViewConfig = FIGURE_VIEW,
    ) -> Steps[FeatureMap]:
        """Return how likely each block of pixels is ground and figure; see `SemanticModel.scores`.

        Raises
        ------
        ImageContentError
            If ``stats`` is not given, and ``raster`` holds no data or one value everywhere.
        ComputeError
            If there is not enough memory for a single window.
        """
        raster = usable(raster)
        stats = stats or BandStats.of([raster])
        stride, patch = self.stride, self.vision.patch
        whole = picture_of(filled(raster), stats, raster.roles, device, stride)
        picture = scaled(resized(whole, stride, patch), self.vision.scaling)
        viewer = Viewer(self.vision.module, self.probabilities, stride, patch, device, view)
        found = yield from viewer.look(picture)
        valid = descriptors.any_valid(raster, device, stride)
        return FeatureMap(found, valid, raster.grid.coarsen(stride), stride)


def load_figure_steps(folder: VisionFolder) -> Steps[FigureModel]:
    """Load a network that tells figure from ground by its attention.

    Raises
    ------
    WeightsError
        If the folder holds no image model that can be loaded, or one without a class token.
    """
    yield Progress(0, 100, "loading the model")
    model = load_model(folder)
    if model.extra:
        # Other kinds of attention never write down what they weigh.
        model.module.set_attn_implementation("eager")  # type: ignore[operator]
    _require_token(model, folder)
    digest = yield from relay(folder.sha256_steps(), Span(60, 100, 100), "reading its files")
    return FigureModel(model, f"attention:{folder.path.resolve().name}", digest)


def figure_of(attention: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how likely cells are figure.

    Otsu's threshold of the blurred attention is what a coin would decide; specks and holes of the
    figure up to two cells wide are removed.

    Parameters
    ----------
    attention : (h, w) float array
        What is attended to.

    Returns
    -------
    (h, w) float32 array
        In [0, 1], above ½ for figure; ½ everywhere where attention is even.
    """
    smooth = ndimage.gaussian_filter(attention.astype(np.float64), _BLUR, mode="nearest")
    low, high = float(smooth.min()), float(smooth.max())
    if not high > low:
        return np.full(attention.shape, 0.5, np.float32)
    middle = float(threshold_otsu(smooth))
    above = (smooth - middle) / max(high - middle, np.finfo(float).tiny)
    below = (middle - smooth) / max(middle - low, np.finfo(float).tiny)
    is_figure = smooth > middle
    sure = np.where(is_figure, above, below)
    # A border of what is there already: nothing is worn away at the edge of the picture.
    framed = np.pad(is_figure, 2, mode="edge")
    tidy = ndimage.binary_closing(ndimage.binary_opening(framed, _SQUARE), _SQUARE)[2:-2, 2:-2]
    # What was changed is as unlikely as can be, on its new side.
    lead = np.where(tidy == is_figure, sure, 0.0)
    return np.where(tidy, 0.5 + lead / 2, 0.5 - lead / 2).astype(np.float32)


@contextmanager
def _watched(module: Module) -> Iterator[list[Tensor]]:
    """Collect the attention (N, heads, T, T) of the last layer that is computed."""
    seen: list[Tensor] = []

    def note(_: Module, __: Any, output: Any) -> None:  # noqa: ANN401 - of any layer
        if isinstance(output, tuple) and len(output) > 1 and _is_attention(output[1]):
            seen[:] = [output[1]]

    hooks = [part.register_forward_hook(note) for part in module.modules()]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _is_attention(found: object) -> bool:
    return isinstance(found, torch.Tensor) and found.ndim == 4 and found.shape[2] == found.shape[3]


def _require_token(model: VisionModel, folder: VisionFolder) -> None:
    """Check that there is a class token, and that what it attends to can be seen."""
    found = "a network without a class token"
    if model.extra:
        side = 2 * model.patch
        with _watched(model.module) as seen:
            model.maps(torch.zeros(1, 3, side, 2 * side))
        if seen and seen[-1].shape[2] == 8 + model.extra:
            return
        found = "one that does not show its attention"
    raise WeightsError(
        expected="a transformer with a class token, such as DINO or DINOv2",
        found=f"{found} in {folder.path}",
        remedy='choose another network, such as "attention:dino-s8"',
    )
