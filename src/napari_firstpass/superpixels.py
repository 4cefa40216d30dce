"""Superpixels: regions found by colour alone.

They are a baseline for pre-labels (with `Prelabel.of_regions` each of them costs the simulated
annotator one click for the class that most of its pixels have), and what the refiner `superpixels`
lets vote.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from skimage.segmentation import felzenszwalb, slic

from napari_firstpass.errors import ImageContentError, OptionError

if TYPE_CHECKING:
    from numpy.typing import NDArray

PIXELS_PER_SEGMENT = 400
COMPACTNESS = 10.0
ROUNDS = 10
_LIGHTNESS_RANGE = 100.0


def slic_regions(
    image: NDArray[Any],
    *,
    pixels_per_segment: int = PIXELS_PER_SEGMENT,
    compactness: float = COMPACTNESS,
    rounds: int = ROUNDS,
) -> NDArray[np.int32]:
    """Cut an image into compact superpixels of about equal size (SLIC, Achanta et al. 2012).

    Parameters
    ----------
    image : (H, W, C) or (H, W) array
        uint8, or floating point in [0, 1]. Three channels are taken for RGB and compared as CIELAB.
    pixels_per_segment : int
        Their size aimed at, at least 1.
    compactness : float
        Weight of nearness against colour, above 0, on the scale of CIELAB's lightness (0 to 100).
        It is divided by 100 for images that are not RGB, whose values lie in [0, 1].
    rounds : int
        How often pixels are assigned anew, at least 1; half as many take half as long.

    Returns
    -------
    (H, W) int32 array
        Region of each pixel, from 0 without gaps; 4-connected.

    Raises
    ------
    ImageContentError
        If the image is of another kind.
    OptionError
        If an option lies outside its range.
    """
    _check_image(image)
    if min(pixels_per_segment, rounds) < 1 or not compactness > 0:
        raise OptionError(
            expected="at least 1 pixel a segment, a compactness above 0, and at least 1 round",
            found=f"{pixels_per_segment}, {compactness} and {rounds}",
            remedy="enlarge them",
        )
    is_rgb = image.ndim == 3 and image.shape[2] == 3
    regions = slic(
        image,
        n_segments=max(1, image.shape[0] * image.shape[1] // pixels_per_segment),
        compactness=compactness if is_rgb else compactness / _LIGHTNESS_RANGE,
        max_num_iter=rounds,
        start_label=0,
        enforce_connectivity=True,
        channel_axis=_channel_axis(image),
    )
    return _without_gaps(regions)


def felzenszwalb_regions(
    image: NDArray[Any], *, scale: float = 100.0, sigma: float = 0.8, min_size: int = 50
) -> NDArray[np.int32]:
    """Cut an image where neighbours differ much (Felzenszwalb and Huttenlocher 2004).

    Parameters
    ----------
    image : (H, W, C) or (H, W) array
        uint8, or floating point in [0, 1].
    scale : float
        Larger gives larger regions, above 0.
    sigma : float
        Width of the Gaussian that smooths the image first, in pixels, at least 0.
    min_size : int
        Smaller regions are joined to a neighbour, in pixels, at least 1.

    Returns
    -------
    (H, W) int32 array
        Region of each pixel, from 0 without gaps; connected, at corners too.

    Raises
    ------
    ImageContentError
        If the image is of another kind.
    OptionError
        If an option lies outside its range.
    """
    _check_image(image)
    if not scale > 0 or not sigma >= 0 or min_size < 1:
        raise OptionError(
            expected="a scale above 0, a sigma of at least 0, a min_size of at least 1",
            found=f"{scale}, {sigma}, {min_size}",
            remedy="enlarge them",
        )
    axis = _channel_axis(image)
    with warnings.catch_warnings():
        # More than three channels are meant here; scikit-image wonders whether they are.
        warnings.filterwarnings("ignore", "Got image with third dimension", RuntimeWarning)
        regions = felzenszwalb(image, scale, sigma, min_size, channel_axis=axis)
    return _without_gaps(regions)


def _check_image(image: NDArray[Any]) -> None:
    is_float = image.dtype.kind == "f"
    in_range = not is_float or bool(((image >= 0) & (image <= 1)).all())
    is_known = (is_float and in_range) or image.dtype == np.uint8
    if is_known and image.ndim in (2, 3) and 0 not in image.shape:
        return
    raise ImageContentError(
        expected="an image (H, W) or (H, W, C) of uint8, or of floats in [0, 1]",
        found=f"shape {image.shape} of {image.dtype}" + ("" if in_range else " beyond [0, 1]"),
        remedy="stretch it first",
    )


def _channel_axis(image: NDArray[Any]) -> int | None:
    return -1 if image.ndim == 3 else None


def _without_gaps(regions: NDArray[np.integer[Any]]) -> NDArray[np.int32]:
    _, numbers = np.unique(regions, return_inverse=True)
    without_gaps: NDArray[np.int32] = numbers.reshape(regions.shape).astype(np.int32)
    return without_gaps
