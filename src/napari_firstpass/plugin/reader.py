"""What napari calls to open a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error

from napari_firstpass.errors import FirstPassError
from napari_firstpass.io.label_file import is_label_file, read_segmentation
from napari_firstpass.widgets.image_layers import RASTER_SUFFIXES
from napari_firstpass.widgets.label_layers import labels_tuple
from napari_firstpass.widgets.opening import open_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_firstpass.widgets.scene import LayerTuple

    PathOrPaths = str | list[str]

_NOTHING = [(None,)]


def get_reader(
    path: PathOrPaths,
) -> Callable[[PathOrPaths], list[LayerTuple] | list[tuple[None]]] | None:
    """Return our reader for paths that end in ``.tif``, ``.tiff``, ``.vrt`` or ``.jp2``.

    Parameters
    ----------
    path : str or list of str
        What the user opens.

    Returns
    -------
    callable or None
        None tells napari to ask another plugin.
    """
    paths = [path] if isinstance(path, str) else path
    if all(p.lower().endswith(RASTER_SUFFIXES) for p in paths):
        return read
    return None


def read(path: PathOrPaths) -> list[LayerTuple] | list[tuple[None]]:
    """Return the layers of one or more files; each becomes a scene of its own.

    A file that cannot be read is reported in one sentence, and the others are opened: an exception
    would reach the user as a traceback, or as a dialog that only says that it failed.
    """
    tuples: list[LayerTuple] = []
    for one in [path] if isinstance(path, str) else path:
        try:
            tuples += _layers_of(Path(one))
        except FirstPassError as error:
            show_error(f"{error}.")
    return tuples or _NOTHING


def _layers_of(path: Path) -> list[LayerTuple]:
    if not is_label_file(path):
        return open_image(path)
    segmentation = read_segmentation(path)
    scene = path.stem.removesuffix("_labels")
    return [labels_tuple(segmentation, name=path.stem, scene=scene)]
