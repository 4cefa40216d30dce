"""Reading a table of classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from napari_firstpass.errors import ImageReadError, TaxonomyError
from napari_firstpass.evaluation.class_table import ClassTable

if TYPE_CHECKING:
    import os

_LARGEST = 2**20


def read_class_table(path: str | os.PathLike[str]) -> ClassTable:
    """Read a YAML (or JSON) file of class names with their ids; see `ClassTable.parse`.

    Raises
    ------
    ImageReadError
        If the file cannot be read.
    TaxonomyError
        If it is no such table.
    """
    place = Path(path)
    try:
        if place.stat().st_size > _LARGEST:
            raise TaxonomyError(
                expected=f"a table of classes of less than {_LARGEST // 2**20} MB",
                found=f"{place.stat().st_size // 2**20} MB at {place}",
                remedy="check the path",
            )
        return ClassTable.parse(yaml.safe_load(place.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise ImageReadError(
            expected="a table of classes", found=f"{place}: {error}", remedy="check the path"
        ) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise TaxonomyError(
            expected="a table of classes in YAML",
            found=f"in {place}: {str(error).splitlines()[0]}",
            remedy="write one line for each class, such as `building: [0, 1]`",
        ) from error
