"""Arrays in MATLAB files."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from napari_firstpass.errors import ImageReadError
from napari_firstpass.io.gdal import check_readable

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of numbers in a MATLAB file of version 5 (or 4), by name.

    Axes of length 1 are left out; fractions that are whole numbers are returned as such.

    Raises
    ------
    ImageReadError
        If the file cannot be read, or is of version 7.3.
    """
    check_readable(str(path))
    try:
        content = loadmat(path)
    except NotImplementedError as error:
        raise ImageReadError(
            expected=f"a MATLAB file of version 5 at {path}",
            found="one of version 7.3 (HDF5)",
            remedy="save it again in MATLAB with save(…, '-v7')",
        ) from error
    except (ValueError, TypeError, LookupError, MatReadError, OSError, zlib.error) as error:
        raise ImageReadError(
            expected=f"a MATLAB file of version 5 at {path}",
            found=f"one that cannot be read ({error})",
            remedy="copy or download it again",
        ) from error
    arrays = {key: np.squeeze(one) for key, one in content.items() if isinstance(one, np.ndarray)}
    return {
        key: whole_numbers(array) for key, array in arrays.items() if array.dtype.kind in "buif"
    }


def whole_numbers(values: NDArray[Any]) -> NDArray[Any]:
    """Return whole numbers as such, all else as it is: MATLAB keeps numbers as fractions."""
    if values.dtype.kind == "f" and np.isfinite(values).all() and not (values % 1).any():
        return values.astype(np.int64)
    return values
