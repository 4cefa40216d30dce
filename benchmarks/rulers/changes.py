"""What happens to images on the way to a user, and how to compare labels afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Bands = NDArray[np.uint8]
    Labels = NDArray[np.int64]


def _gamma(bands: Bands) -> Bands:
    return _rounded(255 * (bands / 255.0) ** 1.4)


def _contrast(bands: Bands) -> Bands:
    return _rounded((bands - 128.0) * 0.8 + 128)


def _turned(bands: Bands) -> Bands:
    return np.ascontiguousarray(np.rot90(bands, 1, (1, 2)))


def _halved(bands: Bands) -> Bands:
    count, height, width = bands.shape
    even = bands[:, : height // 2 * 2, : width // 2 * 2].astype(np.float32)
    return _rounded(even.reshape(count, height // 2, 2, width // 2, 2).mean((2, 4)))


def _compressed(bands: Bands) -> Bands:
    buffer = BytesIO()
    Image.fromarray(np.moveaxis(bands, 0, -1)).save(buffer, "JPEG", quality=50)
    with Image.open(buffer) as image:
        return np.ascontiguousarray(np.moveaxis(np.asarray(image), -1, 0))


def _rounded(values: NDArray[np.floating]) -> Bands:
    return values.round().clip(0, 255).astype(np.uint8)


def _in_place(labels: Labels) -> Labels:
    return labels


def _turned_back(labels: Labels) -> Labels:
    return np.rot90(labels, -1)


def _doubled(labels: Labels) -> Labels:
    return labels.repeat(2, 0).repeat(2, 1)


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happens to an image, and where its labels then lie on the image itself."""

    apply: Callable[[Bands], Bands]
    restore: Callable[[Labels], Labels] = _in_place


CHANGES: Mapping[str, Change] = {
    "gamma 1.4": Change(_gamma),
    "contrast × 0.8": Change(_contrast),
    "turned by 90°": Change(_turned, _turned_back),
    "half the scale": Change(_halved, _doubled),
    "JPEG quality 50": Change(_compressed),
}
