"""The images of the Potsdam-3 benchmark: patches in MATLAB or TIFF files, or whole ISPRS tiles.

The benchmark cuts each of the 38 tiles of ISPRS Potsdam, 6000 pixels wide, into 15 x 15 patches and
halves their resolution: 200 x 200 pixels each. Labels are 0 road, 1 building, 2 low vegetation,
3 tree, 4 car, 5 clutter, and 255 for unknown; tiles have them as colours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from rasterio.windows import Window as GdalWindow

from napari_firstpass.errors import ImageContentError, ImageReadError
from napari_firstpass.grid import Grid, Window
from napari_firstpass.io.gdal import check_readable, crs_text, reading
from napari_firstpass.io.ground import metres_per_pixel
from napari_firstpass.io.mat_file import read_arrays
from napari_firstpass.progress import Progress, Steps
from napari_firstpass.taxonomies import built_in
from napari_firstpass.taxonomies.color_codes import ColorCodes
from napari_firstpass.taxonomies.unknown import Unknown
from napari_firstpass.taxonomy import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from napari_firstpass.bands import Role

PATCH = 200
"""Side of a patch in pixels."""
SHRINK = 2
"""How much finer a tile is."""
UNKNOWN = 255
"""Id of pixels that the benchmark leaves out."""
UNEXPECTED = 254
"""Id that we give to pixels whose value or colour means nothing; they are left out too."""

_TRAIN, _TEST = "labelled_train", "labelled_test"
_ENDINGS = (".mat", ".tif", ".tiff")
_LABEL_FOLDERS = {"gt", "label", "labels", "truth", "5_labels_all"}
_LABEL_ENDS = ("_label", "_labels", "_gt", "_label_noBoundary")
_FORMS: dict[str, tuple[Role, Role, Role]] = {
    "_RGB": ("red", "green", "blue"),
    "_RGBIR": ("red", "green", "blue"),
    "_IRRG": ("nir", "red", "green"),
}
"""What the first three bands of a tile show, by the end of its name; the first that is there is
taken."""
_RGB: tuple[Role, Role, Role] = ("red", "green", "blue")
_TEST_SHARE = 855 / 5400


@dataclass(frozen=True, slots=True)
class Patch:
    """One image of the benchmark.

    Attributes
    ----------
    name : str
        What to call it.
    image : Path
        The file.
    labels : Path or None
        The file with its labels, which may be the same; None for a patch without.
    window : Window or None
        Its place in a tile; None for a file of its own.
    roles : tuple of 3 str
        What its bands show.
    """

    name: str
    image: Path
    labels: Path | None
    window: Window | None = None
    roles: tuple[Role, Role, Role] = _RGB

    def picture(self) -> NDArray[np.uint8]:
        """Return the first three bands (3, H, W).

        Raises
        ------
        ImageReadError
            If the file cannot be read, or holds no such image.
        """
        if self.image.suffix.lower() == ".mat":
            return _mat_picture(self.image)
        bands = _read_tif(self.image, self.window)
        _require_bytes(bands, self.image)
        return bands[:3] if self.window is None else _halved(bands[:3])

    def truth(self) -> NDArray[np.uint8]:
        """Return the labels (H, W): 0 … 5, `UNKNOWN` or `UNEXPECTED`.

        Raises
        ------
        ImageReadError
            If there are none, or the file cannot be read.
        """
        if self.labels is None:
            raise _no_labels(self.image)
        if self.labels.suffix.lower() == ".mat":
            return _mat_labels(self.labels)
        bands = _read_tif(self.labels, self.window)
        ids = _of_colours(bands) if len(bands) >= 3 else _bytes(bands[0])
        return ids if self.window is None else ids[::SHRINK, ::SHRINK]


@dataclass(frozen=True, slots=True)
class PotsdamSet:
    """The images that a folder holds.

    Attributes
    ----------
    train, test : tuple of Patch
        What to learn from (without its labels), and what to judge by.
    split : str
        Which split this is, for the record.
    metres : float or None
        Side of a pixel of a patch on the ground, where known.
    """

    train: tuple[Patch, ...]
    test: tuple[Patch, ...]
    split: str
    metres: float | None = None


def potsdam_steps(folder: Path) -> Steps[PotsdamSet]:
    """Find the images of the benchmark in a folder.

    The official split is taken from two lists of names, ``labelled_train.txt`` and
    ``labelled_test.txt``, or from two folders ``labelled_train`` and ``labelled_test``. Where there
    is neither, some of all patches are drawn to judge by, always the same.

    Labels are in the same ``.mat`` file as the image, or in a file of the same name in a folder
    ``gt`` or ``labels``, or in a file called NAME + ``_label``.

    Raises
    ------
    ImageReadError
        If the folder holds no images, no labels, or not those that a list names.
    ImageContentError
        If the images show different bands.
    """
    found = sorted(_files(folder))
    yield Progress(0, len(found), "looking at the images")
    labels = _label_files(folder, found)
    patches: dict[tuple[str, str], list[Patch]] = {}
    metres: list[float | None] = []
    for done, (key, file) in enumerate(_images(folder, found).items()):
        yield Progress(done, len(found), "looking at the images")
        roles = next((roles for end, roles in _FORMS.items() if file.stem.endswith(end)), _RGB)
        own = file if file.suffix.lower() == ".mat" else None
        patch = Patch(file.stem, file, labels.get(key, own), roles=roles)
        patches[key], size = _cut(patch)
        metres.append(size)
    if not patches:
        raise ImageReadError(
            expected=f"patches or tiles ({', '.join(_ENDINGS)}) in {folder}",
            found="none",
            remedy="give the folder that holds them",
        )
    _require_same_bands([patch for part in patches.values() for patch in part])
    return replace(_split(folder, patches), metres=metres[0] if len({*metres}) == 1 else None)


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ImageReadError(
            expected=f"a folder of Potsdam images at {folder}",
            found="a file" if folder.exists() else "nothing there",
            remedy="give the folder that holds the patches or tiles",
        )
    return [file for file in folder.rglob("*") if file.suffix.lower() in _ENDINGS]


def _key(folder: Path, file: Path) -> tuple[str, str]:
    """Return the folder of the split, and the name without what tells forms and labels apart."""
    part = next((p for p in file.relative_to(folder).parts[:-1] if p in (_TRAIN, _TEST)), "")
    for end in (*_LABEL_ENDS, *_FORMS):
        if file.stem.endswith(end):
            return part, file.stem.removesuffix(end)
    return part, file.stem


def _is_label(folder: Path, file: Path) -> bool:
    inside = {part.lower() for part in file.relative_to(folder).parts[:-1]}
    return bool(inside & _LABEL_FOLDERS) or file.stem.endswith(_LABEL_ENDS)


def _label_files(folder: Path, files: Iterable[Path]) -> dict[tuple[str, str], Path]:
    """Return label files by key; whole ones before those whose borders are blacked out."""
    ordered = sorted(files, key=lambda file: file.stem.endswith("_noBoundary"), reverse=True)
    return {_key(folder, file): file for file in ordered if _is_label(folder, file)}


def _images(folder: Path, files: Iterable[Path]) -> dict[tuple[str, str], Path]:
    """Return image files by key, one of each; the first form that is there."""
    forms = list(_FORMS)
    chosen: dict[tuple[str, str], tuple[int, Path]] = {}
    for file in files:
        if not _is_label(folder, file):
            rank = next((i for i, end in enumerate(forms) if file.stem.endswith(end)), -1)
            key = _key(folder, file)
            chosen[key] = min(chosen.get(key, (rank, file)), (rank, file))
    return {key: file for key, (_, file) in chosen.items()}


def _cut(patch: Patch) -> tuple[list[Patch], float | None]:
    """Return the patches of a file, and the size of their pixels in metres."""
    if patch.image.suffix.lower() == ".mat":
        return [patch], None
    name = str(patch.image)
    check_readable(name)
    with reading(name), rasterio.open(name) as dataset:
        grid = Grid(dataset.height, dataset.width, dataset.transform, crs_text(dataset.crs))
    metres, side = metres_per_pixel(grid), PATCH * SHRINK
    if min(grid.shape) < side:
        return [patch], metres
    _require_labels_of(patch, grid)
    rows, cols = grid.height // side, grid.width // side
    windows = [Window(r * side, c * side, side, side) for r in range(rows) for c in range(cols)]
    cut = [replace(patch, name=f"{patch.name} at {w.row}, {w.col}", window=w) for w in windows]
    return cut, None if metres is None else metres * SHRINK


def _require_labels_of(tile: Patch, grid: Grid) -> None:
    """Check that the labels of a tile cover it."""
    if tile.labels is None:
        return
    name = str(tile.labels)
    check_readable(name)
    with reading(name), rasterio.open(name) as dataset:
        shape = (dataset.height, dataset.width)
    if shape != grid.shape:
        raise ImageReadError(
            expected=f"labels as large as {tile.image.name}, {grid.height} x {grid.width}",
            found=f"{shape[0]} x {shape[1]} in {tile.labels}",
            remedy="give the labels that belong to it",
        )


def _require_same_bands(patches: list[Patch]) -> None:
    first = patches[0]
    other = next((patch for patch in patches if patch.roles != first.roles), None)
    if other is not None:
        raise ImageContentError(
            expected=f"{', '.join(first.roles)} in all images, as in {first.image.name}",
            found=f"{', '.join(other.roles)} in {other.image.name}",
            remedy="keep one form of the tiles in the folder",
        )


def _split(folder: Path, patches: Mapping[tuple[str, str], list[Patch]]) -> PotsdamSet:
    lists = [folder / f"{part}.txt" for part in (_TRAIN, _TEST)]
    parts = {part for part, _ in patches}
    if all(file.is_file() for file in lists):
        train, test = (_listed(file, patches) for file in lists)
        told = f"{_TRAIN} and {_TEST}, by lists"
    elif {_TRAIN, _TEST} <= parts:
        train, test = (
            [patch for (part, _), own in patches.items() if part == wanted for patch in own]
            for wanted in (_TRAIN, _TEST)
        )
        told = f"{_TRAIN} and {_TEST}, by folders"
    else:
        train, test = _own_split(folder, [patch for own in patches.values() for patch in own])
        told = (
            f"own split: {len(test)} of {len(train) + len(test)} patches, drawn with seed 0; "
            "not to be compared closely with published figures"
        )
    without = next((patch for patch in test if patch.labels is None), None)
    if without is not None:
        raise _no_labels(without.image)
    return PotsdamSet(tuple(train), tuple(test), told)


def _listed(file: Path, patches: Mapping[tuple[str, str], list[Patch]]) -> list[Patch]:
    try:
        names = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeError) as error:
        raise ImageReadError(
            expected=f"a list of names in {file}", found=str(error), remedy="write it as UTF-8"
        ) from error
    by_name = {name: own for (_, name), own in patches.items()}
    wanted = [Path(name).name.removesuffix(".mat") for name in names if name]
    missing = [name for name in wanted if name not in by_name]
    if missing or not wanted:
        raise ImageReadError(
            expected=f"the patches that {file.name} names",
            found=f"no {missing[0]} ({len(missing)} missing)" if missing else "no names in it",
            remedy="complete the folder, or remove the lists to draw a split",
        )
    return [patch for name in wanted for patch in by_name[name]]


def _own_split(folder: Path, patches: list[Patch]) -> tuple[list[Patch], list[Patch]]:
    labelled = [patch for patch in patches if patch.labels is not None]
    if len(labelled) < 2:
        raise ImageReadError(
            expected=f"labels of two patches or more in {folder}, to judge by",
            found=f"those of {len(labelled)} out of {len(patches)}",
            remedy="put them beside the images, as NAME_label.tif or in a folder gt",
        )
    order = np.random.default_rng(0).permutation(len(labelled))
    count = max(1, round(_TEST_SHARE * len(labelled)))
    chosen = {int(i) for i in order[:count]}
    train = [patch for i, patch in enumerate(labelled) if i not in chosen]
    return train, [patch for i, patch in enumerate(labelled) if i in chosen]


def _no_labels(image: Path) -> ImageReadError:
    return ImageReadError(
        expected=f"labels of {image.name}, to judge by",
        found=f"none beside {image}",
        remedy="put them beside the images, as NAME_label.tif or in a folder gt",
    )


def _mat_picture(path: Path) -> NDArray[np.uint8]:
    images = [array for array in read_arrays(path).values() if array.ndim == 3]
    fits = len(images) == 1 and images[0].shape[2] in (3, 4)
    if (
        not fits
        or images[0].dtype.kind not in "ui"
        or not 0 <= images[0].min() <= images[0].max() < 256
    ):
        raise ImageReadError(
            expected=f"one image (H, W, 3 or 4) of values from 0 to 255 in {path}",
            found=", ".join(f"{a.shape} of {a.dtype}" for a in images) or "none",
            remedy="give patches with red, green, blue and perhaps near infrared",
        )
    return np.ascontiguousarray(np.moveaxis(images[0][:, :, :3], -1, 0)).astype(np.uint8)


def _mat_labels(path: Path) -> NDArray[np.uint8]:
    arrays = read_arrays(path).values()
    flat = [array for array in arrays if array.ndim == 2 and array.dtype.kind in "ui"]
    if len(flat) != 1:
        shapes = ", ".join(f"{a.shape} of {a.dtype}" for a in arrays) or "nothing"
        raise ImageReadError(
            expected=f"one label map (H, W) of whole numbers in {path}",
            found=shapes,
            remedy="put labels into it, or beside the images in a folder gt",
        )
    return _bytes(flat[0])


def _read_tif(path: Path, window: Window | None) -> NDArray[Any]:
    """Return all bands (C, H, W) of a file, or of a window of it."""
    name = str(path)
    check_readable(name)
    area = None
    if window is not None:
        area = GdalWindow(window.col, window.row, window.width, window.height)
    with reading(name), rasterio.open(name) as dataset:
        values: NDArray[Any] = dataset.read(window=area)
    return values


def _require_bytes(bands: NDArray[Any], path: Path) -> None:
    if bands.dtype != np.uint8 or len(bands) < 3:
        raise ImageReadError(
            expected=f"three 8-bit bands or more in {path}",
            found=f"{len(bands)} of {bands.dtype}",
            remedy="give patches or tiles with red, green and blue",
        )


def _halved(bands: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the mean of each block of pixels, rounded."""
    count, height, width = bands.shape
    blocks = bands.reshape(count, height // SHRINK, SHRINK, width // SHRINK, SHRINK)
    sums = blocks.astype(np.uint16).sum((2, 4))
    halved: NDArray[np.uint8] = ((sums + SHRINK**2 // 2) // SHRINK**2).astype(np.uint8)
    return halved


@cache
def _colours() -> ColorCodes:
    return ColorCodes(built_in("potsdam"))


def _of_colours(bands: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the ids (H, W) of ISPRS colours (3, H, W); black is a border that is not judged."""
    levels, codes = bands[:3], _colours()
    labels = codes.labels_of(levels.astype(np.uint8), Unknown())
    ids = np.where(labels == UNLABELLED, UNEXPECTED, labels - 1).astype(np.uint8)
    ids[(levels == 0).all(0)] = UNKNOWN
    ids[((levels < 0) | (levels > np.iinfo(np.uint8).max)).any(0)] = UNEXPECTED
    return ids


def _bytes(ids: NDArray[Any]) -> NDArray[np.uint8]:
    """Return ids with those that mean nothing marked."""
    known = ((ids >= 0) & (ids <= 5)) | (ids == UNKNOWN)
    found: NDArray[np.uint8] = np.where(known, ids, UNEXPECTED).astype(np.uint8)
    return found
