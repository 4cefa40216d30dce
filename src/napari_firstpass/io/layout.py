"""Which bands of a file are the image, what they show, and which one only marks what is valid."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import hypot
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.enums import ColorInterp
from rasterio.windows import Window as GdalWindow

from napari_firstpass.bands import RGB, ROLES, guess_roles, parse_bands
from napari_firstpass.errors import ImageReadError
from napari_firstpass.io.gdal import color_table

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rasterio.io import DatasetReader

    from napari_firstpass.bands import Role

_HINTS: dict[str, Role] = {role: role for role in ROLES}

# In these formats a fourth channel can be nothing but transparency.
_ALPHA_FORMATS = ("PNG", "WEBP", "GIF")


@dataclass(frozen=True, slots=True)
class Layout:
    """How the bands of a file become a raster.

    Attributes
    ----------
    indexes : tuple of int
        The file's bands to read, counted from 1 as GDAL does.
    names : tuple of str
        Names of the raster's bands: the description, else the role, else ``band 4``.
    roles : tuple of str or None
        Roles of the raster's bands.
    dtype : dtype
        Type of the raster's bands; the smallest that holds all where the file mixes types.
    alpha : int or None
        The band that is zero where there is no data.
    palette : (N, C + 1) uint8 array or None
        Colours of a palette image, opacity last; the raster has C bands, the file has one.
    """

    indexes: tuple[int, ...]
    names: tuple[str, ...]
    roles: tuple[Role | None, ...]
    dtype: np.dtype[Any]
    alpha: int | None = None
    palette: NDArray[np.uint8] | None = None


def layout_of(dataset: DatasetReader, bands: str | None = None) -> Layout:
    """Decide how to read a file.

    Without ``bands``, roles come from the band descriptions, then from the colour interpretation.
    Three or four bands of which the file says nothing further are taken for red, green, blue and
    near infrared in that order, as nearly all such files are.

    A band marked as transparency that is not (see `is_transparency`) is image: four 8-bit bands
    are marked so by GDAL unless their writer objected, near infrared or not.

    Parameters
    ----------
    dataset : rasterio dataset
        The open file.
    bands : str or None
        What the user says the bands are, see `napari_firstpass.bands.parse_bands`; counts more
        than anything in the file, one entry for each of the file's bands.

    Raises
    ------
    ImageReadError
        If the file holds no bands or complex numbers.
    BandError
        If ``bands`` does not fit the file.
    """
    _check_content(dataset)
    colors = color_table(dataset)
    if dataset.count == 1 and colors:
        return _palette_layout(colors, dataset.dtypes[0], bands)
    chosen, named = parse_bands(bands, dataset.count) if bands else (None, None)
    alpha = _alpha_band(dataset, () if chosen is None else chosen)
    if chosen is None or named is None:
        chosen = tuple(i for i in range(dataset.count) if i + 1 != alpha) or (0,)
        named = _guessed_roles(dataset, chosen)
    described = (dataset.descriptions[i] for i in chosen)
    return Layout(
        indexes=tuple(i + 1 for i in chosen),
        names=tuple(
            text or role or f"band {i + 1}"
            for text, role, i in zip(described, named, chosen, strict=True)
        ),
        roles=named,
        dtype=np.result_type(*(dataset.dtypes[i] for i in chosen)),
        alpha=alpha,
    )


def is_transparency(dataset: DatasetReader, index: int) -> bool:
    """Tell a transparency band from near infrared, by a few small windows over the image.

    Transparency is all or nothing: where it is not zero, nine tenths of the pixels or more hold its
    largest value (soft edges are rare). Reflectance never looks like that.
    """
    if dataset.driver in _ALPHA_FORMATS:
        return True
    seen = np.empty(0, dataset.dtypes[index - 1])
    for window in _spots(dataset):
        values = dataset.read(index, window=window).ravel()
        seen = np.concatenate([seen, values[values != 0]])
        # Somebody waits for the image: what is far from transparent in one place needs no more.
        if seen.size >= window.width * window.height and _share_of_largest(seen) < 0.5:
            return False
    return not seen.size or _share_of_largest(seen) >= 0.9


def _share_of_largest(values: NDArray[Any]) -> float:
    return float(np.mean(values == values.max()))


def _check_content(dataset: DatasetReader) -> None:
    if not dataset.count:
        inner = ", ".join(dataset.subdatasets[:3])
        raise ImageReadError(
            expected="a file with one image in it",
            found=f"{dataset.name}, a container of {len(dataset.subdatasets)} images",
            remedy=f"name one of them, such as {inner}" if inner else "export it as GeoTIFF",
        )
    if any(text.startswith("complex") for text in dataset.dtypes):
        raise ImageReadError(
            expected="real numbers",
            found=f"complex ones in {dataset.name}",
            remedy="export their magnitude first",
        )


def _palette_layout(
    colors: dict[int, tuple[int, int, int, int]], dtype: str, bands: str | None
) -> Layout:
    palette = np.zeros((np.iinfo(dtype).max + 1, 4), dtype=np.uint8)
    palette[list(colors)] = list(colors.values())
    chosen, roles = parse_bands(bands, 3) if bands else ((0, 1, 2), RGB)
    return Layout(
        indexes=(1,),
        names=tuple(role or f"band {i + 1}" for role, i in zip(roles, chosen, strict=True)),
        roles=roles,
        dtype=np.dtype(np.uint8),
        palette=palette[:, [*chosen, 3]],
    )


def _alpha_band(dataset: DatasetReader, chosen: tuple[int, ...]) -> int | None:
    marked = (
        i + 1
        for i, meaning in enumerate(dataset.colorinterp)
        if meaning == ColorInterp.alpha and i not in chosen and dataset.count > 1
    )
    return next((index for index in marked if is_transparency(dataset, index)), None)


def _guessed_roles(dataset: DatasetReader, chosen: tuple[int, ...]) -> tuple[Role | None, ...]:
    names = tuple(dataset.descriptions[i] or "" for i in chosen)
    meanings = [dataset.colorinterp[i] for i in chosen]
    hints = tuple(_HINTS.get(meaning.name) for meaning in meanings)
    roles = guess_roles(names, hints)
    silent = (ColorInterp.undefined, ColorInterp.gray, ColorInterp.alpha)
    open_ends = [
        role is None and not name and meaning in silent
        for role, name, meaning in zip(roles, names, meanings, strict=True)
    ]
    if len(chosen) not in (3, 4) or any(
        role is None and not is_open for role, is_open in zip(roles, open_ends, strict=True)
    ):
        return roles
    missing = iter([role for role in ROLES if role not in roles])
    return tuple(role or next(missing) for role in roles)


def _spots(dataset: DatasetReader, side: int = 64, per_axis: int = 5) -> list[GdalWindow]:
    """Return small windows spread evenly over a file, those in the middle first."""
    height, width = min(side, dataset.height), min(side, dataset.width)
    tops = np.linspace(0, dataset.height - height, per_axis).astype(int)
    lefts = np.linspace(0, dataset.width - width, per_axis).astype(int)
    middle = (dataset.height - height) / 2, (dataset.width - width) / 2
    corners = sorted(
        product(dict.fromkeys(tops.tolist()), dict.fromkeys(lefts.tolist())),
        key=lambda corner: hypot(corner[0] - middle[0], corner[1] - middle[1]),
    )
    return [GdalWindow(left, top, width, height) for top, left in corners]
