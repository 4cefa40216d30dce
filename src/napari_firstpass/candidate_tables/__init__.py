"""Published tables of candidates: a name, one line of explanation, a YAML file beside this one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_firstpass.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping

BUILT_IN_TABLES: Mapping[str, str] = {
    "cityscapes-mapillary": "Cityscapes to Mapillary Vistas, as DynAlign has it",
    "cityscapes-idd": "Cityscapes to the India Driving Dataset, as far as DynAlign is known",
}
"""In the order users see them."""


def candidate_table_file(name: str) -> Path:
    """Return the file of a built-in table.

    Raises
    ------
    UnknownNameError
        If there is none of this name; lists those that there are.
    """
    if name not in BUILT_IN_TABLES:
        raise UnknownNameError.of("table of candidates", name, BUILT_IN_TABLES)
    return Path(__file__).with_name(f"{name}.yaml")
