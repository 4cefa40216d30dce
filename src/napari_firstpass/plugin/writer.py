"""What napari calls to save a labels layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_firstpass.errors import FirstPassError, OutputError
from napari_firstpass.io.label_file import write_segmentation
from napari_firstpass.widgets.label_layers import mask_from
from napari_firstpass.widgets.scene import mask_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


def write_labels(path: str, data: NDArray[Any], meta: dict[str, Any]) -> list[str]:
    """Write a labels layer as a georeferenced mask with class names and colours.

    Parameters
    ----------
    path : str
        Where to; napari's dialog has asked before an existing file comes here. The image that the
        labels belong to is never replaced.
    data : (H, W) integer array
        Class ids in [0, 65535].
    meta : dict
        The attributes of the layer.

    Returns
    -------
    list of str
        The file written.

    Raises
    ------
    OutputError
        If the labels cannot be a mask, or the file cannot be written.
    """
    try:
        segmentation, _ = mask_from(
            data[0] if meta["multiscale"] else data,
            metadata=meta["metadata"],
            features=meta["features"],
            colormap=meta["colormap"],
        )
    except FirstPassError as error:
        # napari takes a ValueError, which these are, for "there is no such writer".
        raise OutputError(
            expected=error.expected, found=error.found, remedy=error.remedy
        ) from error
    info = mask_of(meta["metadata"])
    forbid = () if info is None else info.sources
    return [str(write_segmentation(path, segmentation, overwrite=True, forbid=forbid))]
